"""Timestamp format and retry backoff."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import overload


def timestamp(moment: datetime) -> str:
    """Format an aware time as in records: RFC 3339 in UTC with milliseconds, ``2024-01-15T10:30:00.000Z``.

    The format has a fixed width, so that times sort as text, and a precision that every store keeps (MongoDB: ms).
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


@overload
def api_time(moment: str) -> str: ...


@overload
def api_time(moment: None) -> None: ...


def api_time(moment: str | None) -> str | None:
    """Format a record's time for the API: without a fraction of zero, ``2024-01-15T10:30:00Z``."""
    return moment.replace(".000Z", "Z") if moment else moment


def backoff(attempt: int, *, first: float = 0.1, longest: float = 10.0) -> float:
    """Return the seconds to wait before a retry (the first is attempt 1): ``first``, doubling up to ``longest``.

    Up to half of the delay is subtracted at random: jitter keeps processes from retrying at the same moment
    (M. Brooker, "Exponential Backoff And Jitter").
    """
    ceiling = min(longest, first * 2.0 ** min(attempt - 1, 64))
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - spreads repetitions, hides nothing
