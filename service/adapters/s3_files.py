"""The files on S3: MinIO, AWS, or any engine that speaks as they do.

::

    <bucket>/<space>/<ab>/<sha256>            an original
    <bucket>/<space>/<ab>/<sha256>.d/<name>   what is derived from it
    <bucket>/.uploads/<space>/<upload>        a staged upload that is to be adopted
    <bucket>/.marks/<uuid>                    a multipart upload under way (see s3_send)

The key of an original is its hash, which is known after its last byte, and what S3 has under one key can not be renamed
to another. So a put gathers the content first, in memory up to a MiB and in a temporary file past it, and then sends it
to its key. The other way, a multipart upload to a key of its own and a copy by the engine, was measured: 0.8 s for 100
MB on one MinIO where this way takes 0.46 s and the client library alone 0.25 s, because the engine reads and writes
everything a second time. It also sends what is there already, and a kill between the steps leaves a whole copy behind.

The client library blocks: all of it runs in threads of this adapter's own (see s3_threads). No header of a request to
the service ever gets here, so none can reach the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from minio import Minio
from minio.error import S3Error
from urllib3.response import BaseHTTPResponse

from service.adapters.s3_client import client, provider, signer
from service.adapters.s3_delete import delete
from service.adapters.s3_errors import at_start, missing
from service.adapters.s3_options import ENGINE, S3Options
from service.adapters.s3_read import Download, save
from service.adapters.s3_recent import Recent
from service.adapters.s3_send import Sender
from service.adapters.s3_source import pieces
from service.adapters.s3_spool import Spool, fill, sweep_scratch
from service.adapters.s3_sweep import STAGES, Janitor
from service.adapters.s3_threads import Threads
from service.errors import InvalidInput, NotFound, TooLarge, Unavailable
from service.ports.files import (
    STALE_SECONDS,
    ByteRange,
    Put,
    Stat,
    check_key,
    check_sha256,
    disposition,
    original_key,
    staged_name,
)

_ASK = 256 * 1024  # bytes from which on it is cheaper to ask whether the engine has them than to send them
_START_SECONDS = 4.0  # who starts a service is soon told that the engine hangs
_START_SECONDS = 4.0  # who starts the service is to hear soon that an engine hangs
_PING_SECONDS = 1.5  # a probe is to say soon that an engine hangs
_SIGNED_SECONDS = 7 * 86_400  # S3's bound
_DISK_THREADS = 4


class S3Files:
    """The files port on S3; :class:`service.ports.files.Files` says what each method promises.

    Use it as a context manager: entering looks at the bucket and raises SettingsError or Unavailable.
    """

    def __init__(self, options: S3Options) -> None:
        self._options = options.checked()
        self._bucket = options.bucket
        credentials = provider(options)
        self._client = client(options, credentials)
        self._probe = client(options, credentials, idle=_PING_SECONDS)
        self._credentials = credentials
        self._signer: Minio | None = None
        self._threads = Threads(options.threads, options.patience, "s3")
        # Hashing never waits for an engine that hangs, and a probe never for those who already do.
        self._disk = Threads(_DISK_THREADS, 600.0, "spool")
        self._ping_thread = Threads(1, _PING_SECONDS, "s3-ping")
        self._sender = Sender(self._client, self._threads, options)
        self._janitor = Janitor(self._client, self._bucket)
        self._recent = Recent()

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
        """Store the stream in flat memory. Raises InvalidInput, TooLarge and what the stream raises."""
        check_key(space)
        spool = Spool(self._options.scratch, limit)
        try:
            await fill(spool, stream, self._disk)
            check_sha256(spool.sha256, expected_sha256)
            put = await self._keep(space, spool)
        except BaseException:
            await asyncio.to_thread(spool.close)
            raise
        self._recent.hold(put.key, spool)
        return put

    async def put_path(self, space: str, path: Path, *, limit: int | None = None) -> Put:
        """Store a local file, streaming it. Raises InvalidInput (no readable regular file), TooLarge."""
        check_key(space)
        spool = Spool(self._options.scratch, limit)
        try:
            await fill(spool, pieces(path, self._disk), self._disk)
            return await self._keep(space, spool)
        finally:
            await asyncio.to_thread(spool.close)

    async def put_derived(self, key: str, content: bytes) -> Stat:
        """Store a derived object, replacing an older one in one step."""
        await self._threads.run(self._sender.put, check_key(key), content)
        return await self.stat(key)

    @asynccontextmanager
    async def open(self, key: str, byte_range: ByteRange | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
        """Stream an object or a part of it. Raises NotFound on entry."""
        async with self._download(check_key(key), NotFound("file", key), byte_range) as chunks:
            yield chunks

    @asynccontextmanager
    async def local_path(self, key: str) -> AsyncIterator[str]:
        """Give a temporary copy of the object, deleted afterwards. Raises NotFound on entry."""
        check_key(key)
        spool = self._recent.take(key) or Spool(self._options.scratch)
        try:
            path = await self._disk.run(spool.path)
            if not spool.size:
                await self._threads.run(self._save, key, path)
            yield str(path)
        finally:
            await asyncio.to_thread(spool.close)

    async def stat(self, key: str) -> Stat:
        """Return the object's size and time. Raises NotFound."""
        return await self._threads.run(self._stat, check_key(key))

    async def delete(self, key: str) -> bool:
        """Delete the object and what was derived from it; True if there was one."""
        check_key(key)
        self._recent.drop(key)
        return await self._threads.run(delete, self._client, self._bucket, key)

    async def stage(self, space: str, upload: str, stream: AsyncIterator[bytes], *, limit: int | None = None) -> int:
        """Keep the stream as a staged upload; return its size. Raises TooLarge and what the stream raises."""
        key = STAGES + staged_name(space, upload)
        spool = Spool(self._options.scratch, limit)
        try:
            await fill(spool, stream, self._disk)
            await self._sender.send(spool, key)
            return spool.size
        finally:
            await asyncio.to_thread(spool.close)

    async def signed_put(self, space: str, upload: str, *, seconds: int) -> str | None:
        """Return a URL for a PUT of a staged upload, when clients can reach the engine."""
        return await self._sign("PUT", STAGES + staged_name(space, upload), seconds, {})

    async def signed_get(
        self, key: str, *, seconds: int, filename: str, mime_type: str, attachment: bool
    ) -> str | None:
        """Return a URL for a GET of an object, when clients can reach the engine."""
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

        It is read and sent anew, not copied by the engine: a client whose link is still good could change it between
        being hashed and being copied, and its metadata, which the client chose, would come along.
        """
        key = STAGES + staged_name(space, upload)
        try:
            async with self._download(key, NotFound("upload", upload), limit=limit) as chunks:
                put = await self.put(space, chunks, expected_sha256=expected_sha256, limit=limit)
        except InvalidInput:
            await self._threads.run(self._client.remove_object, self._bucket, key)
            raise
        await self._threads.run(self._client.remove_object, self._bucket, key)
        return put

    async def sweep(self, older_than: float = STALE_SECONDS) -> int:
        """Remove leftovers older than so many seconds from the bucket and the temporary files; return how many."""
        files = await self._disk.run(sweep_scratch, self._options.scratch, older_than)
        return files + await self._threads.run(self._janitor.sweep, older_than)

    async def ping(self) -> Mapping[str, Any]:
        """Return the engine, after a look at the bucket; S3 does not say what is free. Raises Unavailable."""
        await self._ping_thread.run(self._look, self._probe)
        return {"engine": "s3", "free_bytes": None}

    async def close(self) -> None:
        """Finish requests under way. Safe to call twice."""
        await asyncio.gather(self._threads.close(), self._disk.close(), self._ping_thread.close())
        await asyncio.to_thread(self._recent.close)

    async def _keep(self, space: str, spool: Spool) -> Put:
        key = original_key(space, spool.sha256)
        finishing = asyncio.create_task(self._disk.run(spool.finish, key))
        try:
            if spool.size < _ASK or not await self._threads.run(self._has, key, spool.size):
                await self._sender.send(spool, key)
            return await finishing
        finally:
            await asyncio.gather(finishing, return_exceptions=True)  # nobody reads the spool when it is closed

    @asynccontextmanager
    async def _download(
        self, key: str, absent: NotFound, byte_range: ByteRange | None = None, limit: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        response = await self._threads.run(self._get, key, absent, byte_range)
        download = Download(response, self._threads)
        try:
            length = response.headers.get("content-length", "")
            if limit is not None and length.isdigit() and int(length) > limit:
                raise TooLarge(f"The file is over the limit of {limit:,} bytes.", field="file")
            yield download.chunks()
        finally:
            await download.close()

    async def _sign(self, method: str, key: str, seconds: int, headers: Mapping[str, str]) -> str | None:
        if self._signer is None:
            return None
        # In a thread: credentials that run out are fetched anew.
        return await self._threads.run(self._signed, self._signer, method, key, seconds, headers)

    def _signed(self, signer: Minio, method: str, key: str, seconds: int, headers: Mapping[str, str]) -> str:
        expires = timedelta(seconds=max(1, min(seconds, _SIGNED_SECONDS)))
        return signer.get_presigned_url(method, self._bucket, key, expires, response_headers=dict(headers))

    def _open_bucket(self) -> None:
        first = client(self._options, self._credentials, idle=_START_SECONDS)
        with at_start(self._options):
            self._look(first)
            region = first._get_region(self._bucket)
        self._signer = signer(self._options, self._credentials, region)

    def _look(self, client: Minio) -> None:
        """Ask for one key of the bucket: unlike a HEAD of it, the answer says what is wrong."""
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
            raise Unavailable(ENGINE, "the engine knows no ranges")
        return response

    def _save(self, key: str, path: Path) -> None:
        save(self._get(key, NotFound("file", key), None), path)

    def _has(self, key: str, size: int) -> bool:
        try:
            return self._stat(key).size == size
        except NotFound:
            return False

    def _stat(self, key: str) -> Stat:
        try:
            found = self._client.stat_object(self._bucket, key)
        except S3Error as error:
            if missing(error):
                raise NotFound("file", key) from None
            raise
        modified = found.last_modified.timestamp() if found.last_modified else 0.0
        return Stat(key, found.size or 0, modified)
