"""Content on its way to the engine: counted and hashed while it comes, then readable part by part."""

from __future__ import annotations

import asyncio
import hashlib
import mmap
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from service.adapters.s3_options import MIB
from service.adapters.s3_threads import Threads
from service.errors import TooLarge
from service.ports.files import Put

SMALL = MIB
"""Bytes up to which content is held in memory; past that it is in a temporary file."""

PREFIX = "assetry-files-"
"""What the names of temporary files start with; a crash may leave some, which :func:`sweep_scratch` removes."""


class Spool:
    """Content in memory or in a temporary file, for one writer; then for any number of readers.

    Its sha256, which is to be its key, is known with the last byte. The md5, which takes longer, is left for
    :meth:`finish`, so that it can be worked out while the content travels. Every method blocks and may raise OSError.
    """

    def __init__(self, folder: Path | None, limit: int | None = None) -> None:
        self._folder = folder
        self._limit = limit
        self._sha256 = hashlib.sha256()
        self._small = bytearray()
        self._file: IO[bytes] | None = None
        self._path: Path | None = None
        self.size = 0

    def write(self, content: bytes) -> None:
        """Append. Raises TooLarge past the limit."""
        self.size += len(content)
        if self._limit is not None and self.size > self._limit:
            raise TooLarge(f"The file is over the limit of {self._limit:,} bytes.", field="file")
        self._sha256.update(content)
        if self._file is None and self.size <= SMALL:
            self._small += content
            return
        self._open()
        self._append(content)

    def _open(self) -> None:
        if self._file is None:
            handle, name = tempfile.mkstemp(prefix=PREFIX, dir=self._folder)
            self._path = Path(name)
            self._file = os.fdopen(handle, "r+b", buffering=0)
            self._append(self._small)
            self._small.clear()

    def _append(self, content: bytes | bytearray) -> None:
        assert self._file is not None
        view = memoryview(content)
        while view:
            view = view[self._file.write(view) :]
        view.release()

    @property
    def sha256(self) -> str:
        """The hash of everything written, 64 hex digits."""
        return self._sha256.hexdigest()

    def finish(self, key: str) -> Put:
        """Return what was written, as the object of this key."""
        md5 = hashlib.md5(usedforsecurity=False)
        for first in range(0, self.size, MIB):
            with self.part(first, min(MIB, self.size - first)) as view:
                md5.update(view)
        return Put(key, self.sha256, md5.hexdigest(), self.size)

    @contextmanager
    def part(self, first: int, size: int) -> Iterator[memoryview]:
        """Give ``size`` bytes from ``first`` on, without a copy; ``first`` is a multiple of a MiB."""
        if self._file is None or size == 0:
            yield memoryview(bytes(self._small))[first : first + size]
            return
        # Only this process knows of the file: nobody cuts it short under the map.
        with mmap.mmap(self._file.fileno(), size, access=mmap.ACCESS_READ, offset=first) as mapped:
            view = memoryview(mapped)
            try:
                yield view
            finally:
                view.release()

    def path(self) -> Path:
        """Return the path of a file that holds everything, until :meth:`close`."""
        self._open()
        assert self._path is not None
        return self._path

    def close(self) -> None:
        """Let go of the content. Safe to call twice."""
        if self._file is not None:
            self._file.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)


async def fill(spool: Spool, stream: AsyncIterator[bytes], threads: Threads) -> None:
    """Write a stream to a spool: while one MiB is hashed and written, the next is gathered.

    Raises TooLarge, Unavailable and what the stream raises; then, too, no thread is left writing.
    """
    buffer = bytearray()
    writing: asyncio.Task[None] | None = None
    try:
        async for chunk in stream:
            buffer += chunk
            if len(buffer) >= MIB:
                if writing is not None:
                    await writing
                writing = asyncio.create_task(threads.run(spool.write, bytes(buffer)))
                buffer.clear()
        if writing is not None:
            await writing
        await threads.run(spool.write, bytes(buffer))
    finally:
        if writing is not None:
            await asyncio.gather(writing, return_exceptions=True)  # the first error is the one to tell


def sweep_scratch(folder: Path | None, older_than: float) -> int:
    """Remove the temporary files that processes left which were killed; return how many. Blocking."""
    oldest = time.time() - older_than
    removed = 0
    for path in Path(folder or tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(FileNotFoundError, PermissionError):  # gone meanwhile, or another user's
            if path.stat().st_mtime < oldest:
                path.unlink()
                removed += 1
    return removed
