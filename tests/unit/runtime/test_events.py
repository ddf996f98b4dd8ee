"""The relay's leadership by a lease, the metrics of events, and work that is done again and again."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from indexer.leadership.lease import Candidate
from service.adapters.sqlite.store import SqliteStore
from service.api.kernel.event_stream import StreamSlots
from service.api.ops.metrics import EVENTS, PREFIX
from service.core.events.relay import LeadershipLost, RelayStatus
from service.core.events.usage import UsageStatus
from service.errors import Unavailable
from service.ports.clock import SystemClock
from service.ports.store import Change, Store
from service.runtime.events import LEASE, LeaseLeadership, event_metrics, every
from tests.support.waiting import eventually, until


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with SqliteStore(tmp_path / "store.sqlite", SystemClock()) as store:
        yield store


def leadership(store: Store, name: str) -> LeaseLeadership:
    return LeaseLeadership(store, SystemClock(), Candidate(name), ttl=3.0)


async def test_one_leads_and_the_next_goes_on_from_its_checkpoint(store: Store) -> None:
    first, second = leadership(store, "first"), leadership(store, "second")
    assert await first.take() is not None
    assert await second.take() is None
    await first.save({"token": "t1", "number": 1})
    first.note({"token": "t2", "number": 1})
    assert (await first.take() or {})["token"] == "t1", "asked again, it still leads"
    await first.leave()
    await first.leave()
    taken = await second.take()
    assert taken is not None
    assert (taken["token"], taken["number"]) == ("t2", 1), "what was noted is saved in the end"
    assert second.held
    assert not first.held
    await second.leave()


async def test_one_that_was_overtaken_saves_nothing_and_can_lead_again(store: Store) -> None:
    first, second = leadership(store, "first"), leadership(store, "second")
    await first.take()
    await first.save({"token": "t1"})
    await store.update("checkpoint", LEASE, Change(set={"released": True}))  # as if it had been silent for too long
    assert (await second.take() or {})["token"] == "t1"
    with pytest.raises(LeadershipLost):
        await first.save({"token": "t2"})
    assert not first.held
    assert await first.take() is None
    await second.leave()
    assert (await first.take() or {})["token"] == "t1"
    first.note({"token": "t3"})

    async def saved() -> bool:
        return bool((await store.get("checkpoint", LEASE)).body["token"] == "t3")

    await eventually(saved, "it saves what is noted")
    await first.leave()


def test_the_table_has_all_that_is_shown() -> None:
    relay = RelayStatus(leads=True, told=Counter({"asset.created": 2}), lag_seconds=0.5)
    usage = UsageStatus(Counter(view=3), dropped=1, waiting=4)
    metrics = event_metrics(relay, usage, StreamSlots(per_key=1, per_process=1))
    shown = {sample.name: sample.value for metric in metrics for sample in metric.samples}
    assert shown.keys() == {PREFIX + metric.name for metric in EVENTS}
    assert shown[f"{PREFIX}relay_events_total"] == 2
    assert shown[f"{PREFIX}usage_events_dropped_total"] == 1
    assert event_metrics(None, None, None) == []


async def test_work_is_done_again_whatever_happens() -> None:
    faults: list[Exception] = [Unavailable("store", "away"), RuntimeError("a bug")]
    done = 0

    async def work() -> None:
        nonlocal done
        if faults:
            raise faults.pop()
        done += 1

    async with AsyncExitStack() as stack:
        every(0.001, "work", work, stack)
        await until(lambda: done >= 2, "it was done twice")
