"""What was just put, still here: a put is followed by reading the file, and need not fetch it from the engine."""

from __future__ import annotations

import asyncio

from service.adapters.s3_spool import Spool

_SECONDS = 10.0
_COUNT = 16


class Recent:
    """Spools by their object's key, each for some seconds and for one taker. It owns what it holds."""

    def __init__(self) -> None:
        self._held: dict[str, Spool] = {}
        self._closed = False

    def hold(self, key: str, spool: Spool) -> None:
        """Keep a spool for a while, in place of an older one of the key."""
        self.drop(key)
        if self._closed or spool.size == 0:
            spool.close()
            return
        while len(self._held) >= _COUNT:
            self.drop(next(iter(self._held)))
        self._held[key] = spool
        asyncio.get_running_loop().call_later(_SECONDS, self._expire, key, spool)

    def take(self, key: str) -> Spool | None:
        """Return the key's spool, which is then the caller's to close; None if there is none."""
        return self._held.pop(key, None)

    def drop(self, key: str) -> None:
        """Let go of the key's spool, if there is one."""
        spool = self._held.pop(key, None)
        if spool is not None:
            spool.close()

    def close(self) -> None:
        """Let go of all. Safe to call twice."""
        self._closed = True
        for key in list(self._held):
            self.drop(key)

    def _expire(self, key: str, spool: Spool) -> None:
        if self._held.get(key) is spool:
            self.drop(key)
