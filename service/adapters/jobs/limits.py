"""How many operations run at once, how often, and how long one waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from service.times import backoff


@dataclass(frozen=True, slots=True)
class JobLimits:
    """How operations are run: counts, and times in seconds.

    ``concurrency`` operations are under way at once in one process, of a type in ``kinds`` so many at most: a slow type
    leaves room for the others. Each operation has ``attempts`` runs at most. The wait before the second run is
    ``backoff``, doubles with each further one up to ``longest_backoff``, and up to half of it is taken off at random.
    A run that meets an outage of an engine is none of them: it is tried again for as long as the outage lasts, after
    the same waits up to ``longest_outage_backoff``.
    Every ``sweep`` the store is looked through for what is due and for what dead processes left. A run is believed to
    go on for ``lease`` after the last sign of life that another process saw. One that has lasted for ``turn`` gives way
    at its next checkpoint to another organization that has fewer. At the end of the process runs have ``grace`` to
    finish.
    """

    concurrency: int = 2
    kinds: Mapping[str, int] = field(default_factory=dict)
    attempts: int = 3
    backoff: float = 2.0
    longest_backoff: float = 300.0
    longest_outage_backoff: float = 30.0
    sweep: float = 5.0
    lease: float = 30.0
    turn: float = 60.0
    grace: float = 10.0

    def delay(self, attempt: int) -> float:
        """Return the wait after the run number ``attempt`` (from 1) failed."""
        return backoff(attempt, first=self.backoff, longest=self.longest_backoff)

    def outage_delay(self, outages: int) -> float:
        """Return the wait after so many runs in a row (from 1) that met an outage."""
        return backoff(outages, first=self.backoff, longest=self.longest_outage_backoff)

    def most(self, type_: str) -> int:
        """Return how many operations of a type may be under way at once."""
        return min(self.concurrency, self.kinds.get(type_, self.concurrency))
