"""The scheduled verify: the leader runs it from time to time, slowly, so that drift is found before users notice it.

Any engine may lose an acknowledged write, and anyone may modify the wrong index. The result goes to the log and,
through the status, to ``/metrics``; repairing is an operator's decision.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from indexer.indexes.targets import Target, as_target
from indexer.leadership.lease import LeaseLost
from indexer.operator import OperatorTools
from indexer.options import FollowOptions
from indexer.status.model import FollowerStatus, Role, State
from indexer.verify import last_result
from indexer.verify.drift import VerifyReport
from mappings.index import mapping_hash
from service.errors import AssetryError
from service.ports.clock import Clock
from service.ports.search import Rejected, SearchEngine
from service.ports.store import Store

log = logging.getLogger(__name__)

LOOK_SECONDS = 60.0
"""How often to check whether a verify is due, and the pause after a failed one."""
RATE = 2000.0
"""Records and documents compared per second at most: a tenth of what an engine and a store can deliver."""


@dataclass(frozen=True, slots=True)
class VerifySchedule:
    """When to verify: every ``hours``, ``rate`` comparisons a second at most, asked every ``look_seconds``."""

    hours: float
    rate: float = RATE
    look_seconds: float = LOOK_SECONDS


class ScheduledVerify:
    """Verifies the live index by a schedule while this process leads; ``status`` returns its follower's status.

    The time of the last verify, by any process, is in the store, so that a restart does not start one.
    """

    def __init__(
        self,
        store: Store,
        engine: SearchEngine,
        clock: Clock,
        options: FollowOptions,
        status: Callable[[], FollowerStatus],
        schedule: VerifySchedule,
    ) -> None:
        self._store = store
        self._engine = engine
        self._clock = clock
        self._alias = options.alias
        self._status = status
        self._schedule = schedule
        self._tools = OperatorTools(store, engine, clock, options, check=self._check)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start, in a task of its own."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="scheduled-verify")

    async def stop(self) -> None:
        """Stop; a verify in progress is started again by the next leader. Safe to call twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        while True:
            try:
                if self._follows() and await self._is_due():
                    await self._verify()
            except LeaseLost:
                log.info("another process continues the verify of %s", self._alias)
            except (AssetryError, Rejected) as error:
                log.warning("the verify of %s was aborted: %s", self._alias, error)
            except Exception:  # whatever it is, the next verify is still due
                log.exception("the verify of %s failed", self._alias)
            await asyncio.sleep(self._schedule.look_seconds)

    def _follows(self) -> bool:
        status = self._status()
        return status.role is Role.LEADER and status.state is State.FOLLOWING and status.caught_up

    async def _is_due(self) -> bool:
        last = await last_result.load(self._store, self._alias)
        if last is None:
            return True
        return (self._clock.now() - datetime.fromisoformat(last.at)).total_seconds() >= self._schedule.hours * 3600

    async def _verify(self) -> None:
        target = await self._live()
        if target is None:
            return
        await self._tools.letters.load([target.index])
        bodies = target.physical.hash == mapping_hash()
        report = await self._tools.verify(target, bodies=bodies).run(on_progress=self._pace)
        await last_result.save(self._store, self._clock, self._alias, report)
        if report.clean:
            log.info("verified the index %s: %d compared, no differences", target.index, report.checked)
        else:
            log.error("the index %s differs: run `assetry index verify --repair`: %s", target.index, report.as_json())

    async def _live(self) -> Target | None:
        plan = await self._tools.plans.load()
        return None if plan.live is None else await as_target(self._engine, plan.live)

    async def _pace(self, report: VerifyReport, key: str | None) -> None:
        """Wait until the rate limit allows more."""
        self._check()
        await asyncio.sleep(max(report.checked / self._schedule.rate - report.seconds, 0.0))

    def _check(self) -> None:
        """Raise LeaseLost when this process no longer leads."""
        if self._status().role is not Role.LEADER:
            raise LeaseLost(self._alias)
