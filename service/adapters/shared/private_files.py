"""Files and folders that only the user of the service may read: records and originals belong to organizations."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o600


def private_opener(path: str, flags: int) -> int:
    """Open a file for :func:`open`; one that is created is its owner's only, whatever the umask lets others do."""
    return os.open(path, flags, FILE_MODE)


def make_private_folder(folder: Path) -> None:
    """Create a folder and those above it that do not exist, for its owner only; blocking. Raises OSError."""
    if folder.is_dir():
        return
    make_private_folder(folder.parent)
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)


def make_private_file(path: Path) -> None:
    """Create an empty file for its owner only, unless it is there; blocking. Raises OSError."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, FILE_MODE))


def is_open_to_others(path: Path) -> bool:
    """Say whether other users of the machine may enter a folder or read a file. Raises OSError."""
    return bool(path.stat().st_mode & 0o077)
