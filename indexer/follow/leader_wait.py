"""Waiting for the leader of an alias, if there is one: changes that only wait for an indexer are not drift."""

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
    """Waits for the leader, wherever it runs, to pass what was written; without a leader, reads which changes wait.

    ``dead`` tells whether the process behind a holder's name is certainly dead; a holder that is silent, halted or
    waiting is given ``patience`` seconds. ``led`` says whether a leader passed the mark in the last :meth:`settle`.
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
        """Return when each write before the call was passed by a leader, or is known to wait. Raises Unavailable."""
        mark = await self._store.barrier()
        self.led = await self._is_passed(mark)
        if not self.led:
            await self._read(mark)

    async def _is_passed(self, mark: str) -> bool:
        """Wait for the leader to pass a mark; False if there is no leader that will."""
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
        except HistoryLost:  # the token belongs to another database: the next leader reconciles
            return False

    async def _read(self, mark: str) -> None:
        """Record the assets with changes between the saved token and a mark; none if the feed cannot tell.

        What was read before is not read again, unless a leader has followed meanwhile: an import that no indexer has
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
            log.warning("the change feed cannot go back to the saved token: the next indexer will reconcile")
            self._saved = self._read_to = None
            self._waiting = set()
