"""IPTC-IIM 4.2 records in JPEG, TIFF, PNG …: captions, keywords, places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from service.ingest import clean, dates
from service.ingest.dates import DateKind
from service.ingest.facts import Facts
from service.ingest.limits import IngestLimits

_UTF8 = b"\x1b%G"  # the ISO 2022 escape for UTF-8 in 1:90; without it programs write what they like

# Dataset of record 2 → the leaf under metadata.iptc
NAMES: dict[int, str] = {
    5: "objectName",
    7: "editStatus",
    10: "urgency",
    12: "subjectReference",
    15: "category",
    20: "supplementalCategories",
    25: "keywords",
    40: "instructions",
    55: "dateCreated",
    60: "timeCreated",
    62: "digitalCreationDate",
    63: "digitalCreationTime",
    65: "originatingProgram",
    80: "byline",
    85: "bylineTitle",
    90: "city",
    92: "sublocation",
    95: "provinceState",
    100: "countryCode",
    101: "countryName",
    103: "transmissionReference",
    105: "headline",
    110: "credit",
    115: "source",
    116: "copyrightNotice",
    118: "contact",
    120: "caption",
    122: "captionWriter",
}
_LISTS = frozenset({"keywords", "supplementalCategories", "byline", "subjectReference"})


def read(block: bytes, limits: IngestLimits) -> Facts:
    """Return the facts in record 2, and all of it by name under ``metadata.iptc``."""
    found: dict[str, Any] = {}
    is_utf8 = False
    for record, dataset, value in _datasets(block):
        if (record, dataset) == (1, 90):
            is_utf8 = value == _UTF8
        name = NAMES.get(dataset) if record == 2 else None
        if name is None:
            continue
        text = value.decode("utf-8", "replace") if is_utf8 else clean.decode(value)
        if name in _LISTS:
            found.setdefault(name, []).append(text)
        else:
            found.setdefault(name, text)
    known = clean.json_object(found, limits)
    kind, moment = dates.first(
        (kind, dates.iptc(found.get(day), found.get(time)))
        for kind, day, time in (
            (DateKind.ORIGINAL, "dateCreated", "timeCreated"),
            (DateKind.DIGITIZED, "digitalCreationDate", "digitalCreationTime"),
        )
    )
    return Facts(
        title=clean.text(found.get("objectName") or found.get("headline"), limits.title_chars),
        description=clean.text(found.get("caption"), limits.text_chars),
        creator=clean.words(found.get("byline", ()), limits),
        tags=clean.words(found.get("keywords", ()), limits),
        credit=clean.text(found.get("credit") or found.get("copyrightNotice"), limits.title_chars),
        captured_at=moment,
        captured_kind=kind,
        metadata={"iptc": known} if known else {},
    )


def _datasets(block: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (record, dataset, value) of IIM's datasets (§1.5); ends at the first that is none."""
    at = 0
    while at + 5 <= len(block) and block[at] == 0x1C:
        record, dataset, length = block[at + 1], block[at + 2], int.from_bytes(block[at + 3 : at + 5], "big")
        at += 5
        if length & 0x8000:  # an extended dataset: the length of the length
            width = length & 0x7FFF
            if width > 8:
                return
            length, at = int.from_bytes(block[at : at + width], "big"), at + width
        yield record, dataset, block[at : at + length]
        at += length
