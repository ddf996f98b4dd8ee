"""Dates as written in files, to ISO 8601 with an offset."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_FIRST_YEAR = 1000  # EXIF's "0000:00:00" and scanners' "0001-01-01" mean "unknown"

# EXIF 2.32 §4.6.5 "YYYY:MM:DD HH:MM:SS", ISO 8601 and XMP dates of any precision, year/month/day with slashes.
_STAMP = re.compile(
    r"(?P<year>\d{4})(?:[-:/](?P<month>\d{1,2})(?:[-:/](?P<day>\d{1,2})"
    r"(?:[T ]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?)?)?)?"
)
# ISO 32000-1 §7.9.4: D:YYYYMMDDHHmmSSOHH'mm'
_PDF = re.compile(
    r"(?:D:)?(?P<year>\d{4})(?P<month>\d{2})?(?P<day>\d{2})?(?P<hour>\d{2})?(?P<minute>\d{2})?(?P<second>\d{2})?"
    r"(?P<zone>Z|[+-]\d{2}'?(?:\d{2}'?)?)?.*"
)
# IPTC IIM 4.2, 2:55 CCYYMMDD and 2:60 HHMMSS±HHMM
_IPTC = re.compile(
    r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})(?:(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})(?P<zone>[+-]\d{4})?)?"
)


def stamp(value: object, zone: object = None) -> str | None:
    """Return an EXIF, XMP or ISO date as ISO 8601; ``zone`` is EXIF's OffsetTime (``+02:00``). None if it is invalid.

    A date of lower precision means its first instant; without a zone it is UTC.
    """
    return _match(_STAMP, value, zone)


def pdf(value: object) -> str | None:
    """Return a date of a PDF's information dictionary as ISO 8601, or None; some producers write ISO 8601 there."""
    return stamp(value) or _match(_PDF, value, None)


def iptc(day: object, time: object = None) -> str | None:
    """Return IPTC's date and time as ISO 8601, or None."""
    return _match(_IPTC, f"{day}{time or ''}", None) or _match(_IPTC, day, None)


def _match(pattern: re.Pattern[str], value: object, zone: object) -> str | None:
    if not isinstance(value, str):
        return None
    found = pattern.fullmatch(value.strip().strip("\x00"))
    if found is None:
        return None
    parts = found.groupdict()
    try:
        moment = datetime(
            int(parts["year"]),
            int(parts["month"] or 1),
            int(parts["day"] or 1),
            int(parts["hour"] or 0),
            int(parts["minute"] or 0),
            int(parts["second"] or 0),
            int((parts.get("fraction") or "0").ljust(6, "0")[:6]),
            tzinfo=_zone(parts["zone"] or zone),
        )
    except ValueError:
        return None
    if moment.year < _FIRST_YEAR:
        return None
    return moment.isoformat().replace("+00:00", "Z")


def _zone(value: object) -> timezone:
    found = re.fullmatch(r"([+-])(\d{2}):?'?(\d{2})?'?", value.strip()) if isinstance(value, str) else None
    if found is None:
        return UTC
    span = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    if span >= timedelta(hours=24):
        return UTC
    return timezone(-span if found[1] == "-" else span)
