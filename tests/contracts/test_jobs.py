from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from service.errors import InvalidInput, NotFound, Unavailable
from service.ports.clock import SystemClock
from service.ports.jobs import Cancelled, Jobs, Progress
from service.ports.store import Body, Change, Record, Store
from service.times import timestamp
from tests.contracts.adapters import JOBS
from tests.contracts.limits import ATTEMPTS, LIMITS
from tests.contracts.operations import FAR, answering, finish, operation, submit, until, until_status


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


async def test_an_outage_is_waited_for_and_never_counted(store: Store, jobs: Jobs) -> None:
    attempts: list[int] = []
    engine = "down"

    async def handler(record: Record, progress: Progress) -> Body:
        attempts.append(record.body["attempts"])
        if engine == "down":
            raise Unavailable("search", "secret")
        if engine == "faulty":
            raise RuntimeError("secret")
        return {"runs": len(attempts)}

    async def waits() -> bool:
        return len(attempts) > 2 * ATTEMPTS

    jobs.register("test", handler)
    await jobs.start()
    await submit(store)
    await jobs.enqueue("op")
    await until(waits)
    while (body := await operation(store))["status"] != "queued":
        await asyncio.sleep(0)
    assert body["error"] == {"type": "Unavailable", "message": "The search did not answer."}
    assert body["outages"] > ATTEMPTS
    assert set(attempts) == {1}, "no run of an outage counts"
    engine = "up"
    await finish(jobs)
    end = await operation(store)
    assert (end["status"], end["error"]) == ("completed", None)


async def test_an_outage_can_be_cancelled(store: Store, jobs: Jobs) -> None:
    async def handler(record: Record, progress: Progress) -> Body:
        raise Unavailable("search", "secret")

    async def waits() -> bool:
        return bool((await operation(store)).get("outages"))

    jobs.register("test", handler)
    await jobs.start()
    await submit(store)
    await jobs.enqueue("op")
    await until(waits)
    await jobs.cancel("op")
    await finish(jobs)
    assert (await operation(store))["status"] == "cancelled"


async def test_an_operation_that_always_fails_ends(store: Store, jobs: Jobs) -> None:
    error = RuntimeError("secret")
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


async def test_a_type_without_handler_is_left_to_other_workers(store: Store, jobs: Jobs, jobs_name: str) -> None:
    """As in a rolling upgrade: this worker is old, and the other knows what to do."""
    jobs.register("test", answering({}))
    await jobs.start()
    await submit(store, type="new.type")
    await jobs.enqueue("op")
    await submit(store, "known")
    await jobs.enqueue("known")
    await until_status(store, "completed", "known")
    await finish(jobs)
    assert (await operation(store))["status"] == "queued"
    async with JOBS[jobs_name](store) as newer:
        newer.register("new.type", answering({"new": True}))
        await newer.start()
        end = await until_status(store, "completed")
    assert (end["result"], end["attempts"]) == ({"new": True}, 1)


async def test_an_organization_with_one_operation_is_next(store: Store, jobs: Jobs) -> None:
    """However many another has queued before."""
    order: list[str] = []
    first, go = asyncio.Event(), asyncio.Event()

    async def slow(record: Record, progress: Progress) -> Body:
        order.append(str(record.org_id))
        first.set()
        await go.wait()
        return {}

    jobs.register("slow", slow)  # one at once
    body = {"org_id": "a", "type": "slow", "status": "queued", "params": {}}
    numbers = range(1000)
    await store.insert_many(
        "operation", {f"a{number:04}": {**body, "run_after": f"2024-01-01T00:00:00.{number:03}Z"} for number in numbers}
    )
    await jobs.start()
    async with asyncio.timeout(20):
        await first.wait()
    for org_id in ("b", "c"):
        await submit(store, org_id, type="slow", org_id=org_id, run_after=timestamp(SystemClock().now()))
        await jobs.enqueue(org_id)
    go.set()
    for org_id in ("b", "c"):
        await until_status(store, "completed", org_id)
    assert {"b", "c"} <= set(order[1:5]), order[:10]


async def test_a_later_run_goes_on_from_the_checkpoint(store: Store, jobs: Jobs) -> None:
    seen: list[Body] = []

    async def handler(record: Record, progress: Progress) -> Body:
        seen.append(record.body)
        place = (record.body.get("checkpoint") or {"place": 0})["place"]
        if place == 5:
            return {"place": place}
        await progress.save({"place": place + 1}, total=5, succeeded=place, skipped=1, failed=0)
        raise RuntimeError("it breaks after each step, which are more than it has attempts")

    jobs.register("test", handler)
    await jobs.start()
    await submit(store)
    await jobs.enqueue("op")
    await finish(jobs)
    end = await operation(store)
    assert (end["status"], end["result"], end["checkpoint"]) == ("completed", {"place": 5}, {"place": 5})
    assert end["progress"] == {
        "completed": 5, "total": 5, "percentage": 100, "succeeded": 4, "skipped": 1, "failed": 0,
    }  # fmt: skip
    assert [run["progress"]["completed"] for run in seen[1:]] == [1, 2, 3, 4, 5]


async def test_a_save_hears_of_a_cancel(store: Store, jobs: Jobs) -> None:
    async def handler(record: Record, progress: Progress) -> Body:
        await jobs.cancel("op")
        await progress.save({"place": 1}, total=2, succeeded=1, skipped=0, failed=0)
        return {}

    jobs.register("test", handler)
    await jobs.start()
    await submit(store)
    await jobs.enqueue("op")
    await finish(jobs)
    end = await operation(store)
    assert (end["status"], end["checkpoint"], end["progress"]["succeeded"]) == ("cancelled", {"place": 1}, 1)


async def test_a_long_run_gives_way_to_another_organization(store: Store, jobs: Jobs) -> None:
    """The limits here give a run a turn of a moment; it goes on afterwards."""
    order: list[str] = []
    first = asyncio.Event()

    async def slow(record: Record, progress: Progress) -> Body:
        order.append(str(record.org_id))
        first.set()
        place = (record.body.get("checkpoint") or {"place": 0})["place"]
        while record.org_id == "a" and (await operation(store, "b"))["status"] != "completed":
            place += 1
            await progress.save({"place": place}, total=0, succeeded=place, skipped=0, failed=0)
            await asyncio.sleep(0.001)
        return {"place": place}

    jobs.register("slow", slow)
    await submit(store, "b", type="slow", org_id="b", run_after=FAR)
    await submit(store, "a", type="slow", org_id="a", run_after="2024-01-01T00:00:00.000Z")
    await jobs.start()
    async with asyncio.timeout(20):
        await first.wait()
    await store.update("operation", "b", Change(set={"run_after": timestamp(SystemClock().now())}))
    await jobs.enqueue("b")
    end = await until_status(store, "completed", "a")
    assert order == ["a", "b", "a"]
    assert end["result"]["place"] == end["progress"]["succeeded"] > 0


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
async def test_a_finished_operation_says_when_it_expires(store: Store, jobs: Jobs, end: str) -> None:
    async def handler(record: Record, progress: Progress) -> Body:
        if end == "failed":
            raise InvalidInput("No.")
        return {}

    jobs.register("test", handler)
    await submit(store, keep_seconds=3600)
    if end == "cancelled":
        await jobs.cancel("op")
    await jobs.start()
    await finish(jobs)
    body = await operation(store)
    lasts = datetime.fromisoformat(body["expires_at"]) - datetime.fromisoformat(body["completed_at"])
    assert (body["status"], lasts) == (end, timedelta(hours=1))


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


async def test_draining_what_never_started_returns(store: Store, jobs: Jobs) -> None:
    await submit(store)
    await finish(jobs)
    assert (await operation(store))["status"] == "queued"
