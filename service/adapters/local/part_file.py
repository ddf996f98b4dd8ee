"""A put in progress: a file that counts and hashes what is written to it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from service.adapters.shared.private_files import private_opener
from service.errors import TooLarge
from service.ports.files import Put


class PartFile:
    """A new file at ``path``, for one writer. Every method blocks and may raise OSError."""

    def __init__(self, path: Path, limit: int | None = None) -> None:
        self.path = path
        self._limit = limit
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._size = 0
        self._file = open(path, "xb", buffering=0, opener=private_opener)  # noqa: SIM115

    def write(self, content: bytes) -> None:
        """Append. Raises TooLarge past the limit."""
        self._size += len(content)
        if self._limit is not None and self._size > self._limit:
            raise TooLarge(f"The file exceeds the limit of {self._limit:,} bytes.", field="file")
        self._sha256.update(content)
        self._md5.update(content)
        view = memoryview(content)
        while view:
            view = view[self._file.write(view) :]

    @property
    def size(self) -> int:
        """The number of bytes written so far."""
        return self._size

    @property
    def sha256(self) -> str:
        """The hash of everything written so far, as 64 hex digits."""
        return self._sha256.hexdigest()

    @property
    def closed(self) -> bool:
        """Whether it was moved or discarded."""
        return self._file.closed

    def summary(self, key: Callable[[str], str]) -> Put:
        """Return what was written; ``key`` builds the object's key from the sha256."""
        return Put(key(self.sha256), self.sha256, self._md5.hexdigest(), self._size)

    def move_to(self, target: Path) -> None:
        """Sync the content, then move the file to ``target`` atomically, replacing what is there."""
        os.fsync(self._file.fileno())
        self._file.close()
        self.path.replace(target)

    def discard(self) -> None:
        """Remove the file unless it was moved. Safe to call twice."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
