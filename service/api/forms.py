"""Multipart uploads: the JSON of an asset and its file."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from service.api.inputs import limited, too_large
from service.core.assets import Upload
from service.errors import InvalidInput

CHUNK = 256 * 1024
"""Bytes that are read from a spooled file at once."""


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart upload: the JSON of the part ``asset`` and the part ``file``, if they came."""

    asset: bytes | None
    upload: Upload | None
    file: IO[bytes] | None = None
    """Where the bytes of ``upload`` are spooled."""

    async def digest(self) -> str:
        """Return a hash of what the form says: the same for every boundary, and for every order of the parts."""
        name = self.upload.filename.encode() if self.upload else b""
        content = await asyncio.to_thread(_hash, self.file) if self.file else b""
        parts = (self.asset or b"", name, content)
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _hash(file: IO[bytes]) -> bytes:
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    file.seek(0)
    return digest.digest()


@asynccontextmanager
async def read_form(request: Request, *, json_limit: int, upload_limit: int) -> AsyncIterator[Form]:
    """Read a multipart body with the parts ``asset`` and ``file``; a large file is spooled to disk, not held."""
    # The envelope of a multipart body is small; a file just at its limit must fit.
    stream = limited(request, upload_limit + json_limit + 64 * 1024)
    parser = MultiPartParser(
        Headers(raw=request.headers.raw), stream, max_files=2, max_fields=4, max_part_size=json_limit
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise InvalidInput(f"The multipart body is broken: {error.message}", field="body") from None
    try:
        names = [name for name, _ in form.multi_items()]
        for name in names:
            if name not in ("asset", "file") or names.count(name) > 1:
                raise InvalidInput(
                    f"The part {name[:80]!r} is not expected.",
                    field=name[:80],
                    expected="the parts asset and file, once each",
                )
        file = form.get("file")
        spooled = file.file if isinstance(file, UploadFile) else None
        yield Form(await _json_part(form.get("asset"), json_limit), _upload(file), spooled)
    finally:
        await form.close()


async def _json_part(part: UploadFile | str | None, limit: int) -> bytes | None:
    if part is None or isinstance(part, str):
        return part.encode() if part is not None else None
    content = await part.read(limit + 1)
    if len(content) > limit:
        raise too_large(limit)
    return content


def _upload(part: UploadFile | str | None) -> Upload | None:
    if part is None:
        return None
    if isinstance(part, str):
        raise InvalidInput("The part file has no file name.", field="file", expected='filename="…" in its header')
    name = (part.filename or "").replace("\\", "/").rsplit("/", 1)[-1].replace("\x00", "").strip()
    return Upload(name[:256] or "unnamed", _chunks(part))


async def _chunks(part: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await part.read(CHUNK):
        yield chunk
