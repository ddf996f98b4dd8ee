from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.adapters.jobs.inprocess_jobs import InprocessJobs
from service.adapters.jobs.limits import JobLimits
from service.adapters.sqlite.store import SqliteStore
from service.errors import Unavailable
from service.ports.clock import SystemClock
from service.ports.jobs import Cancelled, Progress
from service.ports.store import Body, Change, Condition, Order, Page, Record
from tests.support.clocks import Elsewhere
from tests.support.waiting import eventually

LIMITS = JobLimits(concurrency=2, attempts=2, backoff=0.01, sweep=0.05, lease=0.15, grace=0.1)


class FlakyStore(SqliteStore):
    """A store that fails on demand."""

    find_errors: Sequence[Exception] = ()
    failing_statuses: Sequence[str] = ()

    async def find(
        self,
        kind: str,
        where: Mapping[str, Condition],
        *,
        order: Order | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page:
        if self.find_errors:
            error, *self.find_errors = self.find_errors
            raise error
        return await super().find(kind, where, order=order, limit=limit, after=after)

    async def update(self, kind: str, key: str, change: Change, *, expected_rev: int | None = None) -> Record:
        if change.set.get("status") in self.failing_statuses:
            self.failing_statuses = ()
            raise Unavailable("store", "it is away")
        return await super().update(kind, key, change, expected_rev=expected_rev)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[FlakyStore]:
    async with FlakyStore(tmp_path / "store.sqlite", SystemClock()) as store:
        await store.insert("operation", "op", {"org_id": "o", "type": "test", "status": "queued"})
        yield store


@pytest.fixture
async def jobs(store: FlakyStore) -> AsyncIterator[InprocessJobs]:
    jobs = InprocessJobs(store, SystemClock(), LIMITS)
    yield jobs
    await jobs.close()


async def finish(jobs: InprocessJobs) -> None:
    async with asyncio.timeout(20):
        await jobs.drain()


async def test_a_run_that_lost_its_lease_stops_and_writes_nothing_more(store: FlakyStore) -> None:
    """As after a process was stopped for longer than its lease and another took the operation over."""
    stopped = asyncio.Event()
    jobs = InprocessJobs(store, SystemClock(), replace(LIMITS, lease=1.5))  # the other's lasts until the end

    async def handler(record: Record, progress: Progress) -> Body:
        await progress(1, 10)
        await store.update("operation", "op", Change(set={"worker": "elsewhere/1/x"}))
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return {}

    jobs.register("test", handler)
    await jobs.start()
    async with asyncio.timeout(20):
        await stopped.wait()
    await finish(jobs)
    body = (await store.get("operation", "op")).body
    assert (body["status"], body["worker"], body.get("result")) == ("running", "elsewhere/1/x", None)
    await jobs.close()


async def test_a_run_whose_record_was_removed_stops(store: FlakyStore, jobs: InprocessJobs) -> None:
    async def handler(record: Record, progress: Progress) -> Body:
        await store.remove("operation", "op")
        await progress(1, 2)
        return {}

    jobs.register("test", handler)
    await jobs.start()
    await finish(jobs)
    assert (await store.get_many("operation", ["op"], tombstones=True))["op"].rev == 3


async def test_a_long_run_keeps_its_lease(store: FlakyStore, jobs: InprocessJobs) -> None:
    leases: set[str] = set()

    async def handler(record: Record, progress: Progress) -> Body:
        while len(leases) < 4:
            leases.add((await store.get("operation", "op")).body["lease_until"])
            await asyncio.sleep(0.005)
        return {}

    jobs.register("test", handler)
    await jobs.start()
    await finish(jobs)
    body = (await store.get("operation", "op")).body
    assert (body["status"], body["attempts"]) == ("completed", 1)


@pytest.mark.parametrize("error", [Unavailable("store", "it is away"), RuntimeError("a bug")], ids=["away", "bug"])
async def test_the_dispatcher_outlives_a_store_that_fails(
    store: FlakyStore, jobs: InprocessJobs, error: Exception
) -> None:
    async def handler(record: Record, progress: Progress) -> Body:
        return {"ran": True}

    store.find_errors = [error, error]
    jobs.register("test", handler)
    await jobs.start()
    await finish(jobs)
    assert not store.find_errors
    assert (await store.get("operation", "op")).body["result"] == {"ran": True}


async def test_an_end_that_could_not_be_written_runs_again(store: FlakyStore, jobs: InprocessJobs) -> None:
    runs = 0

    async def handler(record: Record, progress: Progress) -> Body:
        nonlocal runs
        runs += 1
        return {"run": runs}

    store.failing_statuses = ("completed",)
    jobs.register("test", handler)
    await jobs.start()
    async with asyncio.timeout(20):
        while (await store.get("operation", "op")).body["status"] != "completed":
            await asyncio.sleep(0.01)
    assert (await store.get("operation", "op")).body["result"] == {"run": 2}


async def test_a_cancel_by_another_process_reaches_the_run(store: FlakyStore, jobs: InprocessJobs) -> None:
    other = InprocessJobs(store, SystemClock(), LIMITS)  # never started: as in a process that only asks

    async def handler(record: Record, progress: Progress) -> Body:
        await other.cancel("op")
        for step in range(10_000):
            await progress(step, 10_000)
            await asyncio.sleep(0.005)
        return {}

    jobs.register("test", handler)
    await jobs.start()
    await finish(jobs)
    assert (await store.get("operation", "op")).body["status"] == "cancelled"


async def test_a_failure_after_a_cancel_is_not_tried_again(store: FlakyStore, jobs: InprocessJobs) -> None:
    async def handler(record: Record, progress: Progress) -> Body:
        await jobs.cancel("op")
        raise RuntimeError("stopped half-way")

    jobs.register("test", handler)
    await jobs.start()
    await finish(jobs)
    body = (await store.get("operation", "op")).body
    assert (body["status"], body["attempts"]) == ("cancelled", 1)


@pytest.mark.parametrize("end", ["failed", "put back"])
async def test_what_another_process_cancelled_is_not_queued_again(store: FlakyStore, end: str) -> None:
    """The run hears of it when it writes its own end only."""
    patient = InprocessJobs(store, SystemClock(), JobLimits(attempts=3, backoff=600, sweep=0.05, grace=0))
    other = InprocessJobs(store, SystemClock(), LIMITS)
    cancelled = asyncio.Event()

    async def handler(record: Record, progress: Progress) -> Body:
        await other.cancel("op")
        cancelled.set()
        if end == "failed":
            raise RuntimeError("stopped half-way")
        await asyncio.Event().wait()
        return {}

    patient.register("test", handler)
    await patient.start()
    async with asyncio.timeout(20):
        await cancelled.wait()
        if end == "failed":
            await patient.drain()
        await patient.close()
    assert (await store.get("operation", "op")).body["status"] == "cancelled"


async def test_a_queued_operation_with_an_unheard_cancel_can_be_cancelled(
    store: FlakyStore, jobs: InprocessJobs
) -> None:
    waiting = {"cancel_requested": True, "run_after": "2999-01-01T00:00:00.000Z"}
    await store.update("operation", "op", Change(set=waiting))
    assert (await jobs.cancel("op")).body["status"] == "cancelled"


@pytest.mark.parametrize("until", ["2000-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z"])
async def test_a_dead_run_that_was_to_be_cancelled_ends(store: FlakyStore, jobs: InprocessJobs, until: str) -> None:
    """Whatever its machine's clock said."""
    dead = {"status": "running", "worker": "elsewhere/1/x", "lease_until": until, "attempts": 1}
    await store.update("operation", "op", Change(set={**dead, "cancel_requested": True}))
    await jobs.start()
    async with asyncio.timeout(20):
        while (await store.get("operation", "op")).body["status"] != "cancelled":
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_run_of_a_machine_with_another_time_is_left_alone(store: FlakyStore, hours: float) -> None:
    limits = JobLimits(concurrency=1, attempts=2, backoff=0.01, sweep=0.02, lease=0.6, grace=0.1)
    here, there = (InprocessJobs(store, clock, limits) for clock in (SystemClock(), Elsewhere(hours)))
    begun = asyncio.Event()

    async def handler(record: Record, progress: Progress) -> Body:
        begun.set()
        leases: set[str] = set()
        while len(leases) < 6:  # it goes on for longer than a lease
            leases.add((await store.get("operation", "op")).body["lease_until"])
            await asyncio.sleep(0.005)
        return {"run": record.body["attempts"]}

    for jobs in (there, here):
        jobs.register("test", handler)
        await jobs.start()
        async with asyncio.timeout(20):
            await begun.wait()
    await finish(there)
    await finish(here)
    body = (await store.get("operation", "op")).body
    assert (body["status"], body["result"], body["attempts"]) == ("completed", {"run": 1}, 1)
    for jobs in (there, here):
        await jobs.close()


async def test_what_a_machine_with_another_time_put_back_runs_at_once(store: FlakyStore, jobs: InprocessJobs) -> None:
    ahead = InprocessJobs(store, Elsewhere(1), LIMITS)
    begun = asyncio.Event()

    async def endless(record: Record, progress: Progress) -> Body:
        begun.set()
        await asyncio.Event().wait()
        return {}

    async def handler(record: Record, progress: Progress) -> Body:
        return {"ran": True}

    ahead.register("test", endless)
    await ahead.start()
    async with asyncio.timeout(20):
        await begun.wait()
    await ahead.close()
    jobs.register("test", handler)
    await jobs.start()
    await finish(jobs)
    assert (await store.get("operation", "op")).body["result"] == {"ran": True}


async def test_operations_run_in_the_order_in_which_they_are_due(store: FlakyStore) -> None:
    await store.remove("operation", "op")
    order = [3, 1, 4, 0, 2]
    for place, number in enumerate(order):
        body: Body = {"org_id": "o", "type": "test", "status": "queued", "run_after": f"2024-01-01T00:00:0{place}.000Z"}
        await store.insert("operation", f"op{number}", body)
    seen: list[str] = []

    async def handler(record: Record, progress: Progress) -> dict[str, Any]:
        seen.append(record.key)
        return {}

    jobs = InprocessJobs(store, SystemClock(), JobLimits(concurrency=1, sweep=0.05))
    jobs.register("test", handler)
    await jobs.start()
    await finish(jobs)
    await jobs.close()
    assert seen == [f"op{number}" for number in order]


async def test_a_handler_that_gives_up_by_itself_is_cancelled(store: FlakyStore, jobs: InprocessJobs) -> None:
    async def handler(record: Record, progress: Progress) -> Body:
        raise Cancelled

    jobs.register("test", handler)
    await jobs.start()
    await finish(jobs)
    assert (await store.get("operation", "op")).body["status"] == "cancelled"


async def test_an_outage_of_the_store_at_the_end_of_every_run_is_no_attempt(
    store: FlakyStore, jobs: InprocessJobs
) -> None:
    runs = 0

    async def handler(record: Record, progress: Progress) -> Body:
        nonlocal runs
        runs += 1
        if runs <= 2 * LIMITS.attempts:
            store.failing_statuses = ("completed", "queued", "failed")  # whatever is written next
        return {"runs": runs}

    jobs.register("test", handler)
    await jobs.start()

    async def ended() -> bool:
        return bool((await store.get("operation", "op")).body["status"] not in ("queued", "running"))

    await eventually(ended, "it has ended")
    end = (await store.get("operation", "op")).body
    assert (end["status"], end["result"]) == ("completed", {"runs": 2 * LIMITS.attempts + 1})
