"""How to reach MongoDB. Imports no driver, so that code that only reads settings does not wait for one."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

SETTING = "ASSETRY_MONGODB_URL"
"""The setting named by this engine's errors."""

AWAIT_SECONDS = 0.25
"""How long a change stream waits at the server for events; it occupies a thread of the pool for that time."""
_GRACE_SECONDS = 1.0  # for an answer's way back, on top of the server's time limit


OVERRIDDEN: dict[str, str] = {
    "w": "majority",
    "journal": "true",
    "j": "true",
    "readPreference": "primary",
    "retryWrites": "true",
    "retryReads": "true",
    "wTimeoutMS": "ASSETRY_MONGODB_TIMEOUT",
    "serverSelectionTimeoutMS": "ASSETRY_MONGODB_TIMEOUT",
    "connectTimeoutMS": "ASSETRY_MONGODB_TIMEOUT",
    "socketTimeoutMS": "ASSETRY_MONGODB_TIMEOUT",
    "timeoutMS": "ASSETRY_MONGODB_TIMEOUT",
    "maxPoolSize": "ASSETRY_MONGODB_THREADS",
}
"""Options of a URL that Assetry sets itself: to what, or by which setting."""


def overridden(url: str) -> list[str]:
    """Return what is to be said of each option of a URL that has no effect, with nothing else of the URL."""
    names = {name.lower(): name for name in OVERRIDDEN}
    found: list[str] = []
    for option, value in parse_qsl(urlsplit(url).query):
        name = names.get(option.lower())
        if name is None or value.lower() == OVERRIDDEN[name]:
            continue
        by = OVERRIDDEN[name]
        instead = f"{by} is used" if not by.startswith("ASSETRY_") else f"{by} counts"
        found.append(f"{name}={value[:40]} in the URL has no effect: {instead}")
    return found


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
