"""Sending content under a key: whole or nothing, every byte checked by the engine.

Content of up to ``single`` bytes goes in one PUT, more of it by a multipart upload whose parts travel ``lanes`` at a
time. The sha256 of each body is signed with its request, so that a bit that flips on the way is refused by the engine;
what was refused so is sent again. An object is seen under its key only when
the engine has all parts and was told to complete them.

Before a multipart upload a *mark*, a tiny object, says under which key it will be. Engines forget to list what they
keep (MinIO after a restart lists the uploads of one key, not those of the bucket), so this is what the janitor goes by.
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
    """Give the bytes of a regular file, a MiB at a time. Raises InvalidInput when it is none, or cannot be read."""
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
    raise InvalidInput(f"{path} is not a file.", field="path")


def _read(file: BinaryIO, path: Path) -> bytes:
    try:
        return file.read(MIB)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> InvalidInput:
    return InvalidInput(f"{path} cannot be read: {error.strerror}.", field="path")


_MD5 = re.compile(r"[0-9a-f]{32}")
_KEYED = ("x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-aws-kms-key-id")
"""Headers of objects whose entity tag is no MD5, though it may look like one."""


class Md5ETags:
    """Whether an engine tells the MD5 of what it was sent in one request, as S3 says it does.

    It is believed once it told one that we knew, and not any more once it told a wrong one.
    """

    def __init__(self) -> None:
        self._seen: set[bool] = set()

    @property
    def believed(self) -> bool:
        """Whether what :meth:`told` returns is right, by all that was seen."""
        return self._seen == {True}

    def told(self, result: ObjectWriteResult) -> str | None:
        """Return the MD5 that an answer to a PUT tells, 32 hex digits; None when it tells none."""
        tag = (result.etag or "").lower()
        keyed = any(name in result.http_headers for name in _KEYED)
        kms = str(result.http_headers.get("x-amz-server-side-encryption", "")).startswith("aws:kms")
        return tag if _MD5.fullmatch(tag) and not keyed and not kms else None

    def compare(self, told: str | None, md5: str) -> None:
        """Learn from an answer to content whose MD5 is known."""
        if told is not None:
            self._seen.add(told == md5)


T = TypeVar("T")
_Query = dict[str, str | list[str] | tuple[str]]  # as the library has it

MARKS = ".marks/"
"""The prefix of marks. No key of the port starts with a dot: nothing that is stored can meet one."""

TYPE = "application/octet-stream"
"""The media type of every object: what a file is, is known to its record, not to its bytes."""

_ATTEMPTS = 3  # how often a body is sent that does not arrive as it is


def part_size(total: int, wanted: int) -> int:
    """Return the size of the parts of ``total`` bytes: the wanted one, or what keeps their number in bounds."""
    least = max(wanted, MIN_PART, -(-total // MAX_PARTS))
    return -(-least // MIB) * MIB


class Sender:
    """Sends spools to a bucket: long ones by the ``senders``, so that they keep nobody from the other threads.

    What failed is aborted by the ``brief`` client: the caller has waited for an engine that hangs, once is enough.
    """

    def __init__(self, client: Minio, brief: Minio, threads: Threads, senders: Threads, options: S3Options) -> None:
        self._client = client
        self._brief = brief
        self._threads = threads
        self._senders = senders
        self._bucket = options.bucket
        self._part_size = options.part_size
        self._single = max(options.single, MIN_PART)
        self._lanes = options.lanes
        self.tags = Md5ETags()

    def is_single(self, spool: Spool) -> bool:
        """Whether a spool goes in one request."""
        return spool.size <= self._single

    async def send(self, spool: Spool, key: str) -> str | None:
        """Store the spool under the key, over what is there; return the MD5 if the engine tells one.

        Raises Unavailable; then nothing is readable.
        """
        if self.is_single(spool):
            threads = self._threads if spool.size <= SMALL else self._senders
            return await threads.run(self._put, spool, key)
        await self._send_parts(spool, key)
        return None

    def put(self, key: str, content: bytes) -> None:
        """Store a small content in one request. Blocking; raises what the client raises."""
        _resent(lambda: self._client._put_object(self._bucket, key, content, {"Content-Type": TYPE}))

    def _put(self, spool: Spool, key: str) -> str | None:
        try:
            return self.tags.told(self._send_body(key, self._stretch(spool, 0, spool.size), spool.sha256))
        finally:
            spool.drop_copy()

    def _stretch(self, spool: Spool, first: int, length: int) -> SpoolSlice:
        return SpoolSlice(spool, first, length, self._senders.moved)

    def _send_body(self, key: str, body: SpoolSlice, sha256: str, query: _Query | None = None) -> ObjectWriteResult:
        def attempt() -> ObjectWriteResult:
            body.seek(0)
            headers: _Query = {"Content-Type": TYPE, "Content-Length": str(body.size), CONTENT_SHA256: sha256}
            # The library says bytes; it passes on what urllib3 can read.
            return self._client._put_object(self._bucket, key, cast("bytes", body), headers, query)

        return _resent(attempt)

    async def _send_parts(self, spool: Spool, key: str) -> None:
        mark = f"{MARKS}{uuid.uuid4()}"
        await self._threads.run(self.put, mark, key.encode())
        upload = await self._threads.run(self._client._create_multipart_upload, self._bucket, key, {})
        try:
            parts = await self._parts(spool, key, upload)
            await self._threads.run(self._complete, key, upload, parts, spool.size)
        except BaseException:
            with suppress(Unavailable):  # the mark stays then, for the janitor; the caller shall hear the first error
                await asyncio.shield(self._threads.run(self._give_up, key, upload, mark))
            raise
        with suppress(Unavailable):  # the object is there: that a mark stays is no failure
            await self._threads.run(self._client.remove_object, self._bucket, mark)

    async def _parts(self, spool: Spool, key: str, upload: str) -> list[Part]:
        size = part_size(spool.size, self._part_size)
        firsts = enumerate(range(0, spool.size, size), start=1)
        done: dict[int, Part] = {}

        async def lane(todo: Iterator[tuple[int, int]]) -> None:
            for number, first in todo:
                length = min(size, spool.size - first)
                done[number] = await self._senders.run(self._part, spool, key, upload, number, first, length)

        try:
            async with asyncio.TaskGroup() as lanes:
                for _ in range(self._lanes):
                    lanes.create_task(lane(firsts))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        return [done[number] for number in sorted(done)]

    def _part(self, spool: Spool, key: str, upload: str, number: int, first: int, length: int) -> Part:
        body = self._stretch(spool, first, length)
        query: _Query = {"partNumber": str(number), "uploadId": upload}
        result = self._send_body(key, body, body.sha256(), query)
        return Part(number, result.etag or "")

    def _complete(self, key: str, upload: str, parts: list[Part], size: int) -> None:
        """Make the object of its parts. The answer may be lost, or be an error in an answer of status 200."""
        try:
            result = self._client._complete_multipart_upload(self._bucket, key, upload, parts)
        except S3Error as error:
            if missing(error) and self._client.stat_object(self._bucket, key).size == size:
                return  # an earlier attempt of the client did it
            raise
        if not result.etag:
            raise Unavailable(ENGINE, "the engine could not put the parts together")

    def _give_up(self, key: str, upload: str, mark: str) -> None:
        try:
            self._brief._abort_multipart_upload(self._bucket, key, upload)
        except S3Error as error:
            if not missing(error):
                raise
        self._brief.remove_object(self._bucket, mark)


def _resent(call: Callable[[], T]) -> T:
    for _ in range(_ATTEMPTS - 1):
        try:
            return call()
        except S3Error as error:
            if error.code not in RESEND:
                raise
    return call()
