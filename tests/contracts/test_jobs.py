from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from service.errors import InvalidInput, NotFound, Unavailable
from service.ports.clock import SystemClock
from service.ports.jobs import Cancelled, Handler, Jobs, Progress
from service.ports.store import Body, Record, Store
from service.times import timestamp
from tests.contracts.adapters import JOBS
from tests.contracts.children import child, said
from tests.contracts.limits import ATTEMPTS, LIMITS

FAR = "2999-01-01T00:00:00.000Z"


async def submit(store: Store, key: str = "op", **fields: Any) -> None:
    body: Body = {
        "org_id": "o",
        "type": "test",
        "status": "queued",
        "params": {},
        "created_at": timestamp(SystemClock().now()),
    }
    await store.insert("operation", key, {**body, **fields})


async def operation(store: Store, key: str = "op") -> Body:
    return (await store.get("operation", key)).body


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.01)


async def until_status(store: Store, status: str, key: str = "op") -> Body:
    async def reached() -> bool:
        return bool((await operation(store, key))["status"] == status)

    await until(reached)
    return await operation(store, key)


async def finish(jobs: Jobs) -> None:
    async with asyncio.timeout(20):
        await jobs.drain()


def answering(result: Body, runs: list[str] | None = None) -> Handler:
    async def handler(record: Record, progress: Progress) -> Body:
        if runs is not None:
            runs.append(record.key)
        return result

    return handler


async def test_an_operation_runs_and_keeps_its_result(store: Store, jobs: Jobs) -> None:
    seen: list[Body] = []

    async def handler(record: Record, progress: Progress) -> Body:
        seen.append(record.body)
        await progress(1, 4)
        seen.append(await operation(store))
        await progress(4, 4)
        seen.append(await operation(store))
        return {"deleted": [1, 2]}

    jobs.register("test", handler)
    await jobs.start()
    await submit(store, params={"ids": [1]})
    await jobs.enqueue("op")
    await finish(jobs)
    begun, first, last = seen
    assert (begun["status"], begun["params"], begun["attempts"]) == ("running", {"ids": [1]}, 1)
    assert first["progress"] == {"completed": 1, "total": 4, "percentage": 25}
    assert last["progress"] == {"completed": 4, "total": 4, "percentage": 100}
    end = await operation(store)
    assert (end["status"], end["result"], end["error"]) == ("completed", {"deleted": [1, 2]}, None)
    assert end["created_at"] <= end["started_at"] <= end["completed_at"]


async def test_enqueue_twice_is_once(store: Store, jobs: Jobs) -> None:
    runs: list[str] = []
    jobs.register("test", answering({}, runs))
    await submit(store)
    await jobs.enqueue("op")
    await jobs.start()
    await asyncio.gather(*(jobs.enqueue("op") for _ in range(10)))
    await finish(jobs)
    await jobs.enqueue("op")
    await finish(jobs)
    assert runs == ["op"]


async def test_an_unknown_operation_is_not_found(jobs: Jobs) -> None:
    for call in (jobs.enqueue, jobs.cancel):
        with pytest.raises(NotFound):
            await call("nothing")


async def test_what_was_queued_before_the_start_runs(store: Store, jobs: Jobs) -> None:
    jobs.register("test", answering({"ok": True}))
    for number in range(5):
        await submit(store, f"op{number}")
    await jobs.start()
    await finish(jobs)
    assert [(await operation(store, f"op{number}"))["status"] for number in range(5)] == ["completed"] * 5


async def test_a_queued_record_that_nobody_enqueued_is_swept_up(store: Store, jobs: Jobs) -> None:
    jobs.register("test", answering({}))
    await jobs.start()
    await submit(store)
    await until_status(store, "completed")


async def test_an_operation_waits_until_it_is_due(store: Store, jobs: Jobs) -> None:
    jobs.register("test", answering({}))
    await jobs.start()
    await submit(store, "later", run_after=FAR)
    await submit(store, "now", run_after=timestamp(SystemClock().now()))
    await jobs.enqueue("later")
    await jobs.enqueue("now")
    await until_status(store, "completed", "now")
    await finish(jobs)
    assert (await operation(store, "later"))["status"] == "queued"


async def test_invalid_input_fails_at_once(store: Store, jobs: Jobs) -> None:
    async def handler(record: Record, progress: Progress) -> Body:
        raise InvalidInput("The ids are wrong.", field="ids")

    jobs.register("test", handler)
    await jobs.start()
    await submit(store)
    await jobs.enqueue("op")
    await finish(jobs)
    end = await operation(store)
    assert (end["status"], end["attempts"]) == ("failed", 1)
    assert end["error"] == {"type": "InvalidInput", "message": "The ids are wrong."}
    assert end["completed_at"]


async def test_other_errors_are_tried_again(store: Store, jobs: Jobs) -> None:
    attempts: list[int] = []

    async def handler(record: Record, progress: Progress) -> Body:
        attempts.append(record.body["attempts"])
        if len(attempts) < ATTEMPTS:
            raise RuntimeError("secret detail")
        return {"attempt": len(attempts)}

    jobs.register("test", handler)
    await jobs.start()
    await submit(store)
    await jobs.enqueue("op")
    await finish(jobs)
    assert attempts == list(range(1, ATTEMPTS + 1))
    end = await operation(store)
    assert (end["status"], end["result"], end["error"]) == ("completed", {"attempt": ATTEMPTS}, None)


@pytest.mark.parametrize("error", [RuntimeError("secret"), Unavailable("search", "secret")], ids=["bug", "engine"])
async def test_an_operation_that_always_fails_ends(store: Store, jobs: Jobs, error: Exception) -> None:
    runs = 0

    async def handler(record: Record, progress: Progress) -> Body:
        nonlocal runs
        runs += 1
        raise error

    jobs.register("test", handler)
    await jobs.start()
    await submit(store)
    await jobs.enqueue("op")
    await finish(jobs)
    end = await operation(store)
    assert (end["status"], end["attempts"], runs) == ("failed", ATTEMPTS, ATTEMPTS)
    assert end["error"]["type"]
    assert "secret" not in str(end)


async def test_a_result_that_is_not_json_fails_the_operation(store: Store, jobs: Jobs) -> None:
    jobs.register("test", answering({"bad": {1, 2}}))
    await jobs.start()
    await submit(store)
    await jobs.enqueue("op")
    await finish(jobs)
    assert (await operation(store))["status"] == "failed"


async def test_a_type_without_handler_fails(store: Store, jobs: Jobs) -> None:
    await jobs.start()
    await submit(store, type="unknown.type")
    await jobs.enqueue("op")
    await finish(jobs)
    end = await operation(store)
    assert end["status"] == "failed"
    assert "unknown.type" in end["error"]["message"]


async def test_one_that_fails_stops_none(store: Store, jobs: Jobs) -> None:
    async def handler(record: Record, progress: Progress) -> Body:
        if record.key == "op3":
            raise InvalidInput("No.")
        return {}

    jobs.register("test", handler)
    await jobs.start()
    for number in range(10):
        await submit(store, f"op{number}")
        await jobs.enqueue(f"op{number}")
    await finish(jobs)
    ends = [(await operation(store, f"op{number}"))["status"] for number in range(10)]
    assert ends == ["failed" if number == 3 else "completed" for number in range(10)]


async def test_a_queued_operation_is_cancelled_at_once(store: Store, jobs: Jobs) -> None:
    runs: list[str] = []
    jobs.register("test", answering({}, runs))
    await submit(store)
    record = await jobs.cancel("op")
    assert record.body["status"] == "cancelled"
    assert record.body["completed_at"]
    await jobs.start()
    await jobs.enqueue("op")
    await finish(jobs)
    assert runs == []
    assert await jobs.cancel("op") == await store.get("operation", "op")


async def test_a_running_operation_is_cancelled_at_its_next_progress(store: Store, jobs: Jobs) -> None:
    started = asyncio.Event()
    signals: list[str] = []

    async def handler(record: Record, progress: Progress) -> Body:
        started.set()
        try:
            for step in range(10_000):
                await progress(step, 10_000)
                await asyncio.sleep(0.001)
        except Cancelled:
            signals.append("cancelled")
            raise
        return {}

    jobs.register("test", handler)
    await jobs.start()
    await submit(store)
    await jobs.enqueue("op")
    await started.wait()
    assert (await jobs.cancel("op")).body["status"] == "running"
    end = await until_status(store, "cancelled")
    assert signals == ["cancelled"]
    assert end["completed_at"]
    assert end["attempts"] == 1


async def test_a_cancel_that_comes_too_late_changes_nothing(store: Store, jobs: Jobs) -> None:
    started, go = asyncio.Event(), asyncio.Event()

    async def handler(record: Record, progress: Progress) -> Body:
        started.set()
        await go.wait()
        return {"done": True}

    jobs.register("test", handler)
    await jobs.start()
    await submit(store)
    await jobs.enqueue("op")
    await started.wait()
    await jobs.cancel("op")
    await jobs.cancel("op")
    go.set()
    await finish(jobs)
    end = await store.get("operation", "op")
    assert (end.body["status"], end.body["result"]) == ("completed", {"done": True})
    assert await jobs.cancel("op") == end


async def test_a_close_puts_running_operations_back(store: Store, jobs_name: str) -> None:
    started = asyncio.Event()

    async def endless(record: Record, progress: Progress) -> Body:
        started.set()
        await asyncio.get_running_loop().create_future()
        return {}

    async with JOBS[jobs_name](store) as jobs:
        jobs.register("test", endless)
        await jobs.start()
        await submit(store)
        await jobs.enqueue("op")
        await started.wait()
        await jobs.close()
        await jobs.close()
        waiting = await operation(store)
        assert (waiting["status"], waiting["attempts"]) == ("queued", 0)
    async with JOBS[jobs_name](store) as jobs:
        jobs.register("test", answering({"second": True}))
        await jobs.start()
        await finish(jobs)
    assert (await operation(store))["result"] == {"second": True}


async def test_a_close_lets_short_runs_finish(store: Store, jobs: Jobs) -> None:
    started, go = asyncio.Event(), asyncio.Event()

    async def handler(record: Record, progress: Progress) -> Body:
        started.set()
        await go.wait()
        return {"finished": True}

    jobs.register("test", handler)
    await jobs.start()
    await submit(store)
    await jobs.enqueue("op")
    await started.wait()
    closing = asyncio.create_task(jobs.close())
    await submit(store, "later")
    await jobs.enqueue("later")
    go.set()
    await closing
    assert (await operation(store))["result"] == {"finished": True}
    assert (await operation(store, "later"))["status"] == "queued"


async def test_a_slow_type_leaves_room_for_the_others(store: Store, jobs: Jobs) -> None:
    """Two may run at once, of the slow type one: however many of those were there first."""
    running = most = 0
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(record: Record, progress: Progress) -> Body:
        nonlocal running, most
        running += 1
        most = max(most, running)
        begun.set()
        try:
            await go.wait()
        finally:
            running -= 1
        return {}

    jobs.register("slow", slow)
    jobs.register("test", answering({}))
    for number in range(8):
        await submit(store, f"slow{number}", type="slow")
        await jobs.enqueue(f"slow{number}")
    await jobs.start()
    await begun.wait()
    for number in range(8):
        await submit(store, f"op{number}")
        await jobs.enqueue(f"op{number}")
    for number in range(8):
        await until_status(store, "completed", f"op{number}")
    go.set()
    await finish(jobs)
    assert most == LIMITS.kinds["slow"]
    assert [(await operation(store, f"slow{number}"))["status"] for number in range(8)] == ["completed"] * 8


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
    running: set[str] = set()
    runs: list[str] = []

    async def handler(record: Record, progress: Progress) -> Body:
        assert record.key not in running
        running.add(record.key)
        runs.append(record.key)
        await asyncio.sleep(1.0 if record.key == "op0" else 0.001)
        running.remove(record.key)
        if record.key == "op1" and runs.count("op1") == 1:
            raise RuntimeError("once")
        return {}

    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(JOBS[jobs_name](store)) for _ in range(3)]
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


async def test_draining_what_never_started_returns(store: Store, jobs: Jobs) -> None:
    await submit(store)
    await finish(jobs)
    assert (await operation(store))["status"] == "queued"
