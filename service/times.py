"""The one written form of a time."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp(moment: datetime) -> str:
    """Write an aware time as records hold it: RFC 3339 in UTC with milliseconds, ``2024-01-15T10:30:00.000Z``.

    One form of one width, so that times compare as text and survive every store (MongoDB keeps milliseconds).
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def shown(moment: str | None) -> str | None:
    """Write a record's time as the API shows it: without a fraction of zero, ``2024-01-15T10:30:00Z`` (seed 000)."""
    return moment.replace(".000Z", "Z") if moment else moment
