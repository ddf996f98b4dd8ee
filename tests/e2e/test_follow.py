"""The follower on a real store and a real engine."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from indexer.follow import session
from indexer.indexes import physical, targets
from indexer.status.model import Role, State
from service.errors import HistoryLost, Unavailable
from service.ports.search import BulkItem, BulkOutcome
from service.ports.store import Body, Change
from tests.support.indexing import ALIAS, OPTIONS, PROMISED, Rig, asset
from tests.support.waiting import eventually, until


async def test_an_empty_library_is_searchable_when_the_follower_has_caught_up(rig: Rig) -> None:
    follower = await rig.follow()
    assert await rig.count() == 0
    assert follower.status().state is State.FOLLOWING


async def test_a_start_indexes_what_is_there(rig: Rig) -> None:
    await rig.fill(1200)
    follower = await rig.follow()
    assert await rig.count() == 1200
    status = follower.status()
    assert (status.indexed, status.total, status.dead_letters, status.last_error) == (1200, 1200, 0, None)
    assert status.items == {"done": 1200}


async def test_searches_see_no_index_that_is_half_full(tampered: Rig) -> None:
    gate, arrived = asyncio.Event(), asyncio.Event()
    bulk = tampered.engine.bulk

    async def held(index: str, items: Sequence[BulkItem], *, refresh: bool = False) -> list[BulkOutcome]:
        arrived.set()
        await gate.wait()
        return await bulk(index, items, refresh=refresh)

    tampered.engine.bulk = held  # type: ignore[method-assign]
    await tampered.fill(10)
    follower = tampered.begin()
    await asyncio.wait_for(arrived.wait(), 20)
    assert follower.status().state is State.REINDEXING
    assert not follower.status().caught_up
    assert await tampered.engine.resolve_alias(ALIAS) == {}
    gate.set()
    await until(lambda: follower.status().caught_up, "the build is complete")
    assert await tampered.count() == 10


async def test_inserts_updates_and_removals_are_searchable_in_time(rig: Rig) -> None:
    follower = await rig.follow()
    key, body = asset(1, title="first")
    await rig.store.insert("asset", key, body)
    assert await rig.seen(follower)
    assert await rig.titles() == ["first"]
    await rig.store.update("asset", key, Change(set={"title": "second"}))
    assert await rig.seen(follower)
    assert await rig.titles() == ["second"]
    await rig.store.remove("asset", key)
    assert await rig.seen(follower)
    assert await rig.count() == 0
    assert await rig.engine.versions(await rig.physical(), [key]) == {key: 3}


async def test_a_write_is_searchable_in_time_without_anybody_waiting(rig: Rig) -> None:
    await rig.follow(replace(OPTIONS, refresh_seconds=0.5))
    await rig.store.insert("asset", *asset(1, title="first"))

    async def found() -> bool:
        return await rig.count() == 1

    await eventually(found, "the write is searchable", PROMISED)


async def test_many_writers_at_once_lose_nothing(rig: Rig) -> None:
    follower = await rig.follow()
    await asyncio.gather(*(rig.store.insert("asset", *asset(number, title="a")) for number in range(1, 301)))
    changes = [rig.store.update("asset", f"asset_{1 + n % 300}", Change(set={"title": f"t{n}"})) for n in range(900)]
    await asyncio.gather(*changes)
    assert await rig.seen(follower, 20)
    records = await rig.store.scan("asset", limit=1000)
    assert await rig.engine.versions(await rig.physical(), [record.key for record in records]) == {
        record.key: record.rev for record in records
    }


async def test_a_token_that_is_not_passed_in_time_is_not_claimed(tampered: Rig) -> None:
    follower = await tampered.follow()
    tampered.engine.change = lambda items: {item.id: 429 for item in items}  # type: ignore[attr-defined]
    await tampered.store.insert("asset", *asset(1))
    assert not await tampered.seen(follower, 0.2)
    tampered.engine.change = lambda items: {}  # type: ignore[attr-defined]
    assert await tampered.seen(follower, 20)


async def test_a_foreign_token_is_refused(rig: Rig) -> None:
    follower = await rig.follow()
    with pytest.raises(HistoryLost):
        await follower.wait_for("another:1", 1)


async def test_a_dead_engine_is_filled_again_and_says_so_meanwhile(rig: Rig) -> None:
    await rig.fill(300)
    follower = await rig.follow()
    assert rig.engine.pid is not None
    os.kill(rig.engine.pid, signal.SIGKILL)
    await until(lambda: not follower.status().caught_up, "the loss is noticed")
    await rig.store.update("asset", "asset_1", Change(set={"title": "written meanwhile"}))
    await until(lambda: follower.status().caught_up, "the index is whole again")
    assert await rig.seen(follower)
    assert await rig.count() == 300
    assert await rig.count({"match": {"fold.text.title": "meanwhile"}}) == 1


async def test_a_kill_in_the_middle_of_a_build_is_only_a_delay(rig: Rig) -> None:
    await rig.fill(2000)
    follower = rig.begin(replace(OPTIONS, page=50))
    await until(lambda: follower.status().indexed >= 200, "the build is under way")
    assert rig.engine.pid is not None
    os.kill(rig.engine.pid, signal.SIGKILL)
    await until(lambda: rig.engine.restarts == 1, "the engine is back")
    await until(lambda: follower.status().caught_up, "the index is whole")
    assert await rig.count() == 2000


async def test_a_follower_goes_on_where_the_last_one_stopped(rig: Rig) -> None:
    await rig.fill(50)
    first = await rig.follow()
    index = await rig.physical()
    await first.stop()
    assert first.status().state is State.STOPPED
    await rig.store.update("asset", "asset_7", Change(set={"title": "while nobody looked"}))
    second = await rig.follow()
    assert await rig.physical() == index
    assert second.status().items == {"done": 1}
    assert await rig.count({"match": {"fold.text.title": "nobody"}}) == 1


@pytest.mark.parametrize(
    "lost", [{"token": "another-database:5"}, {"token": None}, {"indexes": {}}, {"token": None, "indexes": {}}]
)
async def test_what_the_checkpoint_does_not_vouch_for_is_reconciled(rig: Rig, lost: Body) -> None:
    await rig.fill(20)
    first = await rig.follow()
    index = await rig.physical()
    await first.stop()
    await rig.store.update("asset", "asset_1", Change(set={"title": "while nobody looked"}))
    await rig.store.remove("asset", "asset_2")
    await rig.store.insert("asset", *asset(21, title="new"))
    orphan = BulkItem("asset_99", 1, {"asset_id": "asset_99", "org_id": "acme", "rev": 1, "deleted": False})
    await rig.engine.bulk(index, [orphan], refresh=True)
    saved = {"token": await rig.store.barrier()}
    await rig.store.update("checkpoint", f"follow-{ALIAS}", Change(set={**saved, **lost}))
    second = await rig.follow()
    assert await rig.physical() == index
    assert await rig.seen(second)
    assert await rig.count() == 20
    assert await rig.count({"match": {"fold.text.title": "nobody"}}) == 1
    assert second.status().reconciling is None


async def test_another_mapping_is_said_and_still_followed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.fill(5)
    first = await rig.follow()
    index = await rig.physical()
    await first.stop()
    for module in (physical, session, targets):
        monkeypatch.setattr(module, "mapping_hash", lambda: "0123456789abcdef")
    second = await rig.follow()
    assert second.status().outdated
    assert await rig.physical() == index
    await rig.store.update("asset", "asset_1", Change(set={"title": "again"}))
    assert await rig.seen(second)
    assert await rig.count({"match": {"fold.text.title": "again"}}) == 1


async def test_an_index_deleted_by_an_operator_is_built_again(rig: Rig) -> None:
    await rig.fill(5)
    follower = await rig.follow(replace(OPTIONS, check_seconds=0.0))
    index = await rig.physical()
    await rig.engine.delete_index(index)
    await until(lambda: follower.status().index != index, "the loss is noticed by itself")
    assert await rig.seen(follower, 20)
    assert await rig.count() == 5


async def test_a_build_waits_for_a_store_and_an_engine_that_are_away(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """An election takes a store away for ten seconds, and a build of millions of assets takes hours."""
    await rig.fill(300)
    calls: Counter[str] = Counter()

    def once(name: str, call: Any, at: int) -> Any:
        async def away(*args: Any, **options: Any) -> Any:
            calls[name] += 1
            if calls[name] == at:
                raise Unavailable(name, "away")
            return await call(*args, **options)

        return away

    monkeypatch.setattr(rig.store, "scan", once("store", rig.store.scan, 3))
    monkeypatch.setattr(rig.engine, "refresh", once("engine", rig.engine.refresh, 1))
    follower = await rig.follow(replace(OPTIONS, page=50))
    assert (await rig.physical()).endswith("-1")  # it is the first one
    assert (await rig.count(), follower.status().items) == (300, {"done": 300})


async def test_a_build_that_was_interrupted_leaves_nothing_behind(rig: Rig) -> None:
    await rig.fill(2000)
    first = rig.begin(replace(OPTIONS, page=50))
    await until(lambda: first.status().indexed >= 100, "the build is under way")
    await first.stop()
    left = (await rig.store.get("checkpoint", f"plan-{ALIAS}")).body["making"]["index"]
    assert await rig.engine.index_exists(left)
    await rig.follow()
    assert not await rig.engine.index_exists(left)
    assert await rig.count() == 2000


async def test_a_stand_by_says_what_the_leader_says(rig: Rig) -> None:
    await rig.fill(5)
    await rig.follow()
    second = rig.begin(replace(OPTIONS, look_seconds=0.05))
    await until(lambda: second.status().role is Role.STANDBY, "it stands by")
    await until(lambda: second.status().caught_up, "it knows")
    await rig.store.update("asset", "asset_1", Change(set={"title": "seen by both"}))
    assert await rig.seen(second, 5)
    assert await rig.count({"match": {"fold.text.title": "both"}}) == 1
    assert second.status().state is State.STANDBY


async def test_a_stale_writer_never_overwrites(rig: Rig) -> None:
    follower = await rig.follow()
    key, body = asset(1, title="old")
    await rig.store.insert("asset", key, body)
    await rig.store.update("asset", key, Change(set={"title": "new"}))
    await rig.store.remove("asset", key)
    assert await rig.seen(follower)
    index = await rig.physical()
    late = BulkItem(key, 1, {"asset_id": key, "org_id": "acme", "rev": 1, "deleted": False, "title": "old"})
    (outcome,) = await rig.engine.bulk(index, [late], refresh=True)
    assert outcome.status == 409
    assert await rig.count() == 0


async def test_an_index_ahead_of_its_store_is_no_error(rig: Rig) -> None:
    follower = await rig.follow()
    ahead = BulkItem("asset_1", 50, {"asset_id": "asset_1", "org_id": "acme", "rev": 50, "deleted": False})
    await rig.engine.bulk(await rig.physical(), [ahead])
    await rig.store.insert("asset", *asset(1))
    assert await rig.seen(follower)
    assert follower.status().items == {"stale": 1}


async def test_two_followers_of_one_store_agree(rig: Rig) -> None:
    await rig.fill(100)
    first, second = rig.begin(), rig.begin(replace(OPTIONS, check_seconds=0.0))
    await until(lambda: first.status().caught_up and second.status().caught_up, "both have caught up")
    await rig.store.update("asset", "asset_1", Change(set={"title": "again"}))

    async def found() -> bool:
        return await rig.count({"match": {"fold.text.title": "again"}}) == 1

    await eventually(found, "the write is searchable")
    assert await rig.count() == 100
