"""Waiting for the leader of an alias where there may be none: what only waits for an indexer is no drift."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from indexer.follow import checkpoint
from indexer.follow.feed import opened
from indexer.follow.writer import KIND
from indexer.leadership.lease import TTL
from indexer.status.model import State
from service.errors import HistoryLost
from service.ports.clock import Clock
from service.ports.store import Body, Store

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1
_PAGE = 1000
_BUSY = frozenset({State.FOLLOWING, State.RECONCILING, State.STARTING, State.REINDEXING})
"""States in which a leader passes a mark sooner or later."""


class LeaderWait:
    """Waits for the leader to pass what was written, wherever it runs; where none does, reads what waits for it.

    ``dead`` is whether the process behind a holder's name certainly runs no more; a holder that is silent, or that is
    halted or waits, is given ``patience`` seconds. ``led`` says whether the last :meth:`settle` was by a leader.
    """

    def __init__(
        self, store: Store, clock: Clock, alias: str, *, dead: Callable[[str], bool], patience: float = TTL
    ) -> None:
        self.led = True
        self._store = store
        self._clock = clock
        self._alias = alias
        self._dead = dead
        self._patience = patience
        self._saved: str | None = None
        self._read_to: str | None = None
        self._waiting: set[str] = set()

    def late(self, key: str) -> bool:
        """Whether a change of this asset waits for an indexer. Known after :meth:`settle`."""
        return key in self._waiting

    async def settle(self) -> None:
        """Return when each write from before the call is passed by a leader, or known to wait. Raises Unavailable."""
        mark = await self._store.barrier()
        self.led = await self._is_passed(mark)
        if not self.led:
            await self._read(mark)

    async def _is_passed(self, mark: str) -> bool:
        """Wait for the leader to pass a mark; False when there is none that will."""
        beat: int | None = None
        since = self._clock.monotonic()
        while True:
            body = await checkpoint.load(self._store, self._alias)
            if self._has(body, mark):
                return True
            if body.get("released", True) or self._dead(str(body.get("holder"))):
                return False
            now = self._clock.monotonic()
            if body.get("beat") != beat and (body.get("status") or {}).get("state") in _BUSY:
                since = now
            beat = body.get("beat")
            if now - since >= self._patience:
                return False
            await asyncio.sleep(POLL_SECONDS)

    def _has(self, body: Body, mark: str) -> bool:
        token = body.get("token")
        try:
            return token is not None and self._store.passed(token, mark)
        except HistoryLost:  # it is of another database: the next leader reconciles
            return False

    async def _read(self, mark: str) -> None:
        """Note the assets with changes between the saved token and a mark; none where the feed cannot say.

        What was read before is not read again, unless somebody has followed meanwhile: an import that no indexer has
        seen may be the whole library.
        """
        token = (await checkpoint.load(self._store, self._alias)).get("token")
        if token != self._saved:
            self._saved = self._read_to = token
            self._waiting = set()
        if self._read_to is None:
            return
        try:
            async with opened(self._store, self._read_to, kind=KIND, limit=_PAGE, bell=asyncio.Event()) as feed:
                while not self._store.passed(self._read_to, mark):
                    batch = await feed.next()
                    self._waiting.update(change.key for change in batch if change.kind == KIND)
                    self._read_to = batch[-1].token if batch else self._read_to
        except HistoryLost:
            log.warning("the change feed cannot go back to the saved token: the next indexer reconciles")
            self._saved = self._read_to = None
            self._waiting = set()
