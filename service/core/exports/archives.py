"""An archive as a stream: a ZIP whose entries are read, compressed and given on while it is made."""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

from service.model import MAX_FILENAME, short_filename
from service.ports.files import Content

LEVELS = {"none": None, "fast": 1, "normal": 6, "maximum": 9}
"""How hard to compress what can be: None not at all."""

PACKED = ("image/", "video/", "audio/", "application/zip", "application/pdf", "application/vnd.openxmlformats")
"""Media types of what is compressed already: it would only cost time."""
_PLAIN = ("image/svg+xml", "image/bmp", "image/tiff", "audio/wav", "audio/x-wav")

_CHUNK = 256 * 1024
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"|?*\\/\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]')
_EARLIEST, _LATEST = datetime(1980, 1, 1, tzinfo=UTC), datetime(2107, 12, 31, tzinfo=UTC)  # what the format can say


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry: its name, when it is from, its media type, and how it is opened."""

    name: str
    modified: datetime
    mime_type: str
    opening: AbstractAsyncContextManager[Content]


class EntryNames:
    """Names of entries, none of them twice, which lead out of no folder."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    def name(self, folder: str, filename: str) -> str:
        """Return the name of an entry for a file, with a number in it where the name is taken in any case."""
        plain = _UNSAFE.sub("_", short_filename(filename)).strip(" .") or "file"
        stem, dot, end = plain.rpartition(".")
        if not stem:
            stem, dot, end = plain, "", ""
        number = 0
        while True:
            tried = f"{stem} ({number + 1}){dot}{end}" if number else plain
            path = f"{folder}/{tried[-MAX_FILENAME:]}" if folder else tried[-MAX_FILENAME:]
            if not self._taken[path.casefold()]:
                self._taken[path.casefold()] += 1
                return path
            number += 1


async def archive(entries: AsyncIterator[Entry], level: int | None) -> AsyncIterator[bytes]:
    """Yield the bytes of a ZIP of these entries, in constant memory; each is opened when its turn comes.

    Raises what opening one raises.
    """
    sink = _Sink()
    packed = zipfile.ZipFile(sink, "w", allowZip64=True)
    async for entry in entries:
        async with entry.opening as content:
            info = zipfile.ZipInfo(entry.name, _stamp(entry.modified))
            info.compress_type = (
                zipfile.ZIP_STORED if level is None or _is_packed(entry.mime_type) else zipfile.ZIP_DEFLATED
            )
            info.external_attr = 0o644 << 16
            with packed.open(info, "w", force_zip64=content.size >= 2**31) as target:
                async for chunk in content:
                    await asyncio.to_thread(target.write, chunk)
                    if sink.waiting >= _CHUNK:
                        yield sink.take()
        yield sink.take()
    packed.close()
    yield sink.take()


class _Sink(io.RawIOBase):
    """What the archive is written to: it cannot be read or sought in, so that each entry's sizes come behind it."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self.waiting = 0

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._chunks.append(bytes(data))
        self.waiting += len(data)
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._chunks)
        self._chunks, self.waiting = [], 0
        return taken


def _is_packed(mime_type: str) -> bool:
    return mime_type.startswith(PACKED) and mime_type not in _PLAIN


def _stamp(moment: datetime) -> tuple[int, int, int, int, int, int]:
    within = min(max(moment, _EARLIEST), _LATEST)
    return within.year, within.month, within.day, within.hour, within.minute, within.second
