"""Work counted in calls instead of seconds: the same on every machine, however busy it is."""

from __future__ import annotations

import cProfile
from collections.abc import Callable


def calls(run: Callable[[], object]) -> int:
    """Run something and return how many functions were called meanwhile, those of C included.

    What one call costs is not seen, such as a regular expression that goes back and forth: that is what the seconds of
    `scripts/bench` are for.
    """
    profile = cProfile.Profile()
    profile.enable()
    try:
        run()
    finally:
        profile.disable()
    return sum(entry.callcount for entry in profile.getstats())
