"""The quotas port: how often a key was used in its window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Usage:
    """A window after one more use: uses in it so far (this one too), and the seconds until it starts anew."""

    used: int
    seconds: float


class Quotas(Protocol):
    """Counts uses in fixed windows. A key's window begins with its first use, and with the first after its end."""

    async def use(self, key: str, window: float) -> Usage:
        """Count a use of ``key`` in its window of ``window`` seconds, in one step that no other use can split.

        It never fails and never takes long: an adapter whose engine does not answer goes on with a count of its own
        process.
        """
        ...
