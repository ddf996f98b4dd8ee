"""The quotas port: how often a key was used in its current window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Usage:
    """A window after one more use: the uses in it so far (including this one), and the seconds until it ends."""

    used: int
    seconds: float


class Quotas(Protocol):
    """Counts uses in fixed windows. A key's first use starts a window, and the first use after its end the next."""

    async def use(self, key: str, window: float) -> Usage:
        """Count a use of ``key`` in its window of ``window`` seconds, atomically.

        It never fails and never takes long: while its engine does not answer, an adapter uses a count local to its
        process.
        """
        ...
