"""The embedded files: a folder of content-addressed objects.

::

    <root>/objects/<space>/<ab>/<sha256>            an original
    <root>/objects/<space>/<ab>/<sha256>.d/<name>   an object derived from it
    <root>/uploads/<space>/<upload>                 a staged upload that has not been adopted yet
    <root>/parts/<uuid>                             a put in progress; a crash may leave one behind

A put writes to ``parts``, on the same file system, and then moves the complete, synced file into place atomically.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar

from service.adapters.local.incoming import LocalIncoming
from service.adapters.local.object_reader import ObjectReader
from service.adapters.local.part_file import PartFile, sync_folder
from service.adapters.shared.memory_budget import MOST, MemoryBudget
from service.adapters.shared.private_files import make_private_folder
from service.errors import InvalidInput, NotFound, StorageFull, Unavailable
from service.ports.files import (
    STALE_SECONDS,
    ByteRange,
    Content,
    Incoming,
    Put,
    Stat,
    check_key,
    check_sha256,
    original_key,
    staged_name,
)

T = TypeVar("T")

_THREADS = 4
_FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}


class LocalFiles:
    """The files port on a folder; :class:`service.ports.files.Files` states what each method promises.

    Several processes may share one folder. Call :meth:`prepare` first, or use it as a context manager.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._objects = root / "objects"
        self._uploads = root / "uploads"
        self._parts = root / "parts"
        self._reading_budget = MemoryBudget(blocks=2)  # one on its way to the client, one waiting
        self._incoming_budget = MemoryBudget(blocks=2)  # one being gathered, one being written
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="assetry-files")

    async def prepare(self) -> None:
        """Create the folders and remove leftovers older than a day. Raises Unavailable."""
        await self._run(self._prepare)
        await self.sweep()

    async def __aenter__(self) -> Self:
        await self.prepare()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def put(
        self, space: str, stream: AsyncIterator[bytes], *, expected_sha256: str | None = None, limit: int | None = None
    ) -> Put:
        """Store the stream, in constant memory. Raises InvalidInput, TooLarge and whatever the stream raises."""
        check_key(space)
        async with self._incoming(limit) as incoming:
            async for chunk in stream:
                await incoming.write(chunk)
            return await incoming.keep(space, expected_sha256=expected_sha256)

    def receive(self, *, limit: int | None = None) -> AbstractAsyncContextManager[Incoming]:
        """Receive content before it is known whether it will be kept."""
        return self._incoming(limit)

    async def stage(self, space: str, upload: str, stream: AsyncIterator[bytes], *, limit: int | None = None) -> int:
        """Store the stream as a staged upload; return its size. Raises TooLarge and whatever the stream raises."""
        target = self._staged(space, upload)

        def keep(part: PartFile) -> int:
            self._move(part, target)
            return part.size

        async with self._incoming(limit) as incoming:
            async for chunk in stream:
                await incoming.write(chunk)
            return await incoming.finish(keep)

    async def signed_put(self, space: str, upload: str, *, seconds: int) -> str | None:
        """Return None: clients cannot reach a folder."""
        self._staged(space, upload)
        return None

    async def signed_get(
        self, key: str, *, seconds: int, filename: str, mime_type: str, attachment: bool
    ) -> str | None:
        """Return None: clients cannot reach a folder."""
        check_key(key)
        return None

    async def adopt(
        self, space: str, upload: str, *, expected_sha256: str | None = None, limit: int | None = None
    ) -> Put:
        """Store a staged upload by its content. Raises NotFound, InvalidInput, TooLarge."""
        staged = self._staged(space, upload)
        return await self._run(self._adopt, space, staged, expected_sha256, limit)

    async def sweep(self, older_than: float = STALE_SECONDS) -> int:
        """Remove parts and staged uploads older than ``older_than`` seconds; return how many."""
        return await self._run(self._sweep, older_than)

    async def put_path(self, space: str, path: Path, *, limit: int | None = None) -> Put:
        """Store a local file by streaming it. Raises InvalidInput (no readable regular file), TooLarge."""
        check_key(space)
        return await self._run(self._copy, space, path, limit)

    async def put_derived(self, key: str, content: bytes) -> Stat:
        """Store a derived object, atomically replacing an older one."""
        return await self._run(self._write_whole, check_key(key), content)

    @asynccontextmanager
    async def open(self, key: str, byte_range: ByteRange | None = None) -> AsyncIterator[Content]:
        """Stream an object or a part of it. Raises NotFound on entry."""
        with self._reading_budget as budget:
            reading = await self._run(ObjectReader, self._objects / check_key(key), key, byte_range, budget)
            try:
                yield Content(reading.size, self._chunks(reading))
            finally:
                if not reading.closed:
                    await self._run(reading.close)

    @asynccontextmanager
    async def local_path(self, key: str) -> AsyncIterator[str]:
        """Provide the object's own path. Raises NotFound on entry."""
        await self.stat(key)
        yield str(self._objects / key)

    async def stat(self, key: str) -> Stat:
        """Return the object's size and modification time. Raises NotFound."""
        return await self._run(self._stat, check_key(key))

    async def delete(self, key: str) -> bool:
        """Delete the object and everything derived from it; return True if it existed."""
        return await self._run(self._delete, check_key(key))

    async def ping(self) -> Mapping[str, Any]:
        """Return the engine and the free bytes, after a write to the folder. Raises Unavailable."""
        return {"engine": "folder", "free_bytes": await self._run(self._probe)}

    async def close(self) -> None:
        """Finish reads and writes in progress. Safe to call twice."""
        await asyncio.to_thread(self._pool.shutdown)

    async def _run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run blocking work in a thread. A cancelled caller still waits for it, so that none goes on unnoticed."""
        try:
            future = asyncio.get_running_loop().run_in_executor(self._pool, self._guarded, work, *arguments)
        except RuntimeError as error:
            raise Unavailable("files", "the files engine is closed") from error
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise

    def _guarded(self, work: Callable[..., T], *arguments: Any) -> T:
        with self._translated():
            return work(*arguments)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if full := _FULL.get(error.errno or 0):
                raise StorageFull("files", f"{self._root}: {full}") from error
            reason = (
                "the file system is read-only"
                if error.errno == errno.EROFS
                else "the data folder cannot be read or written"
            )
            raise Unavailable("files", f"{self._root}: {reason}") from error

    @asynccontextmanager
    async def _incoming(self, limit: int | None) -> AsyncIterator[LocalIncoming]:
        with self._incoming_budget as budget:
            incoming = LocalIncoming(self._run, lambda: self._new_part(limit), self._keep, budget)
            try:
                yield incoming
            finally:
                await incoming.close()

    def _prepare(self) -> None:
        for folder in (self._objects, self._uploads, self._parts):
            make_private_folder(folder)

    def _sweep(self, older_than: float) -> int:
        oldest = time.time() - older_than
        removed = 0
        for path in (*self._parts.iterdir(), *self._uploads.rglob("*")):
            try:
                if path.is_file() and path.stat().st_mtime < oldest:
                    path.unlink()
                    removed += 1
            except FileNotFoundError:  # another process has just kept or removed it
                continue
        return removed

    def _staged(self, space: str, upload: str) -> Path:
        return self._uploads / staged_name(space, upload)

    def _adopt(self, space: str, staged: Path, expected_sha256: str | None, limit: int | None) -> Put:
        """Copy the stage to a part, so that a client still writing to the stage cannot change what was hashed."""
        try:
            source = staged.open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFound("upload", staged.name) from None
        with source:
            try:
                put = self._absorb(space, lambda: source.read(MOST), expected_sha256, limit)
            except InvalidInput:
                staged.unlink(missing_ok=True)
                raise
            # A newer upload may have replaced the one that was read: that one stays.
            with suppress(FileNotFoundError):
                if os.path.samestat(staged.stat(), os.fstat(source.fileno())):
                    staged.unlink()
        return put

    def _new_part(self, limit: int | None = None) -> PartFile:
        return PartFile(self._parts / str(uuid.uuid4()), limit)

    def _keep(self, space: str, part: PartFile, expected_sha256: str | None) -> Put:
        put = part.summary(lambda sha256: original_key(space, sha256))
        check_sha256(put.sha256, expected_sha256)
        target = self._objects / put.key
        if not _refreshed(target, put.size):
            self._move(part, target)
        return put

    def _copy(self, space: str, path: Path, limit: int | None) -> Put:
        try:
            source = path.open("rb") if path.is_file() else None
        except OSError as error:
            raise InvalidInput(f"Cannot read {path}: {error.strerror}.", field="path") from error
        if source is None:
            raise InvalidInput(f"{path} is not a regular file.", field="path")
        with source:
            return self._absorb(space, lambda: _read(source, path), None, limit)

    def _absorb(self, space: str, read: Callable[[], bytes], expected_sha256: str | None, limit: int | None) -> Put:
        part = self._new_part(limit)
        try:
            while chunk := read():
                part.write(chunk)
            return self._keep(space, part, expected_sha256)
        finally:
            part.discard()

    def _write_whole(self, key: str, content: bytes) -> Stat:
        part = self._new_part()
        try:
            part.write(content)
            self._move(part, self._objects / key)
        finally:
            part.discard()
        return self._stat(key)

    def _move(self, part: PartFile, target: Path) -> None:
        """Move a part into place; when this returns, the object survives a crash of the machine."""
        new = [folder for folder in (target.parent, *target.parent.parents) if not folder.exists()]
        make_private_folder(target.parent)
        part.move_to(target)
        for folder in (target.parent, *(created.parent for created in new)):
            sync_folder(folder)

    async def _chunks(self, reading: ObjectReader) -> AsyncIterator[bytes]:
        chunk = reading.take_first_block()
        while chunk:
            yield chunk
            chunk = b"" if reading.closed else await self._run(reading.read)

    def _stat(self, key: str) -> Stat:
        path = self._objects / key
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound("file", key) from None
        if not path.is_file():
            raise NotFound("file", key)
        return Stat(key, found.st_size, found.st_mtime)

    def _delete(self, key: str) -> bool:
        path = self._objects / key
        with suppress(FileNotFoundError, NotADirectoryError):  # first, so that a crash in between leaves no orphans
            shutil.rmtree(self._objects / f"{key}.d")
        if not path.is_file():
            return False
        path.unlink(missing_ok=True)
        return True

    def _probe(self) -> int:
        part = self._new_part()
        try:
            part.write(b"ping")
        finally:
            part.discard()
        return shutil.disk_usage(self._root).free


def _refreshed(target: Path, size: int) -> bool:
    """Touch the existing object so that it counts as new; False if there is none, or an incomplete one."""
    with suppress(FileNotFoundError, NotADirectoryError):
        if target.is_file() and target.stat().st_size == size:
            os.utime(target)
            return True
    return False


def _read(source: BinaryIO, path: Path) -> bytes:
    try:
        return source.read(MOST)
    except OSError as error:  # the fault of the source, not of the store
        raise InvalidInput(f"Cannot read {path}: {error.strerror}.", field="path") from error
