"""Wrong keys by address: who guesses, or hammers with a key that was revoked, costs the store nothing more."""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict

from service.errors import TooManyRequests
from service.ports.clock import Clock

WINDOW = 60.0
"""Seconds for which wrong keys are counted, and after which an address may try again."""

ALLOWED = 30
"""Wrong keys of an address in a window."""

_ADDRESSES = 50_000
"""Addresses that are remembered; the earliest window is forgotten first."""


class Guesses:
    """Counts in this process; good keys are never held up by the wrong ones of others at the same address for long."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def check(self, address: str) -> None:
        """Raise TooManyRequests for an address that sent too many wrong keys."""
        ends, count = self._windows.get(_network(address), (0.0, 0))
        left = ends - self._clock.monotonic()
        if count >= ALLOWED and left > 0:
            message = f"Too many wrong API keys came from your address. Try again in {math.ceil(left)} s."
            raise TooManyRequests(message, retry_after=math.ceil(left), headers={})

    def note(self, address: str) -> None:
        """Count a wrong key."""
        network, now = _network(address), self._clock.monotonic()
        if not network:
            return
        ends, count = self._windows.get(network, (0.0, 0))
        if ends <= now:
            self._windows.pop(network, None)
            ends, count = now + WINDOW, 0
        self._windows[network] = (ends, count + 1)
        while len(self._windows) > _ADDRESSES:
            self._windows.popitem(last=False)


def _network(address: str) -> str:
    """Return whose an address is: of IPv6 the /64 network, as which one user has 2^64 of them (RFC 6177)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))
