"""How much of what is generated a run tries: a share by default, all of it where there is time."""

from __future__ import annotations

import os

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "same")
"""``same``: a share of the examples, the same in every run; ``thorough``: all of them; ``explore``: new ones."""

THOROUGH = PROFILE != "same"
"""Whether there is time for all of it."""

EXPLORING = PROFILE == "explore"
"""Whether there is time for hours of it: soaks of processor time alone take their whole length only then."""

_SHARE = 6
_FEWEST = 25


def examples(count: int) -> int:
    """Return how many of so many examples this run tries."""
    return count if THOROUGH else min(count, max(_FEWEST, count // _SHARE))
