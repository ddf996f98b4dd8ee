"""A full build: a new index, filled from the whole store, then put behind the alias."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from indexer.checkpoint import Checkpoint, Checkpoints
from indexer.indexes import Indexes
from indexer.progress import Progress
from indexer.scan import scan
from service.ports.clock import Clock
from service.ports.search import SearchEngine
from service.ports.store import Record, Store

log = logging.getLogger(__name__)

KIND = "asset"

Write = Callable[[str, Sequence[str], Mapping[str, Record]], Awaitable[None]]
"""``await write(index, keys, records)`` returns when each key is acknowledged by the index or a dead letter."""


class Builder:
    """Builds an index. The order of its steps is what makes it lossless.

    A write from before the barrier is seen by the scan, one from after it comes by the feed behind the barrier's token.
    Searches see the new index when it is complete; until then they see the one before, or none.
    """

    def __init__(
        self, store: Store, engine: SearchEngine, indexes: Indexes, checkpoints: Checkpoints, clock: Clock
    ) -> None:
        self._store = store
        self._engine = engine
        self._indexes = indexes
        self._checkpoints = checkpoints
        self._clock = clock

    async def build(
        self, saved: Checkpoint, write: Write, check: Callable[[], None], progress: Progress, *, page: int, lanes: int
    ) -> tuple[str, str]:
        """Return the new index's name and the token to follow from.

        ``check`` is called before each page and before the alias moves; it raises to end the build. Interrupted, it
        leaves an index that the next build drops.
        """
        progress.indexed, progress.total = 0, await self._store.count(KIND, {})
        build = self._clock.guid()
        token = await self._store.barrier()
        index = await self._indexes.create(build)
        await self._checkpoints.building(index)
        log.info("building the index %s from %d assets", index, progress.total)

        async def sink(records: list[Record]) -> None:
            check()
            await write(index, [record.key for record in records], {record.key: record for record in records})
            progress.indexed += sum(not record.tombstone for record in records)

        await scan(self._store, sink, page=page, lanes=lanes)
        await self._engine.refresh(index)
        check()
        replaced = await self._indexes.promote(index)
        await self._checkpoints.built(index, build, token)
        for name in {*replaced, saved.index, saved.building} - {index, None}:
            await self._indexes.drop(str(name))
        log.info("the index %s is complete", index)
        return index, token
