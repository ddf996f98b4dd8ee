"""The files on S3: MinIO, AWS, or any compatible engine.

::

    <bucket>/<space>/<ab>/<sha256>            an original
    <bucket>/<space>/<ab>/<sha256>.d/<name>   an object derived from it
    <bucket>/.uploads/<space>/<upload>        a staged upload that has not been adopted yet
    <bucket>/.marks/<uuid>                    a multipart upload in progress (see ``send``)

The key of an original is its hash, which is known only after its last byte, and S3 cannot rename objects. So a put
gathers the content first, in memory up to one MiB and in a temporary file beyond that, and then sends it to its key.
The alternative, a multipart upload to a temporary key followed by a copy within the engine, was measured: 0.8 s for 100
MB on a MinIO where this way takes 0.46 s and the client library alone 0.25 s, because the engine reads and writes
everything a second time. It also sends content that exists already, and a kill between the steps leaves a whole copy.

The client library blocks: all of it runs in threads of this adapter's own (see ``threads``). No header of a request to
the service is ever passed to the engine.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from minio import Minio
from minio.error import S3Error
from urllib3.response import BaseHTTPResponse

from service.adapters.s3.client import client, provider, signer
from service.adapters.s3.errors import at_start, missing
from service.adapters.s3.incoming import INLINE, S3Incoming
from service.adapters.s3.options import ENGINE, S3Options
from service.adapters.s3.read import Download, save
from service.adapters.s3.send import Sender, pieces
from service.adapters.s3.spool import Spool, sweep_scratch
from service.adapters.s3.sweep import STAGES, Sweeper, delete
from service.adapters.s3.threads import Threads
from service.adapters.shared.memory_budget import MemoryBudget
from service.errors import InvalidInput, NotFound, TooLarge, Unavailable
from service.ports.files import (
    STALE_SECONDS,
    ByteRange,
    Content,
    Incoming,
    Put,
    Stat,
    check_key,
    disposition,
    original_key,
    staged_name,
)

_ASK = 256 * 1024  # bytes from which on asking whether the engine has the content is cheaper than sending it
_START_SECONDS = 4.0  # so that an engine that hangs at startup is reported soon
_GIVE_UP_SECONDS = 4.0  # to abort a failed upload before the caller gets its error; the sweeper removes the rest
_PING_SECONDS = 1.5  # so that a probe soon reports an engine that hangs
_SIGNED_SECONDS = 7 * 86_400  # S3's maximum
_DISK_THREADS = 4


class S3Files:
    """The files port on S3; :class:`service.ports.files.Files` states what each method promises.

    Use it as a context manager: on entry it checks the bucket, and raises SettingsError or Unavailable.
    """

    def __init__(self, options: S3Options) -> None:
        self._options = options.checked()
        self._bucket = options.bucket
        credentials = provider(options)
        self._client = client(options, credentials)
        self._probe = client(options, credentials, idle=_PING_SECONDS)
        self._credentials = credentials
        self._signer: Minio | None = None
        self._threads = Threads(options.threads, options.stall, "s3")
        self._reading_budget = MemoryBudget(blocks=4)  # one on its way to the client, one waiting, two read ahead
        self._incoming_budget = MemoryBudget(blocks=3)  # one being gathered, one being written, one being kept
        # An upload may take hours over a slow connection. Reads never wait for it.
        self._senders = Threads(options.threads, options.stall, "s3-send")
        # Hashing never waits for an engine that hangs, and a probe never for the requests that do.
        self._disk = Threads(_DISK_THREADS, 600.0, "spool")
        self._ping_thread = Threads(1, _PING_SECONDS, "s3-ping")
        abort_client = client(options, credentials, idle=min(options.idle, _GIVE_UP_SECONDS))
        self._sender = Sender(self._client, abort_client, self._threads, self._senders, options)
        self._sweeper = Sweeper(self._client, self._bucket)

    async def __aenter__(self) -> Self:
        try:
            await self._threads.run(self._open_bucket)
        except BaseException:
            await self.close()
            raise
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

    async def put_path(self, space: str, path: Path, *, limit: int | None = None) -> Put:
        """Store a local file by streaming it. Raises InvalidInput (no readable regular file), TooLarge."""
        check_key(space)
        return await self.put(space, pieces(path, self._disk), limit=limit)

    async def put_derived(self, key: str, content: bytes) -> Stat:
        """Store a derived object, atomically replacing an older one."""
        await self._threads.run(self._sender.put, check_key(key), content)
        return await self.stat(key)

    @asynccontextmanager
    async def open(self, key: str, byte_range: ByteRange | None = None) -> AsyncIterator[Content]:
        """Stream an object or a part of it. Raises NotFound on entry."""
        async with self._download(check_key(key), NotFound("file", key), byte_range) as content:
            yield content

    @asynccontextmanager
    async def local_path(self, key: str) -> AsyncIterator[str]:
        """Provide a temporary copy of the object, deleted afterwards. Raises NotFound on entry."""
        check_key(key)
        spool = Spool(self._options.scratch)
        try:
            path = await self._disk.run(spool.path)
            await self._threads.run(self._save, key, path)
            yield str(path)
        finally:
            await asyncio.to_thread(spool.close)

    async def stat(self, key: str) -> Stat:
        """Return the object's size and modification time. Raises NotFound."""
        return await self._threads.run(self._stat, check_key(key))

    async def delete(self, key: str) -> bool:
        """Delete the object and everything derived from it; return True if it existed."""
        return await self._threads.run(delete, self._client, self._bucket, check_key(key))

    async def stage(self, space: str, upload: str, stream: AsyncIterator[bytes], *, limit: int | None = None) -> int:
        """Store the stream as a staged upload; return its size. Raises TooLarge and whatever the stream raises."""
        key = STAGES + staged_name(space, upload)
        async with self._incoming(limit) as incoming:
            async for chunk in stream:
                await incoming.write(chunk)
            spool = await incoming.spooled()
            await self._sender.send(spool, key)
            return spool.size

    async def signed_put(self, space: str, upload: str, *, seconds: int) -> str | None:
        """Return a presigned URL to PUT a staged upload, if clients can reach the engine."""
        return await self._sign("PUT", STAGES + staged_name(space, upload), seconds, {})

    async def signed_get(
        self, key: str, *, seconds: int, filename: str, mime_type: str, attachment: bool
    ) -> str | None:
        """Return a presigned URL to GET an object, if clients can reach the engine."""
        headers = {
            "response-content-type": mime_type,
            "response-content-disposition": disposition(filename, inline=not attachment),
            "response-cache-control": "private, max-age=86400, immutable",
        }
        return await self._sign("GET", check_key(key), seconds, headers)

    async def adopt(
        self, space: str, upload: str, *, expected_sha256: str | None = None, limit: int | None = None
    ) -> Put:
        """Store a staged upload by its content. Raises NotFound, InvalidInput, TooLarge.

        It is downloaded and sent again, not copied within the engine: a client whose URL is still valid could change it
        between hashing and copying, and the copy would include the client's metadata.
        """
        key = STAGES + staged_name(space, upload)
        try:
            async with self._download(key, NotFound("upload", upload), limit=limit) as content:
                put = await self.put(space, content.chunks, expected_sha256=expected_sha256, limit=limit)
        except InvalidInput:
            await self._threads.run(self._client.remove_object, self._bucket, key)
            raise
        await self._threads.run(self._client.remove_object, self._bucket, key)
        return put

    async def sweep(self, older_than: float = STALE_SECONDS) -> int:
        """Remove leftovers older than ``older_than`` seconds, in the bucket and in temporary files; return how many."""
        files = await self._disk.run(sweep_scratch, self._options.scratch, older_than)
        return files + await self._threads.run(self._sweeper.sweep, older_than)

    async def ping(self) -> Mapping[str, Any]:
        """Return the engine, after listing the bucket; S3 does not report free space. Raises Unavailable."""
        await self._ping_thread.run(self._check_bucket, self._probe)
        return {"engine": "s3", "free_bytes": None}

    async def close(self) -> None:
        """Finish requests in progress. Safe to call twice."""
        every = (self._threads, self._senders, self._disk, self._ping_thread)
        await asyncio.gather(*(threads.close() for threads in every))

    @asynccontextmanager
    async def _incoming(self, limit: int | None) -> AsyncIterator[S3Incoming]:
        with self._incoming_budget as budget:
            incoming = S3Incoming(Spool(self._options.scratch, limit, budget.block), self._disk, self._keep, budget)
            try:
                yield incoming
            finally:
                await incoming.close()

    async def _keep(self, space: str, spool: Spool) -> Put:
        key = original_key(space, spool.sha256)
        there = spool.size >= _ASK and await self._threads.run(self._has_fresh, key, spool.size)
        md5_etags = self._sender.md5_etags
        if not there and spool.size > INLINE and md5_etags.trusted and self._sender.is_single(spool):
            md5 = await self._sender.send(spool, key)
            md5 = md5 if md5 is not None else await self._disk.run(spool.md5)
        elif spool.size > INLINE:
            md5 = await self._with_md5(spool, None if there else key)
        else:
            md5 = spool.md5()
            md5_etags.compare(await self._sender.send(spool, key), md5)
        return Put(key, spool.sha256, md5, spool.size)

    async def _with_md5(self, spool: Spool, key: str | None) -> str:
        """Compute the MD5 while the spool is sent to its key, if it has to be."""
        working = asyncio.create_task(self._disk.run(spool.md5))
        try:
            md5 = None if key is None else await self._sender.send(spool, key)
            self._sender.md5_etags.compare(md5, await working)
            return working.result()
        finally:
            await asyncio.gather(working, return_exceptions=True)  # the spool may be closed only when nobody reads it

    @asynccontextmanager
    async def _download(
        self, key: str, absent: NotFound, byte_range: ByteRange | None = None, limit: int | None = None
    ) -> AsyncIterator[Content]:
        with self._reading_budget:
            download = await self._threads.run(self._start_download, key, absent, byte_range)
            try:
                if limit is not None and download.size > limit:
                    raise TooLarge(f"The file exceeds the limit of {limit:,} bytes.", field="file")
                yield Content(download.size, download.chunks())
            finally:
                await download.close()

    def _start_download(self, key: str, absent: NotFound, byte_range: ByteRange | None) -> Download:
        return Download(self._get(key, absent, byte_range), self._threads, self._reading_budget)

    async def _sign(self, method: str, key: str, seconds: int, headers: Mapping[str, str]) -> str | None:
        if self._signer is None:
            return None
        # In a thread, because expired credentials are fetched anew.
        return await self._threads.run(self._signed, self._signer, method, key, seconds, headers)

    def _signed(self, signer: Minio, method: str, key: str, seconds: int, headers: Mapping[str, str]) -> str:
        expires = timedelta(seconds=max(1, min(seconds, _SIGNED_SECONDS)))
        return signer.get_presigned_url(method, self._bucket, key, expires, response_headers=dict(headers))

    def _open_bucket(self) -> None:
        first = client(self._options, self._credentials, idle=_START_SECONDS)
        with at_start(self._options):
            self._check_bucket(first)
            region = first._get_region(self._bucket)
        self._signer = signer(self._options, self._credentials, region)

    def _check_bucket(self, client: Minio) -> None:
        """List one key of the bucket: unlike a HEAD, the answer says what is wrong."""
        for _ in client._list_objects(self._bucket, prefix=STAGES, max_keys=1):
            return

    def _get(self, key: str, absent: NotFound, byte_range: ByteRange | None) -> BaseHTTPResponse:
        first = byte_range.first if byte_range else 0
        length = byte_range.last - byte_range.first + 1 if byte_range else 0
        try:
            response = self._client.get_object(self._bucket, key, offset=first, length=length)
        except S3Error as error:
            if missing(error):
                raise absent from None
            raise
        if byte_range is not None and response.status != 206:
            response.close()
            raise Unavailable(ENGINE, "the engine does not support byte ranges")
        return response

    def _save(self, key: str, path: Path) -> None:
        save(self._get(key, NotFound("file", key), None), path, self._threads.note_progress)

    def _has_fresh(self, key: str, size: int) -> bool:
        """Whether the object exists and counts as new. An old one is sent again, as only that renews it."""
        try:
            found = self._stat(key)
        except NotFound:
            return False
        return found.size == size and time.time() - found.modified < self._options.fresh

    def _stat(self, key: str) -> Stat:
        try:
            found = self._client.stat_object(self._bucket, key)
        except S3Error as error:
            if missing(error):
                raise NotFound("file", key) from None
            raise
        modified = found.last_modified.timestamp() if found.last_modified else 0.0
        return Stat(key, found.size or 0, modified)
