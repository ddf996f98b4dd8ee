"""Jobs of several processes on one store."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from service.ports.jobs import Jobs, Progress
from service.ports.store import Body, Record, Store
from tests.contracts.adapters import JOBS
from tests.contracts.children import child, said
from tests.contracts.limits import ATTEMPTS, LEASE_OUTLASTED, LIMITS
from tests.contracts.operations import answering, operation, submit, until_status


async def test_a_cancel_by_another_process_ends_the_run(store: Store, jobs: Jobs, jobs_name: str) -> None:
    started = asyncio.Event()

    async def handler(record: Record, progress: Progress) -> Body:
        started.set()
        for step in range(100_000):
            await progress(step, 100_000)
            await asyncio.sleep(0.001)
        return {}

    jobs.register("test", handler)
    await jobs.start()
    await submit(store)
    await jobs.enqueue("op")
    await started.wait()
    async with JOBS[jobs_name](store) as other:  # it does not work, as in a process that only serves requests
        assert (await other.cancel("op")).body["status"] == "running"
    await until_status(store, "cancelled")


async def test_what_another_process_enqueued_runs(store: Store, jobs: Jobs, jobs_name: str) -> None:
    jobs.register("test", answering({}))
    await jobs.start()
    async with JOBS[jobs_name](store) as other:
        await submit(store)
        await other.enqueue("op")
        await until_status(store, "completed")


async def test_workers_that_are_killed_lose_nothing_and_double_nothing(
    store: Store, store_name: str, jobs: Jobs, jobs_name: str, tmp_path: Path
) -> None:
    keys = [f"op{number}" for number in range(30)]
    for key in keys:
        await submit(store, key)
        await jobs.enqueue(key)
    with child(store_name, tmp_path, "work", jobs_name, "stall") as process:
        half_done = {await asyncio.to_thread(next, said(process)) for _ in range(LIMITS.concurrency)}
    with child(store_name, tmp_path, "work", jobs_name), child(store_name, tmp_path, "work", jobs_name):
        for key in keys:
            await until_status(store, "completed", key)
    assert await store.count("asset", {}) == len(keys)
    assert {key for key in keys if (await operation(store, key))["attempts"] == 2} == half_done


async def test_what_a_killed_process_left_runs_again(
    store: Store, store_name: str, jobs: Jobs, jobs_name: str, tmp_path: Path
) -> None:
    await submit(store)
    with child(store_name, tmp_path, "run_job", jobs_name) as process:
        assert await asyncio.to_thread(next, said(process)) == "op"
        assert (await operation(store))["status"] == "running"
    jobs.register("test", answering({"again": True}))
    await jobs.start()
    end = await until_status(store, "completed")
    assert (end["result"], end["attempts"]) == ({"again": True}, 2)


async def test_an_operation_that_kills_its_process_each_time_ends(
    store: Store, store_name: str, jobs: Jobs, jobs_name: str, tmp_path: Path
) -> None:
    await submit(store)
    for _ in range(ATTEMPTS):
        with child(store_name, tmp_path, "run_job", jobs_name) as process:
            assert await asyncio.to_thread(next, said(process)) == "op"
    runs: list[str] = []
    jobs.register("test", answering({}, runs))
    await jobs.start()
    end = await until_status(store, "failed")
    assert end["attempts"] == ATTEMPTS
    assert runs == []


async def test_several_workers_never_run_one_operation_at_once(store: Store, jobs_name: str) -> None:
    """Also when a run takes longer than a lease and retries come between."""
    limits = replace(LIMITS, lease=1.5)  # so long that a busy machine keeps it
    running: set[str] = set()
    runs: list[str] = []

    async def outlast_a_lease() -> None:
        leases: set[str] = set()
        while len(leases) <= LEASE_OUTLASTED:
            leases.add((await operation(store, "op0"))["lease_until"])
            await asyncio.sleep(0.005)

    async def handler(record: Record, progress: Progress) -> Body:
        assert record.key not in running
        running.add(record.key)
        runs.append(record.key)
        await (outlast_a_lease() if record.key == "op0" else asyncio.sleep(0))
        running.remove(record.key)
        if record.key == "op1" and runs.count("op1") == 1:
            raise RuntimeError("once")
        return {}

    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(JOBS[jobs_name](store, limits)) for _ in range(3)]
        for worker in workers:
            worker.register("test", handler)
            await worker.start()
        for number in range(20):
            await submit(store, f"op{number}")
            for worker in workers:
                await worker.enqueue(f"op{number}")
        for number in range(20):
            await until_status(store, "completed", f"op{number}")
    assert sorted(runs) == sorted([*(f"op{number}" for number in range(20)), "op1"])
