"""IPTC-IIM 4.2 records in JPEG and TIFF: captions, keywords, places."""

from __future__ import annotations

from typing import Any

from PIL import ImageFile, IptcImagePlugin

from service.ingest import clean, dates
from service.ingest.facts import Facts
from service.ingest.limits import IngestLimits

_UTF8 = b"\x1b%G"  # the ISO 2022 escape for UTF-8 in 1:90; without it cameras write Latin-1

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


def read(image: ImageFile.ImageFile, limits: IngestLimits) -> Facts:
    """Return the facts in record 2, and all of it by name under ``metadata.iptc``. A damaged block is a warning."""
    try:
        records = IptcImagePlugin.getiptcinfo(image) or {}
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError) as error:
        return Facts(warnings=(f"IPTC metadata was ignored: the block is damaged ({type(error).__name__}).",))
    codec = "utf-8" if records.get((1, 90)) == _UTF8 else None
    found: dict[str, Any] = {}
    for (record, dataset), value in records.items():
        name = NAMES.get(dataset) if record == 2 else None
        if name is not None:
            texts = [_decoded(item, codec) for item in (value if isinstance(value, list) else [value])]
            found[name] = texts if name in _LISTS else texts[0]
    known = clean.json_object(found, limits)
    return Facts(
        title=clean.text(found.get("objectName") or found.get("headline"), limits.title_chars),
        description=clean.text(found.get("caption"), limits.text_chars),
        creator=clean.words(found.get("byline", ()), limits),
        tags=clean.words(found.get("keywords", ()), limits),
        credit=clean.text(found.get("credit") or found.get("copyrightNotice"), limits.title_chars),
        captured_at=dates.iptc(found.get("dateCreated"), found.get("timeCreated"))
        if found.get("dateCreated")
        else None,
        metadata={"iptc": known} if known else {},
    )


def _decoded(raw: bytes, codec: str | None) -> str:
    return raw.decode(codec, "replace") if codec else clean.decode(raw)
