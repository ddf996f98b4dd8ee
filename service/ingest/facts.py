"""The metadata that a file contains about itself."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from service.ingest.dates import DateKind


@dataclass(frozen=True, slots=True)
class Sniffed:
    """The type of a file, detected from its content.

    ``type`` is the asset's type (image, video, audio, text, pdf, document, link, other), ``mime_type`` its media type,
    ``format`` the short lower-case name of the format (``jpg``, ``md``), ``ext`` the extension in the name if it is
    one of that format (``jpeg``), otherwise ``format``; neither includes the dot.
    """

    type: str
    mime_type: str
    format: str
    ext: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a reader found. All values are clean JSON: no NaN, no NUL, no lone surrogates, no bytes.

    ``captured_at`` is ISO 8601 with an offset: that of the file, or ``Z`` (a time without a zone is taken as UTC).
    ``gps`` is ``{"lat": degrees north, "lon": degrees east}`` in WGS 84. ``rating`` is 0 to 5. ``metadata`` has the
    leaves of the record's ``metadata`` object. ``people`` are the names of those who are shown. ``taxonomy`` are the
    keywords of a hierarchy, each a path separated by ``/``. ``captured_kind`` says what ``captured_at`` tells, which
    decides between several. ``warnings`` are sentences about parts that could not be read in an
    otherwise valid file.
    """

    title: str | None = None
    description: str | None = None
    creator: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    license: str | None = None
    credit: str | None = None
    captured_at: str | None = None
    captured_kind: DateKind = DateKind.ORIGINAL
    people: tuple[str, ...] = ()
    taxonomy: tuple[str, ...] = ()
    gps: dict[str, float] | None = None
    rating: int | None = None
    external_url: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted(Facts):
    """The facts of a file together with its type (see :class:`Sniffed`)."""

    type: str
    mime_type: str
    format: str
    ext: str

    @classmethod
    def of(cls, sniffed: Sniffed, facts: Facts) -> Extracted:
        """Combine the type and the facts of a file."""
        known: dict[str, Any] = {row.name: getattr(facts, row.name) for row in fields(Facts)}
        return cls(type=sniffed.type, mime_type=sniffed.mime_type, format=sniffed.format, ext=sniffed.ext, **known)
