"""How to reach MongoDB. Imports no driver, so that code that only reads settings does not wait for one."""

from __future__ import annotations

from dataclasses import dataclass, field

SETTING = "ASSETRY_MONGODB_URL"
"""The setting named by this engine's errors."""

AWAIT_SECONDS = 0.25
"""How long a change stream waits at the server for events; it occupies a thread of the pool for that time."""
_GRACE_SECONDS = 1.0  # for an answer's way back, on top of the server's time limit


@dataclass(frozen=True, slots=True)
class MongoOptions:
    """Which database to use, and its limits.

    ``url`` may contain credentials, so it is not shown. ``timeout`` (seconds) limits the server's time for one command,
    the confirmation of a write by a majority, and the wait for a primary. ``threads`` is the size of Motor's thread
    pool, in which every command occupies a thread until it is answered, and of the connection pool: it limits the
    concurrent commands, and further ones wait. The first client of a process decides (Motor has one pool for all, and
    ``MOTOR_MAX_WORKERS`` in the environment takes precedence).
    """

    url: str = field(repr=False)
    database: str = "assetry"
    timeout: float = 5.0
    threads: int = 32

    @property
    def milliseconds(self) -> int:
        """``timeout`` in milliseconds, the server's unit."""
        return max(1, round(self.timeout * 1000))

    @property
    def socket_seconds(self) -> float:
        """How long an answer may take on a connection, before the server counts as unreachable."""
        return self.timeout + _GRACE_SECONDS

    @property
    def call_seconds(self) -> float:
        """How long a caller waits for one operation, including the driver's own retry, before it gets Unavailable."""
        return self.timeout + 2 * _GRACE_SECONDS
