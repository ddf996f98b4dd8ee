"""What the tags of recordings say, whatever container they are in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from service.ingest import clean, dates
from service.ingest.dates import DateKind
from service.ingest.facts import Facts
from service.ingest.limits import IngestLimits
from service.ingest.readers import exif, places, ratings
from service.ingest.readers.generation import carriers, parameters

Said = Mapping[str, Sequence[str]]
"""Texts by fact: title, comment, artist, album, genre, keywords, date (as its maker gave it), created (by a clock, when
the file was begun), license, copyright, language, software, place (ISO 6709), make, model, lens, rating."""


def facts(said: Said, limits: IngestLimits) -> Facts:
    """Return the facts that a recording's tags tell."""
    first = {fact: values[0] for fact, values in said.items() if values}
    place, altitude = places.iso_6709(first.get("place", ""))
    metadata: dict[str, Any] = {name: clean.text(first.get(name), limits.title_chars) for name in _LEAVES}
    metadata |= exif.camera(
        orientation=None,
        make=clean.text(first.get("make"), 200),
        model=clean.text(first.get("model"), 200),
        lens=clean.text(first.get("lens"), 200),
        iso=None,
        f_number=None,
        exposure_time=None,
        focal_length=None,
        software=clean.text(first.get("software"), limits.title_chars),
    )
    metadata["gps_altitude"] = altitude
    kind, moment = dates.first(_moments(said))
    # ComfyUI's films have the graph as their comment, which is nothing for people.
    made = parameters.read(carriers.texts(first), limits)
    told = Facts(
        title=clean.text(first.get("title"), limits.title_chars),
        description=clean.text(first.get("comment"), limits.text_chars),
        creator=clean.words(said.get("artist", ()), limits),
        tags=clean.words([*_split(said.get("keywords", ()), ",;"), *_split(said.get("genre", ()), ",;/")], limits),
        license=clean.text(first.get("license"), limits.title_chars),
        credit=clean.text(first.get("copyright"), limits.title_chars),
        captured_at=moment,
        captured_kind=kind,
        gps=place,
        rating=ratings.either(first.get("rating")),
        metadata={**made.metadata, **{name: value for name, value in metadata.items() if value is not None}},
    )
    return carriers.without_parameters(told, {})


_UNSET = frozenset({"1970-01-01T00:00:00Z", "1904-01-01T00:00:00Z", "1601-01-01T00:00:00Z"})
"""What programs write that do not know the time: where clocks begin."""

_LEAVES = ("artist", "album", "language")


def _moments(said: Said) -> Iterable[tuple[DateKind, str | None]]:
    """Yield the dates: one that a person or a camera wrote, one of the container's clock, and a year alone."""
    for value in said.get("date", ()):
        is_year = re.fullmatch(r"\s*\d{4}\s*", value) is not None
        yield (DateKind.PUBLISHED if is_year else DateKind.ORIGINAL), dates.stamp(value)
    for value in said.get("created", ()):
        moment = dates.stamp(value)
        yield DateKind.DIGITIZED, None if moment in _UNSET else moment


def _split(values: Iterable[str], marks: str) -> list[str]:
    return [part for value in values for part in re.split(f"[{marks}]", value)]
