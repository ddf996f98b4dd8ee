"""Index administration for operators, from commands or schedulers.

All of it works with or without other processes running, can be interrupted at any point, and resumes when called again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from indexer.bulk.dead_letters import DeadLetter, listed
from indexer.documents import TOMBSTONES
from indexer.follow.follower import Follower
from indexer.follow.leader_wait import LeaderWait
from indexer.indexes.plan import Plans
from indexer.indexes.targets import Target, as_target
from indexer.operator import OperatorTools, RetryResult, resume, retry
from indexer.reindex.purge import PurgeResult
from indexer.reindex.rebuild import Reindex
from indexer.reindex.result import OnProgress, ReindexResult
from indexer.verify import last_result
from indexer.verify.drift import VerifyReport
from indexer.verify.verify import OnProgress as OnVerified
from mappings.index import mapping_hash
from service.adapters.embedded_search.engine import running_engine
from service.adapters.embedded_search.osmem import OsmemEngine
from service.adapters.opensearch.engine import Connection
from service.adapters.shared.liveness import known_dead
from service.errors import InvalidInput, Unavailable
from service.ports.clock import Clock
from service.ports.search import SearchEngine
from service.runtime import engines
from service.runtime.base import Base, open_existing
from service.runtime.indexer import candidate, make_follower, publish
from service.settings import Settings, variable

log = logging.getLogger(__name__)

_RETRY_BATCH = 100
"""Dead letters retried in one batch: fewer than would halt the indexer."""


def _ignore_progress(progress: object) -> None:
    """Ignore the progress of a reindex."""


async def _ignore_verify_progress(report: VerifyReport, key: str | None) -> None:
    """Ignore the progress of a verify."""


class IndexAdmin:
    """Administration of one index. All methods raise Unavailable if an engine does not respond."""

    def __init__(self, base: Base, engine: SearchEngine) -> None:
        self.base = base
        self.engine = engine
        self.options = engines.follow_options(base.settings)
        self.tools = OperatorTools(base.store, engine, base.clock, self.options)

    async def verify(
        self,
        *,
        index: str | None = None,
        repair: bool = False,
        bodies: bool = True,
        on_progress: OnVerified = _ignore_verify_progress,
    ) -> VerifyReport:
        """Compare the live index, or another one, with the store; ``repair`` fixes the differences.

        ``bodies`` also compares contents, unless the index was built with another mapping. Changes that are waiting for
        an indexer are not differences: :attr:`~indexer.verify.drift.VerifyReport.pending` counts them if no indexer is
        running. With ``repair`` an indexer runs during the verify.
        """
        target = await self._target(index)
        await self.tools.letters.load([target.index])
        base, opt = self.base, self.options
        async with AsyncExitStack() as stack:
            patience = opt.ttl_seconds
            if repair and (follower := self._standby_follower(stack)) is not None:
                stack.push_async_callback(follower.stop)
                follower.start()
                patience *= 3  # it may have to wait for the lease of a dead indexer to expire
            report = await self.tools.verify(
                target,
                repair=self.tools.writer.write if repair else None,
                bodies=bodies and _is_current(target),
                settling=LeaderWait(base.store, base.clock, opt.alias, dead=known_dead, patience=patience),
            ).run(on_progress=on_progress)
        if index is None:
            await last_result.save(base.store, base.clock, opt.alias, report)
        return report

    async def reindex(
        self, *, accept_dead_letters: bool = False, on_progress: OnProgress = _ignore_progress
    ) -> ReindexResult:
        """Build a new index with the current mapping, or resume an interrupted reindex, and swap if nothing differs."""
        async with self._open_reindex(on_progress) as work:
            return await work.run(accept_dead_letters=accept_dead_letters)

    async def rollback(self, *, verify: bool = True, on_progress: OnProgress = _ignore_progress) -> ReindexResult:
        """Move the alias back to the previous index."""
        async with self._open_reindex(on_progress) as work:
            return await work.rollback(verify=verify)

    async def purge(
        self,
        *,
        tombstones: timedelta | None = TOMBSTONES,
        unfinished: bool = False,
        on_progress: OnProgress = _ignore_progress,
    ) -> PurgeResult:
        """Delete the previous index, abandoned indexes, and the tombstones of assets deleted long ago."""
        async with self._open_reindex(on_progress) as work:
            return await work.purge(tombstones=tombstones, unfinished=unfinished)

    async def retry(self, *, index: str | None = None, assets: Collection[str] | None = None) -> RetryResult:
        """Retry dead letters now: those of one index or all, and of some assets or all."""
        held = await open_dead_letters(self.base, index)
        keys = sorted({letter.asset_id for letter in held if assets is None or letter.asset_id in assets})
        tried = left = 0
        for start in range(0, len(keys), _RETRY_BATCH):
            done = await retry(self.tools, index=index, assets=keys[start : start + _RETRY_BATCH])
            tried, left = tried + done.tried, left + done.left
        return RetryResult(tried, left)

    async def _target(self, index: str | None) -> Target:
        """Return an index as it is in the engine. Raises Unavailable, InvalidInput (no index with that name)."""
        if index is not None:
            target = await as_target(self.engine, await self.tools.indexes.described(index))
            if target is None:
                raise InvalidInput(f"There is no index {index!r}.", field="--index", provided=index)
            return target
        shown = await self.tools.indexes.behind_alias()
        if len(shown) != 1:
            alias = self.options.alias
            found = "no index" if not shown else f"{len(shown)} indexes"
            raise Unavailable("search", f"{found} behind the alias {alias}. Start the indexer, which builds it")
        target = await as_target(self.engine, shown[0])
        if target is None:
            raise Unavailable(
                "search", f"the index {shown[0].index} does not exist. Start the indexer, which builds it"
            )
        return target

    @asynccontextmanager
    async def _open_reindex(self, on_progress: OnProgress) -> AsyncIterator[Reindex]:
        base = self.base
        async with AsyncExitStack() as stack:
            follower = self._standby_follower(stack)
            who = candidate(base, stack, "reindex")
            yield Reindex(
                base.store,
                self.engine,
                base.clock,
                self.options,
                follower=follower,
                candidate=who,
                on_progress=on_progress,
            )

    def _standby_follower(self, stack: AsyncExitStack) -> Follower | None:
        """Return a standby indexer, not started, that leads if no other does; None for the embedded engine."""
        if self.base.settings.opensearch_url is None:
            return None
        follower = make_follower(self.base, self.engine, stack)
        publish(self.base, follower, stack)
        return follower


@asynccontextmanager
async def open_index_admin(
    settings: Settings, clock: Clock | None = None, *, writes: bool = True
) -> AsyncIterator[IndexAdmin]:
    """Open the store and the search engine for administration; ``writes`` says whether the index will be changed.

    Raises:
        SettingsError: a setting is wrong, or its engine cannot be used.
        Unavailable: the index is in the memory of a service that is not running.
        InvalidInput: the data folder has no store.
    """
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(open_existing(settings, clock))
        yield IndexAdmin(base, await open_engine(base, stack, writes=writes))


async def open_dead_letters(base: Base, index: str | None = None) -> list[DeadLetter]:
    """Return the open dead letters of one index, or of all indexes that are written to. Raises Unavailable."""
    plan = await Plans(base.store, base.settings.index_prefix).load()
    names = [physical.index for physical in plan.targets] if index is None else [index]
    return [letter for name in names async for letter in listed(base.store, name)]


async def clear_halt(base: Base) -> None:
    """Resume a halted indexer, which continues within a second or two. Raises Unavailable."""
    await resume(base.store, base.settings.index_prefix)


async def open_engine(base: Base, stack: AsyncExitStack, *, writes: bool) -> SearchEngine:
    """Open the engine that contains the index. Raises SettingsError, Unavailable."""
    if base.settings.opensearch_url is not None:
        return await engines.open_engine(base.settings, base.folder, stack, writes=writes)
    url = await asyncio.to_thread(running_engine, base.folder.engine_beacon)
    if url is None:
        fix = f"Start it, or set {variable('opensearch_url')}"
        raise Unavailable(
            "search",
            f"the index is in the memory of `assetry serve`, which is not running on {base.folder.root}. {fix}",
        )
    engine = OsmemEngine(Connection(hosts=(url,)))
    stack.push_async_callback(engine.close)
    return engine


def _is_current(target: Target) -> bool:
    return target.physical.hash == mapping_hash()
