"""How MongoDB is reached. Imports no driver, so that whoever only reads settings does not wait for one."""

from __future__ import annotations

from dataclasses import dataclass, field

SETTING = "ASSETRY_MONGODB_URL"
"""The setting that errors of this engine name."""

AWAIT_SECONDS = 0.25
"""How long a change stream waits at the server for news: a thread of the pool is held that long."""
_GRACE_SECONDS = 1.0  # what an answer may take on its way, over the time that the server was given


@dataclass(frozen=True, slots=True)
class MongoOptions:
    """Which database, and how patiently.

    ``url`` may carry credentials, so it is not shown. ``timeout`` (seconds) is what the server gets for one command,
    for the confirmation of a write by a majority, and what is waited for a primary. ``threads`` is the size of Motor's
    pool, in which every command holds a thread until it is answered, and of the connections: as many commands are under
    way at once, the next ones wait. The first client of a process decides (Motor has one pool for all, and a
    ``MOTOR_MAX_WORKERS`` in the environment wins).
    """

    url: str = field(repr=False)
    database: str = "assetry"
    timeout: float = 5.0
    threads: int = 32

    @property
    def milliseconds(self) -> int:
        """``timeout`` as the server takes it."""
        return max(1, round(self.timeout * 1000))

    @property
    def socket_seconds(self) -> float:
        """How long an answer may take on a connection; then the server counts as gone."""
        return self.timeout + _GRACE_SECONDS

    @property
    def call_seconds(self) -> float:
        """How long a caller waits for one operation with the driver's own retry; then it is Unavailable."""
        return self.timeout + 2 * _GRACE_SECONDS
