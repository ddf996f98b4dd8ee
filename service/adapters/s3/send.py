"""Sending content to a key: atomically, every byte verified by the engine.

Content of up to ``single`` bytes is sent in one PUT, larger content as a multipart upload with ``concurrent_parts``
parts at a time. The sha256 of each body is signed with its request, so that the engine refuses a body with a flipped
bit; such a body is sent again. An object becomes visible under its key only when the engine has all parts and
completes them.

Before a multipart upload, a *marker*, a tiny object, is written with the key of the upload. Engines may fail to list
multipart uploads (after a restart MinIO lists those of one key, but not of the bucket); the sweeper uses the markers.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from minio import Minio
from minio.datatypes import Part
from minio.error import S3Error
from minio.helpers import ObjectWriteResult

from service.adapters.s3.client import CONTENT_SHA256
from service.adapters.s3.errors import RESEND, missing
from service.adapters.s3.options import ENGINE, MAX_PARTS, MIB, MIN_PART, S3Options
from service.adapters.s3.spool import SMALL, Spool, SpoolSlice
from service.adapters.s3.threads import Threads
from service.errors import InvalidInput, Unavailable


async def pieces(path: Path, threads: Threads) -> AsyncIterator[bytes]:
    """Yield the bytes of a regular file, a MiB at a time. Raises InvalidInput if it is none, or cannot be read."""
    file = await threads.run(_open, path)
    try:
        while piece := await threads.run(_read, file, path):
            yield piece
    finally:
        file.close()


def _open(path: Path) -> BinaryIO:
    try:
        if path.is_file():
            return path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error
    raise InvalidInput(f"{path} is not a regular file.", field="path")


def _read(file: BinaryIO, path: Path) -> bytes:
    try:
        return file.read(MIB)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> InvalidInput:
    return InvalidInput(f"Cannot read {path}: {error.strerror}.", field="path")


_MD5 = re.compile(r"[0-9a-f]{32}")
_KEYED = ("x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-aws-kms-key-id")
"""Headers of objects whose ETag is not an MD5, though it may look like one."""


class Md5ETags:
    """Whether an engine returns the MD5 of a PUT's body as its ETag, as S3 documents.

    It is trusted once it has returned a correct MD5, and no longer once it has returned a wrong one.
    """

    def __init__(self) -> None:
        self._seen: set[bool] = set()

    @property
    def trusted(self) -> bool:
        """Whether what :meth:`md5_of` returns has always been correct so far."""
        return self._seen == {True}

    def md5_of(self, result: ObjectWriteResult) -> str | None:
        """Return the MD5 in the ETag of an answer to a PUT, 32 hex digits; None if there is none."""
        tag = (result.etag or "").lower()
        keyed = any(name in result.http_headers for name in _KEYED)
        kms = str(result.http_headers.get("x-amz-server-side-encryption", "")).startswith("aws:kms")
        return tag if _MD5.fullmatch(tag) and not keyed and not kms else None

    def compare(self, etag_md5: str | None, md5: str) -> None:
        """Learn from an answer to content whose MD5 is known."""
        if etag_md5 is not None:
            self._seen.add(etag_md5 == md5)


T = TypeVar("T")
_Query = dict[str, str | list[str] | tuple[str]]  # the library's type

MARKERS = ".marks/"
"""The prefix of markers. No key of the port starts with a dot, so no stored object can collide with one."""

TYPE = "application/octet-stream"
"""The media type of every object: an asset's type is stored in its record, not with its bytes."""

_ATTEMPTS = 3  # to send a body that is corrupted on the way


def part_size(total: int, wanted: int) -> int:
    """Return the size of the parts of ``total`` bytes: the wanted size, or what keeps their number within the limit."""
    least = max(wanted, MIN_PART, -(-total // MAX_PARTS))
    return -(-least // MIB) * MIB


class Sender:
    """Sends spools to a bucket, large ones by the ``senders``, so that they leave the other threads free.

    Failed uploads are aborted by ``abort_client``: the caller has already waited once for an engine that hangs.
    """

    def __init__(
        self, client: Minio, abort_client: Minio, threads: Threads, senders: Threads, options: S3Options
    ) -> None:
        self._client = client
        self._abort_client = abort_client
        self._threads = threads
        self._senders = senders
        self._bucket = options.bucket
        self._part_size = options.part_size
        self._single = max(options.single, MIN_PART)
        self._concurrent_parts = options.concurrent_parts
        self.md5_etags = Md5ETags()

    def is_single(self, spool: Spool) -> bool:
        """Whether a spool is sent in one request."""
        return spool.size <= self._single

    async def send(self, spool: Spool, key: str) -> str | None:
        """Store the spool under the key, replacing what is there; return the MD5 if the engine returns it.

        Raises Unavailable; then nothing is readable.
        """
        if self.is_single(spool):
            threads = self._threads if spool.size <= SMALL else self._senders
            return await threads.run(self._put, spool, key)
        await self._send_parts(spool, key)
        return None

    def put(self, key: str, content: bytes) -> None:
        """Store a small object in one request. Blocking; raises what the client raises."""
        _with_resends(lambda: self._client._put_object(self._bucket, key, content, {"Content-Type": TYPE}))

    def _put(self, spool: Spool, key: str) -> str | None:
        try:
            return self.md5_etags.md5_of(self._send_body(key, self._slice(spool, 0, spool.size), spool.sha256))
        finally:
            spool.drop_copy()

    def _slice(self, spool: Spool, first: int, length: int) -> SpoolSlice:
        return SpoolSlice(spool, first, length, self._senders.note_progress)

    def _send_body(self, key: str, body: SpoolSlice, sha256: str, query: _Query | None = None) -> ObjectWriteResult:
        def attempt() -> ObjectWriteResult:
            body.seek(0)
            headers: _Query = {"Content-Type": TYPE, "Content-Length": str(body.size), CONTENT_SHA256: sha256}
            # The library declares bytes, but passes on anything that urllib3 can read.
            return self._client._put_object(self._bucket, key, cast("bytes", body), headers, query)

        return _with_resends(attempt)

    async def _send_parts(self, spool: Spool, key: str) -> None:
        marker = f"{MARKERS}{uuid.uuid4()}"
        await self._threads.run(self.put, marker, key.encode())
        upload = await self._threads.run(self._client._create_multipart_upload, self._bucket, key, {})
        try:
            parts = await self._parts(spool, key, upload)
            await self._threads.run(self._complete, key, upload, parts, spool.size)
        except BaseException:
            with suppress(Unavailable):  # then the marker stays for the sweeper; the caller gets the first error
                await asyncio.shield(self._threads.run(self._abort, key, upload, marker))
            raise
        with suppress(Unavailable):  # the object is there; a marker left behind is no failure
            await self._threads.run(self._client.remove_object, self._bucket, marker)

    async def _parts(self, spool: Spool, key: str, upload: str) -> list[Part]:
        size = part_size(spool.size, self._part_size)
        offsets = enumerate(range(0, spool.size, size), start=1)
        done: dict[int, Part] = {}

        async def send_next_parts(numbered_offsets: Iterator[tuple[int, int]]) -> None:
            for number, first in numbered_offsets:
                length = min(size, spool.size - first)
                done[number] = await self._senders.run(self._part, spool, key, upload, number, first, length)

        try:
            async with asyncio.TaskGroup() as concurrent_parts:
                for _ in range(self._concurrent_parts):
                    concurrent_parts.create_task(send_next_parts(offsets))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        return [done[number] for number in sorted(done)]

    def _part(self, spool: Spool, key: str, upload: str, number: int, first: int, length: int) -> Part:
        body = self._slice(spool, first, length)
        query: _Query = {"partNumber": str(number), "uploadId": upload}
        result = self._send_body(key, body, body.sha256(), query)
        return Part(number, result.etag or "")

    def _complete(self, key: str, upload: str, parts: list[Part], size: int) -> None:
        """Complete the multipart upload. The answer may be lost, or be an error in an answer of status 200."""
        try:
            result = self._client._complete_multipart_upload(self._bucket, key, upload, parts)
        except S3Error as error:
            if missing(error) and self._client.stat_object(self._bucket, key).size == size:
                return  # an earlier attempt of the client succeeded
            raise
        if not result.etag:
            raise Unavailable(ENGINE, "the engine could not complete the multipart upload")

    def _abort(self, key: str, upload: str, marker: str) -> None:
        try:
            self._abort_client._abort_multipart_upload(self._bucket, key, upload)
        except S3Error as error:
            if not missing(error):
                raise
        self._abort_client.remove_object(self._bucket, marker)


def _with_resends(call: Callable[[], T]) -> T:
    for _ in range(_ATTEMPTS - 1):
        try:
            return call()
        except S3Error as error:
            if error.code not in RESEND:
                raise
    return call()
