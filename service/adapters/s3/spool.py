"""Content on its way to the engine: counted and hashed as it arrives, then readable part by part."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from service.adapters.s3.options import MIB
from service.errors import TooLarge

SMALL = MIB
"""Bytes of content that may be held in memory; beyond that it goes to a temporary file."""

PREFIX = "assetry-files-"
"""The prefix of temporary files; a crash may leave some, which :func:`sweep_scratch` removes."""


class Spool:
    """Content in memory (up to ``most`` bytes) or in a temporary file, with one writer, and then any number of readers.

    Its sha256, which becomes its key, is known after the last byte. The md5, which takes four times as long, is
    computed on demand. Every method blocks and may raise OSError.
    """

    def __init__(self, folder: Path | None, limit: int | None = None, most: int = SMALL) -> None:
        self._folder = folder
        self._most = most
        self._limit = limit
        self._sha256 = hashlib.sha256()
        self._small = bytearray()
        self._file: IO[bytes] | None = None
        self._path: Path | None = None
        self.size = 0

    @property
    def sha256(self) -> str:
        """The hash of everything written so far, as 64 hex digits."""
        return self._sha256.hexdigest()

    @property
    def on_disk(self) -> bool:
        """Whether there is a temporary file."""
        return self._path is not None

    def write(self, content: bytes) -> None:
        """Append. Raises TooLarge past the limit."""
        self.size += len(content)
        if self._limit is not None and self.size > self._limit:
            raise TooLarge(f"The file exceeds the limit of {self._limit:,} bytes.", field="file")
        self._sha256.update(content)
        if self._file is None and self.size <= self._most:
            self._small += content
            return
        if self._file is None:
            self._file = self._new_file()
            _append(self._file, self._small)
            self._small.clear()
        _append(self._file, content)

    def read_at(self, first: int, size: int) -> bytes:
        """Return up to ``size`` bytes, starting at ``first``."""
        if self._file is None:
            return bytes(self._small[first : first + size])
        return os.pread(self._file.fileno(), size, first)

    def md5(self) -> str:
        """Compute the md5, as 32 hex digits."""
        digest = hashlib.md5(usedforsecurity=False)
        for first in range(0, self.size, MIB):
            digest.update(self.read_at(first, MIB))
        return digest.hexdigest()

    def path(self) -> Path:
        """Return the path of a file with the whole content, valid until :meth:`drop_copy` or :meth:`close`."""
        if self._path is None:  # the content is in memory: this file is a copy
            with self._new_file() as file:
                _append(file, self._small)
        assert self._path is not None
        return self._path

    def drop_copy(self) -> None:
        """Remove the file if its content is in memory too."""
        if self._file is None and self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None

    def close(self) -> None:
        """Release the content. Safe to call twice."""
        if self._file is not None:
            self._file.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None

    def _new_file(self) -> IO[bytes]:
        handle, name = tempfile.mkstemp(prefix=PREFIX, dir=self._folder)
        self._path = Path(name)
        return os.fdopen(handle, "r+b", buffering=0)


class SpoolSlice:
    """Some bytes of a spool, as a file that can be sent repeatedly; ``on_read`` is called for each read."""

    def __init__(self, spool: Spool, first: int, size: int, on_read: Callable[[], None] = lambda: None) -> None:
        self._on_read = on_read
        self._spool = spool
        self._first = first
        self.size = size
        self._at = 0

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, empty at the end."""
        content = self._spool.read_at(self._first + self._at, min(size, self.size - self._at))
        self._at += len(content)
        self._on_read()
        return content

    def tell(self) -> int:
        """Return the number of bytes read."""
        return self._at

    def seek(self, place: int) -> int:
        """Go to a position that :meth:`tell` returned."""
        self._at = place
        return place

    def sha256(self) -> str:
        """Return the hash of the whole slice, as 64 hex digits."""
        digest = hashlib.sha256()
        while content := self.read(MIB):
            digest.update(content)
        self._at = 0
        return digest.hexdigest()


def _append(file: IO[bytes], content: bytes | bytearray) -> None:
    with memoryview(content) as view:
        done = 0
        while done < len(view):
            done += file.write(view[done:])


def sweep_scratch(folder: Path | None, older_than: float) -> int:
    """Remove the temporary files of killed processes; return how many. Blocking."""
    oldest = time.time() - older_than
    removed = 0
    for path in Path(folder or tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(FileNotFoundError, PermissionError):  # removed meanwhile, or another user's
            if path.stat().st_mtime < oldest:
                path.unlink()
                removed += 1
    return removed
