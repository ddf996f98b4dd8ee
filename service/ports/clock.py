"""The time and new ids, so that tests can freeze both."""

from __future__ import annotations

import secrets
import string
import time
import uuid
from datetime import UTC, datetime
from typing import Protocol

_SID_ALPHABET = string.ascii_letters + string.digits


class Clock(Protocol):
    """The source of time and randomness."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start; never goes back. For timeouts and durations only."""
        ...

    def guid(self) -> str:
        """Return a new UUID (RFC 9562) as 36 lower-case characters."""
        ...

    def sid(self) -> str:
        """Return 12 new case-sensitive alphanumerics (seed 003's ``sid``)."""
        ...


class SystemClock:
    """The system clock and the operating system's secure random source."""

    def now(self) -> datetime:
        """Return the current time, aware and in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the monotonic clock, in seconds."""
        return time.monotonic()

    def guid(self) -> str:
        """Return a random UUID."""
        return str(uuid.uuid4())

    def sid(self) -> str:
        """Return 12 random alphanumerics."""
        return "".join(secrets.choice(_SID_ALPHABET) for _ in range(12))
