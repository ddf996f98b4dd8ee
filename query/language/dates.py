"""Texts to time ranges.

A date of lower precision means the whole period: `2024-05` is the month, in the zone of the search. Date math follows
OpenSearch: `now-7d/d`, `2024-01-31||+1M`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache

from query.errors import BadValue

_DATE = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2})"
    r"(?:[T ](?P<hour>\d{1,2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?)?)?)?)?"
    r"\s?(?P<zone>Z|[+-]\d{2}(?::?\d{2})?)?",
    re.IGNORECASE | re.ASCII,
)
_CALENDAR = re.compile(r"(\d{4})-(?:Q([1-4])|W(\d{2}))", re.IGNORECASE | re.ASCII)  # quarters and ISO weeks
_EPOCH = re.compile(r"\d{10}(?:\d{3})?", re.ASCII)
_MATH = re.compile(r"(?:([+-])(\d{1,6})([yMwdhHms]))|(?:/([yMwdhHms]))", re.ASCII)
_MATH_ALL = re.compile(r"(?:[+-]\d{1,6}[yMwdhHms]|/[yMwdhHms])*", re.ASCII)
_DAYS = {"today": 0, "yesterday": -1, "tomorrow": 1}
_PARTS = ("second", "minute", "hour", "day", "month", "year")
_INSTANT = timedelta(milliseconds=1)  # the engine's resolution
_FIXED = {"h": timedelta(hours=1), "H": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1)}
_KEPT = {
    "y": 1,
    "M": 2,
    "d": 3,
    "h": 4,
    "H": 4,
    "m": 5,
    "s": 6,
}  # parts of a date that are kept when rounding to a unit
_UNIT_OF = {"year": "y", "month": "M", "day": "d", "hour": "h", "minute": "m", "second": "s"}
FORMS = "2024, 2024-05, 2024-Q2, 2024-W22, 2024-05-31, 2024-05-31T12:30:00Z, now-7d/d, today or yesterday"


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The time that a text means: from `start` (inclusive) to `end` (exclusive), both in UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """The time of the search and the zone of dates without one."""

    now: datetime
    zone: tzinfo


@lru_cache(maxsize=256)
def zone_of(name: str) -> tzinfo:
    """Return the time zone with an IANA name (`Europe/Amsterdam`). Raises BadValue if there is none."""
    if name in {"UTC", "Z", ""}:
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        message = f"Unknown time zone {name[:60]}. Use an IANA name such as Europe/Amsterdam."
        raise BadValue("wrong_type", message) from error


def parse_date(text: str, clock: Clock) -> TimeRange:
    """Return the time range that a date text means. Raises BadValue that lists the accepted forms."""
    text = text.strip()
    try:
        return _parse(text, clock)
    except (ValueError, OverflowError) as error:
        if isinstance(error, BadValue):
            raise
        raise BadValue("wrong_type", f"{text[:40]} is not an existing date.") from error


def _parse(text: str, clock: Clock) -> TimeRange:
    lowered = text.lower()
    if lowered.startswith("now"):
        return _math(clock.now, None, text[3:], clock, text)
    if lowered in _DAYS:
        return _round(clock.now + timedelta(days=_DAYS[lowered]), "d", clock)
    base, bars, math = text.partition("||")
    match = _DATE.fullmatch(base)
    if match is not None:
        start, unit = _date(match, clock)
        return _math(start, unit, math, clock, text) if bars else _span(start, unit)
    match = _CALENDAR.fullmatch(base)
    if match is not None:
        start, unit = _calendar(match, clock)
        return _math(start, unit, math, clock, text) if bars else _span(start, unit)
    if _EPOCH.fullmatch(text):
        return _span(datetime.fromtimestamp(int(text) / (1 if len(text) == 10 else 1000), UTC), None)
    raise BadValue("wrong_type", f"{text[:40] or 'An empty value'} is not a date. Use {FORMS}.")


def _date(match: re.Match[str], clock: Clock) -> tuple[datetime, str | None]:
    """Return the start of a matched date and the unit of its precision (None: an instant)."""
    parts = {name: int(match[name]) for name in _PARTS if match[name]}
    fraction = match["fraction"]
    start = datetime(
        parts["year"],
        parts.get("month", 1),
        parts.get("day", 1),
        parts.get("hour", 0),
        parts.get("minute", 0),
        parts.get("second", 0),
        int(fraction[:3].ljust(3, "0")) * 1000 if fraction else 0,
        tzinfo=_offset(match["zone"]) if match["zone"] else clock.zone,
    )
    if fraction:
        return start, None
    return start, _UNIT_OF[next(name for name in _PARTS if name in parts)]


def _calendar(match: re.Match[str], clock: Clock) -> tuple[datetime, str]:
    """Return the start of a quarter or an ISO week, and its unit."""
    year, quarter, week = match.groups()
    if quarter:
        return datetime(int(year), int(quarter) * 3 - 2, 1, tzinfo=clock.zone), "q"
    monday = date.fromisocalendar(int(year), int(week), 1)
    return datetime(monday.year, monday.month, monday.day, tzinfo=clock.zone), "w"


def _offset(text: str) -> tzinfo:
    if text in {"Z", "z"}:
        return UTC
    return datetime.strptime(text if len(text) > len("+02") else f"{text}00", "%z").tzinfo or UTC


def _math(start: datetime, unit: str | None, math: str, clock: Clock, text: str) -> TimeRange:
    if not _MATH_ALL.fullmatch(math):
        raise BadValue(
            "wrong_type", f"{text[:40]} is not valid date math. Use a form such as now-7d, now/d or 2024-01-31||+1M."
        )
    at = start.astimezone(clock.zone)
    for sign, count, step, rounding in _MATH.findall(math):
        if rounding:
            at, unit = _floor(at, rounding), rounding
        else:
            at = _STEPS[step](at, int(count) * (-1 if sign == "-" else 1))
    return _span(at, unit)


def _round(at: datetime, unit: str, clock: Clock) -> TimeRange:
    return _span(_floor(at.astimezone(clock.zone), unit), unit)


def _span(start: datetime, unit: str | None) -> TimeRange:
    first = start.astimezone(UTC)
    if unit is None:
        first = first.replace(microsecond=first.microsecond // 1000 * 1000)
        return TimeRange(first, first + _INSTANT)
    try:
        # Days and longer follow the local calendar, shorter units are fixed: a day can have 23 hours.
        end = _STEPS[unit](start, 1).astimezone(UTC) if unit in "yqMwd" else first + _FIXED[unit]
        if unit == "h":  # the hour that occurs twice when clocks go back is one period, as on the wall
            end = max(end, start.replace(fold=1).astimezone(UTC) + _FIXED[unit])
    except (ValueError, OverflowError):
        end = datetime.max.replace(tzinfo=UTC, microsecond=999_000)
    return TimeRange(first, end)


def _floor(at: datetime, unit: str) -> datetime:
    if unit == "w":
        at -= timedelta(days=at.weekday())
        unit = "d"
    year, month, day, hour, minute, second = at.timetuple()[:6]
    kept = _KEPT[unit]
    return datetime(
        year,
        month if kept > 1 else 1,
        day if kept > 2 else 1,
        hour if kept > 3 else 0,
        minute if kept > 4 else 0,
        second if kept > 5 else 0,
        tzinfo=at.tzinfo,
    )


def _months(at: datetime, count: int) -> datetime:
    index = at.year * 12 + at.month - 1 + count
    year, month = index // 12, index % 12 + 1
    last = (date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day if year < 9999 else 28
    return at.replace(year=year, month=month, day=min(at.day, last))


_STEPS: dict[str, Callable[[datetime, int], datetime]] = {
    "y": lambda at, n: _months(at, n * 12),
    "q": lambda at, n: _months(at, n * 3),
    "M": _months,
    "w": lambda at, n: at + timedelta(weeks=n),
    "d": lambda at, n: at + timedelta(days=n),
    **{
        unit: (lambda at, n, step=step: (at.astimezone(UTC) + n * step).astimezone(at.tzinfo))  # type: ignore[misc]
        for unit, step in _FIXED.items()
    },
}
