"""Where engines keep what they are (a cache that stays) and what they hold (a temporary folder)."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder of unpacked programs: `assetry` in the XDG cache.

    Root's own cache can not be read by the user that engines run as, so root's is in /var/cache.
    """
    given = os.environ.get("XDG_CACHE_HOME")
    base = Path(given) if given else Path("/var/cache") if os.geteuid() == 0 else Path.home() / ".cache"
    folder = base / "assetry"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def instance_folder(name: str) -> Path:
    """Return the folder of a running engine; every user has one of each."""
    folder = Path(tempfile.gettempdir()) / f"assetry-engines-{os.getuid()}" / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user; set TMPDIR to a folder of yours")
    return folder
