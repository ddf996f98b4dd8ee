"""How long to wait before another attempt."""

from __future__ import annotations

import random

FIRST = 0.1
LAST = 10.0


def delay(attempt: int) -> float:
    """Return the seconds before a repetition (the first is attempt 1): 0.1 s doubling to 10 s, half of it jitter.

    Jitter keeps several writers from coming back at the same moment (M. Brooker, "Exponential Backoff And Jitter").
    """
    ceiling = min(LAST, FIRST * 2.0 ** min(attempt - 1, 10))
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
