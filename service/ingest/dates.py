"""Dates as written in files, to ISO 8601 with an offset."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum

_FIRST_YEAR = 1000  # EXIF's "0000:00:00" and scanners' "0001-01-01" mean "unknown"
_MAX_CHARS = 80

_CLOCK = (
    r"(?P<hour>[ \d]?\d)[:.](?P<minute>[ \d]?\d)(?:[:.](?P<second>[ \d]?\d)(?:[.,](?P<fraction>\d{1,9})\d*)?)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?\s*(?P<zone>Z\b|UTC\b|GMT\b|[+-]\d{2}:?\d{2}|[+-]\d{2}\b)?"
)
_MONTHS = {name: number for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
_NAMED = r"(?P<named>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"

# The day, then the time if it can be read: a clock with blanks or words in it leaves the day. EXIF 2.32 §4.6.5
# "YYYY:MM:DD HH:MM:SS", ISO 8601 and XMP dates of any precision, with dots, slashes or blanks instead of colons.
_DAYS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # A year, then a month, then a day
        r"(?P<year>\d{4})(?:(?P<mark>[-:/.])(?P<month>[ \d]?\d)(?:(?P=mark)(?P<day>[ \d]?\d))?)?(?!\d)",
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})(?!\d)",
        # A day first, as in German: with dots only, since 5/8/2005 is May in one country and August in another
        r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})(?!\d)",
        # RFC 5322 §3.3, which PNG recommends, and "July 11, 2010"
        rf"(?:[a-z]{{3,9}},?\s+)?(?P<day>\d{{1,2}})[- ]+{_NAMED}[- ,]+(?P<year>\d{{4}})(?!\d)",
        rf"{_NAMED}\s+(?P<day>\d{{1,2}}),?\s+(?P<year>\d{{4}})(?!\d)",
    )
)
_TIME = re.compile(rf"(?:[T,\s]\s*|\s*:\s*){_CLOCK}")
# 20100711T135300+0200 and 20100711135300
_COMPACT = re.compile(
    r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})[T ]?(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})?"
    r"(?:[.,](?P<fraction>\d{1,9}))?\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?(?!\d)"
)
# C's ctime, in the IDIT chunk of cameras' AVI: "Sun Jul 11 13:53:00 2010"
_CTIME = re.compile(rf"(?:[a-z]{{3,9}}\s+)?{_NAMED}\s+(?P<day>\d{{1,2}})\s+{_CLOCK}\s*(?P<year>\d{{4}})", re.IGNORECASE)
# ISO 32000-1 §7.9.4: D:YYYYMMDDHHmmSSOHH'mm'
_PDF = re.compile(
    r"(?:D:)?\s*(?P<year>\d{4})(?:(?P<month>\d{2})(?:(?P<day>\d{2})"
    r"(?:(?P<hour>\d{2})(?:(?P<minute>\d{2})(?P<second>\d{2})?)?)?)?)?(?!\d)"
    r"\s*(?P<zone>Z|[+-]\d{2}'?(?:\d{2}'?)?)?"
)


class DateKind(IntEnum):
    """What a date in a file tells, most wanted first: a picture was taken at the first that there is."""

    ORIGINAL = 0
    """When it was taken or recorded (EXIF DateTimeOriginal, IPTC DateCreated …)."""
    DIGITIZED = 1
    """When it became a file: the scan of a print (EXIF DateTimeDigitized, xmp:CreateDate …)."""
    PUBLISHED = 2
    """When it was issued, usually a year (the date of a recording's tags, dc:date)."""
    MODIFIED = 3
    """When it was last changed (EXIF DateTime); the last resort."""


def first(moments: Iterable[tuple[DateKind, str | None]]) -> tuple[DateKind, str | None]:
    """Return the first moment of the most wanted kind among those that there are; (ORIGINAL, None) for none."""
    known = [(kind, moment) for kind, moment in moments if moment]
    return min(known, key=lambda row: row[0]) if known else (DateKind.ORIGINAL, None)


def stamp(value: object, zone: object = None) -> str | None:
    """Return a date as ISO 8601; ``zone`` is EXIF's OffsetTime (``+02:00``). None if not even a year can be read.

    A date of lower precision means its first instant; without a zone it is UTC. What follows the date and cannot be
    read as a time (blanks, words, a 25th hour) is left out: the day is worth more than nothing.
    """
    said = _said(value)
    if said is None:
        return None
    for whole in (_COMPACT, _CTIME):
        found = whole.match(said)
        if found and (moment := _moment(found.groupdict(), zone)):
            return moment
    for pattern in _DAYS:
        found = pattern.match(said)
        if found is None:
            continue
        time = _TIME.match(said, found.end())
        day = found.groupdict()
        return _moment({**day, **(time.groupdict() if time else {})}, zone) or _moment(day, zone)
    return None


def pdf(value: object) -> str | None:
    """Return a date of a PDF's information dictionary as ISO 8601, or None; some producers write ISO 8601 or words."""
    said = _said(value)
    if said is None:
        return None
    found = _PDF.match(said)
    rest = said[found.end() :] if found else ""
    if found is None or rest[:1] in {"-", ":", "/", ".", "T"}:
        return stamp(said.removeprefix("D:"))
    parts = found.groupdict()
    return _moment(parts, None) or _moment({name: parts[name] for name in ("year", "month", "day")}, None)


def iptc(day: object, time: object = None) -> str | None:
    """Return IPTC's date and time as ISO 8601 (IIM 4.2, 2:55 CCYYMMDD and 2:60 HHMMSS±HHMM), or None."""
    date, clock = _said(day), _said(time)
    if date is None:
        return None
    if clock and re.fullmatch(r"\d{6}(?:[+-]\d{4})?", clock) and (moment := stamp(f"{date.replace('-', '')}{clock}")):
        return moment
    # Some programs write the dates and times of EXIF here.
    return (stamp(f"{date} {clock}") if clock else None) or stamp(date)


def from_seconds(seconds: float, epoch: datetime) -> str | None:
    """Return the moment so many seconds after ``epoch`` (in UTC) as ISO 8601, to the second; None beyond all dates."""
    try:
        return (epoch + timedelta(seconds=int(seconds))).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError):
        return None


def _said(value: object) -> str | None:
    return value.strip("\x00\t\n\r ")[:_MAX_CHARS] or None if isinstance(value, str) else None


def _moment(parts: dict[str, str | None], zone: object) -> str | None:
    named = (parts.get("named") or "")[:3].lower()
    month = _MONTHS[named] if named else _number(parts, "month", 1)
    day = _number(parts, "day", 1)
    try:
        moment = datetime(
            _number(parts, "year", 0),
            # A month or a day of zero is one that is not known.
            month or 1,
            day if month and day else 1,
            _hour(parts),
            _number(parts, "minute", 0),
            # A leap second, and cameras that count to 60
            min(_number(parts, "second", 0), 59) if _number(parts, "second", 0) <= 60 else 60,
            int((parts.get("fraction") or "0")[:6].ljust(6, "0")),
            tzinfo=_zone(parts.get("zone") or zone),
        )
    except ValueError:
        return None
    if moment.year < _FIRST_YEAR:
        return None
    return moment.isoformat().replace("+00:00", "Z")


def _number(parts: dict[str, str | None], name: str, default: int) -> int:
    said = (parts.get(name) or "").strip()
    return int(said) if said else default


def _hour(parts: dict[str, str | None]) -> int:
    hour, half = _number(parts, "hour", 0), (parts.get("half") or "")[:1].lower()
    if not half:
        return hour
    if not 1 <= hour <= 12:
        return hour  # 13:53 PM: the half says nothing new
    return hour % 12 + (12 if half == "p" else 0)


def _zone(value: object) -> timezone:
    found = re.fullmatch(r"([+-])(\d{2}):?'?(\d{2})?'?", value.strip("\x00 ")) if isinstance(value, str) else None
    if found is None:
        return UTC
    span = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    if span >= timedelta(hours=24):
        return UTC
    return timezone(-span if found[1] == "-" else span)
