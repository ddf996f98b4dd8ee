"""Following the event log: by positions, from memory at its end and from the store behind it.

Followers of one process share one reader of the log's end, which asks the store twice a second while anybody follows
(and at once when the relay runs in the same process). What it read last is kept for all of them, so a follower that is
at the end costs the store nothing; one that is behind reads pages of its own until it has caught up. A follower holds
no more than a page, however slow it is.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from service.broadcast_event import BroadcastEvent
from service.core.events.log import START, Block, EventLog, next_block
from service.core.events.records import RecordEvent
from service.errors import AssetryError
from service.tasks import cancelled

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
"""How often the end of the log is looked at while somebody follows."""

_PAGE_EVENTS, _PAGE_BLOCKS = 2000, 32
"""About how many events a follower that is behind reads at once, and how many blocks at most."""

_KEPT_EVENTS = 5000
"""Events at the end of the log that are kept in memory for all followers."""


@dataclass(frozen=True, slots=True)
class Logged:
    """Something that a follower learns: an event and its position, or with no event how far the log was read.

    ``lost``: what was behind the follower's position is no longer kept, so it has to read everything again.
    """

    position: int
    event: RecordEvent | None = None
    lost: bool = False


class LogReader:
    """Reads the log for the followers of one process."""

    def __init__(self, events: EventLog, *, poll: float = POLL_SECONDS) -> None:
        self._log = events
        self._poll = poll
        self._news = BroadcastEvent()
        self._blocks: deque[Block] = deque()
        self._kept = 0
        self._head = 0
        self._followers = 0
        self._task: asyncio.Task[None] | None = None

    async def end(self) -> int:
        """Return the position of the log's end: who follows from there learns what happens from now on."""
        head = await self._log.head()
        return START if head is None else head.end

    async def follow(self, position: int | None) -> AsyncGenerator[list[Logged], None]:
        """Yield what is in the log behind a position (None: its end), page by page and for ever.

        A page that holds no event says how far the log was read; the first page always comes at once. Raises
        Unavailable.
        """
        async with self._reading():
            if position is not None:
                position = max(position, START)
            if position is None or await self._is_lost(position):
                lost = position is not None
                position = await self.end()
                yield [Logged(position, lost=lost)]
            else:
                yield [Logged(position)]
            page_size = 1
            while True:
                news = self._news.next()
                blocks = await self._behind(position, page_size)
                # Blocks of a quiet time hold an event each, those of an import hundreds.
                heaviest = max((len(block.events) for block in blocks), default=1)
                page_size = min(_PAGE_BLOCKS, page_size * 2, max(1, _PAGE_EVENTS // heaviest))
                if blocks and blocks[0].number > next_block(position):  # it was swept meanwhile
                    position = await self.end()
                    yield [Logged(position, lost=True)]
                    continue
                for block in blocks:
                    events = enumerate(block.events)
                    page = [Logged(at, event) for place, event in events if (at := block.position(place)) > position]
                    position = block.end
                    yield [*page, Logged(position)]
                if not blocks:
                    await news.wait()

    async def _behind(self, position: int, page_size: int) -> list[Block]:
        """Return the next blocks that hold something behind a position; ``page_size`` of them where they are read."""
        wanted = next_block(position)
        if self._blocks and self._blocks[0].number <= wanted:
            return [block for block in self._blocks if block.number >= wanted]
        if wanted > self._head > 0:
            return []
        return await self._log.behind(wanted - 1, page_size)

    async def _is_lost(self, position: int) -> bool:
        """Whether what follows a position is no longer kept, or never was: it is of another log."""
        oldest = await self._log.oldest()
        return position > await self.end() or (oldest is not None and oldest > next_block(position))

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[None]:
        """Have the end of the log read until the block ends."""
        self._followers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._read(), name="event-log")
        try:
            yield
        finally:
            self._followers -= 1
            if not self._followers:
                task, self._task = self._task, None
                self._forget()
                await cancelled(task)

    def _forget(self) -> None:
        self._blocks.clear()
        self._kept = self._head = 0

    async def _read(self) -> None:
        """Read the end of the log, for ever."""
        while True:
            appended = self._log.news.next()
            try:
                await self._look()
            except AssetryError as error:
                log.warning("the event log cannot be read now; followers wait: %s", error)
            except Exception:
                log.exception("the event log cannot be read; followers wait")
            try:
                async with asyncio.timeout(self._poll):
                    await appended.wait()
            except TimeoutError:
                continue

    async def _look(self) -> None:
        """Read what was appended since the last look, and wake the followers if there is anything."""
        if not self._head and (head := await self._log.head()) is not None:
            # The head itself is read as all others are: the store's newest may not be there for a scan yet.
            self._head = head.number - 1
        while blocks := await self._log.behind(self._head):
            for block in blocks:
                self._blocks.append(block)
                self._kept += len(block.events)
                self._head = block.number
            while self._kept > _KEPT_EVENTS:
                self._kept -= len(self._blocks.popleft().events)
            self._news.set()
