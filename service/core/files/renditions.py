"""What can be fetched of an asset's file: the original and pictures made from it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.errors import IngestError, NotFound
from service.ports.files import ByteRange, Content, Files, Stat, derived_key, original_key, space_of
from service.ports.ingest import MetadataExtractor

SIZES: dict[str, int] = {"thumbnail": 512, "preview": 1600}
"""Picture renditions and the length of their longer side, in pixels; never larger than the original."""

_ENCODINGS = {"image/jpeg": "jpg", "image/webp": "webp"}
"""What pictures are encoded as, and the ends of their names: JPEG where nothing is transparent, else WebP."""

FAILED_SECONDS = 21_600.0
"""How long it is remembered that a picture could not be made: a less busy machine may do better."""

_FAILED = "failed"
"""The end of the name of what is kept for such a picture: its reason."""

LINK_SECONDS = 900
"""How long a link to the files' engine is good: whoever holds it needs no key, and it cannot be taken back."""

PICTURED = frozenset({"image", "pdf"})
"""Types of assets that a picture can be made of."""


@dataclass(frozen=True, slots=True)
class Rendition:
    """A readable object: its key in the files port, size in bytes, media type, strong entity tag and file name.

    The size of an original is None: it shows when it is opened, and nobody else need ask for it.
    """

    key: str
    size: int | None
    mime_type: str
    etag: str
    filename: str


@dataclass(frozen=True, slots=True)
class _Picture:
    """A picture that is stored."""

    stat: Stat
    mime_type: str


def available(body: Mapping[str, Any]) -> list[str]:
    """Return the renditions that an asset's record offers, ``original`` first."""
    if not body.get("sha256"):
        return []
    return ["original", *SIZES] if body.get("type") in PICTURED else ["original"]


class Renditions:
    """Finds renditions, and makes those that are not there yet (once, however many ask at the same time).

    That a rendition could not be made is kept beside the file for :data:`FAILED_SECONDS`: a file that costs a worker
    its whole time limit does so once.
    """

    def __init__(self, files: Files, extractor: MetadataExtractor, now: Callable[[], float] = time.time) -> None:
        self._files = files
        self._extractor = extractor
        self._now = now
        self._making: dict[str, asyncio.Task[None]] = {}

    async def find(self, body: Mapping[str, Any], name: str) -> Rendition:
        """Return a rendition of an asset, made if it is not there yet.

        That an original's file is there shows when it is opened. Raises NotFound (no such rendition, or none can be
        made), Unavailable.
        """
        if name not in available(body):
            raise NotFound("rendition", name)
        sha256 = body["sha256"]
        original = original_key(space_of(body["org_id"]), sha256)
        filename = body.get("filename") or body["id"]
        if name == "original":
            mime_type = body.get("mime_type") or "application/octet-stream"
            return Rendition(original, None, mime_type, sha256, filename)
        stored = await self._stored(original, name)
        if stored is None:
            if await self._has_failed(original, name):
                raise NotFound("rendition", name)
            await self._make_once(original, body, name)
            stored = await self._stored(original, name)
        if stored is None:
            raise NotFound("rendition", name)
        named = f"{filename.rsplit('.', 1)[0]}-{name}.{_ENCODINGS[stored.mime_type]}"
        return Rendition(stored.stat.key, stored.stat.size, stored.mime_type, f"{sha256[:32]}-{name}", named)

    async def _stored(self, original: str, name: str) -> _Picture | None:
        for mime_type, ext in _ENCODINGS.items():
            try:
                return _Picture(await self._files.stat(_key(original, name, ext)), mime_type)
            except NotFound:
                continue
        return None

    async def _has_failed(self, original: str, name: str) -> bool:
        try:
            stat = await self._files.stat(_key(original, name, _FAILED))
        except NotFound:
            return False
        return self._now() - stat.modified < FAILED_SECONDS

    async def size(self, rendition: Rendition) -> int:
        """Return a rendition's size in bytes. Raises NotFound."""
        return (await self._files.stat(rendition.key)).size if rendition.size is None else rendition.size

    def open(self, rendition: Rendition, byte_range: ByteRange | None = None) -> AbstractAsyncContextManager[Content]:
        """Stream a rendition or a part of it. Raises NotFound on entry."""
        return self._files.open(rendition.key, byte_range)

    async def link(self, rendition: Rendition, *, attachment: bool) -> str | None:
        """Return a URL, good for :data:`LINK_SECONDS`, at which the files' engine itself gives a rendition to clients.

        None where they cannot reach it. Raises Unavailable.
        """
        return await self._files.signed_get(
            rendition.key,
            seconds=LINK_SECONDS,
            filename=rendition.filename,
            mime_type=rendition.mime_type,
            attachment=attachment,
        )

    async def _make_once(self, original: str, body: Mapping[str, Any], name: str) -> None:
        key = f"{original} {name}"
        task = self._making.get(key)
        if task is None:
            task = asyncio.create_task(self._make(original, body, name))
            self._making[key] = task
            task.add_done_callback(lambda _: self._making.pop(key, None))
        try:
            # One who gives up must not take the picture from the others who wait for it.
            await asyncio.shield(task)
        except IngestError as error:
            raise NotFound("rendition", name) from error

    async def _make(self, original: str, body: Mapping[str, Any], name: str) -> None:
        form = (body.get("metadata") or {}).get("format") or ""
        filename, org_id = body.get("filename") or "", body["org_id"]
        async with self._files.local_path(original) as path:
            try:
                picture = await self._extractor.thumbnail(Path(path), filename, form, SIZES[name], org_id=org_id)
            except IngestError as error:
                await self._files.put_derived(_key(original, name, _FAILED), error.reason.encode())
                raise
        await self._files.put_derived(_key(original, name, _ENCODINGS[picture.mime_type]), picture.content)


def _key(original: str, name: str, ext: str) -> str:
    return derived_key(original, f"{name}-{SIZES[name]}.{ext}")
