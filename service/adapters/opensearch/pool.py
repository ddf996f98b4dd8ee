"""Which host a call goes to: the live ones in turn, and occasionally a dead one, to see whether it is back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from opensearchpy import ConnectionPool

FIRST_SECONDS = 1.0
LAST_SECONDS = 30.0


class HostPool(ConnectionPool):
    """The hosts of one cluster, round robin.

    A host that failed gets no calls for a second, and twice as long after every further failure (30 s at most). Then
    *one* call tries it: the client's own pool would send a share of all calls, and a host that hangs would hold each of
    them for its whole timeout. If all hosts are dead, the calls go to each in turn, as one may be back.
    """

    def __init__(
        self, connections: Sequence[tuple[Any, Any]], *, now: Callable[[], float] = time.monotonic, **_: Any
    ) -> None:
        self.connection_opts = connections
        self.connections = [connection for connection, _ in connections]
        self._now = now
        self._turn = 0
        self._due: dict[Any, float] = {}
        self._failed: dict[Any, int] = {}

    def get_connection(self) -> Any:
        """Return the host for one call."""
        moment = self._now()
        for connection, due in self._due.items():
            if due <= moment:
                self._failed[connection] = self._failed.get(connection, 0) + 1
                self._due[connection] = moment + self._pause(connection)  # no other call tries it meanwhile
                return connection
        self._turn += 1
        live = [connection for connection in self.connections if connection not in self._due] or self.connections
        return live[self._turn % len(live)]

    def mark_dead(self, connection: Any, now: float | None = None) -> None:
        """Record that a call failed to reach the host, or got no answer in time."""
        self._due[connection] = self._now() + self._pause(connection)

    def mark_live(self, connection: Any) -> None:
        """Record that the host answered."""
        self._failed.pop(connection, None)
        self._due.pop(connection, None)

    def _pause(self, connection: Any) -> float:
        return float(min(LAST_SECONDS, FIRST_SECONDS * 2 ** self._failed.get(connection, 0)))
