"""The one written form of a time, and the one rule of waiting before a repetition."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import overload


def timestamp(moment: datetime) -> str:
    """Write an aware time as records hold it: RFC 3339 in UTC with milliseconds, ``2024-01-15T10:30:00.000Z``.

    One form of one width, so that times compare as text and survive every store (MongoDB keeps milliseconds).
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


@overload
def shown(moment: str) -> str: ...


@overload
def shown(moment: None) -> None: ...


def shown(moment: str | None) -> str | None:
    """Write a record's time as the API shows it: without a fraction of zero, ``2024-01-15T10:30:00Z`` (seed 000)."""
    return moment.replace(".000Z", "Z") if moment else moment


def backoff(attempt: int, *, first: float = 0.1, longest: float = 10.0) -> float:
    """Return the seconds to wait before a repetition (the first is attempt 1): ``first``, doubling up to ``longest``.

    Up to half of it is taken off at random: jitter keeps several processes from coming back at the same moment
    (M. Brooker, "Exponential Backoff And Jitter").
    """
    ceiling = min(longest, first * 2.0 ** min(attempt - 1, 64))
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - spreads repetitions, hides nothing
