"""The XMP packet of a PDF: the metadata stream of its catalogue (ISO 32000-1 §14.3.2)."""

from __future__ import annotations

import mmap
import re
import zlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from service.errors import IngestError
from service.ingest import dates
from service.ingest.facts import Facts
from service.ingest.limits import MIB, IngestLimits
from service.ingest.readers import rdf

MAX_PACKET: Final = 2 * MIB
"""Bytes of a packet; legitimate ones are far smaller."""

MAX_DAMAGED: Final = 1 * MIB
"""Bytes of a PDF whose table of objects is made anew if it is damaged: each object then costs many times its length."""

_STREAM = re.compile(rb"/Subtype\s*/XML\b")
_DAMAGE = (PyPdfError, OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, zlib.error)


@dataclass(frozen=True, slots=True)
class Described:
    """What a packet says, and when it or the document was changed last."""

    facts: Facts
    changed: datetime | None


def read(path: Path, filename: str, limits: IngestLimits) -> Described:
    """Return the facts of a PDF's packet, none if it has none; one that cannot be read is a warning.

    PDFium does not give the packet, so that pypdf opens the file again, and only if it holds one.
    """
    try:
        packet = _packet(path)
    except IngestError as error:
        return Described(Facts(warnings=(f"XMP metadata was ignored: {error.message}",)), None)
    if packet is None:
        return Described(Facts(), None)
    facts = rdf.packet_facts([packet], filename, limits)
    said = facts.metadata.get("xmp", {})
    changes = (instant(dates.stamp(said.get(name))) for name in ("metadataDate", "modifyDate"))
    return Described(facts, max((change for change in changes if change), default=None))


def instant(moment: str | None) -> datetime | None:
    """Return a moment in ISO 8601 as one that can be compared."""
    return datetime.fromisoformat(moment) if moment else None


def _packet(path: Path) -> bytes | None:
    """Return the packet, None if there is none. Raises IngestError (``malformed``, ``limit``)."""
    size = path.stat().st_size
    with path.open("rb") as source:
        if not size:
            return None
        with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if _STREAM.search(content) is None:
                return None
            tail = content[-2048:]
        is_ended = tail.rfind(b"%%EOF") > tail.rfind(b"startxref") >= 0
        if not is_ended and size > MAX_DAMAGED:
            raise IngestError("The PDF has no end that says where its objects are.", reason="malformed")
        for strict in (True, False):
            try:
                return _stream(PdfReader(source, strict=strict))
            except _DAMAGE as error:
                if not strict or size > MAX_DAMAGED:
                    raise IngestError("The catalogue of the PDF cannot be read.", reason="malformed") from error
    return None


def _stream(document: PdfReader) -> bytes | None:
    stream: Any = document.root_object.get("/Metadata")
    stream = stream.get_object() if stream is not None else None
    data = getattr(stream, "_data", None)
    if not isinstance(data, bytes):
        return None
    filters = stream.get("/Filter")
    names = filters if isinstance(filters, list) else [filters] if filters else []
    if names == ["/FlateDecode"]:
        data = zlib.decompressobj().decompress(data, MAX_PACKET + 1)
    elif names:
        raise ValueError(f"a metadata stream with the filters {names}")
    if len(data) > MAX_PACKET:
        raise IngestError(f"The packet is larger than {MAX_PACKET} bytes.", reason="bomb")
    return data if data.strip(b"\x00 \r\n\t") else None
