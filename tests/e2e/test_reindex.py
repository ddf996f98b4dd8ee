"""A reindex beside a follower and a writer: swap, rollback, purge, and what refuses them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from indexer import crash_points, documents
from indexer.bulk.loop import Halted
from indexer.crash_points import CrashPoint
from indexer.follow.follower import Follower
from indexer.indexes import physical
from indexer.indexes.plan import PhysicalIndex, Plans, Rebuild, Stage
from indexer.indexes.targets import resolved
from indexer.operator import OperatorTools
from indexer.options import FollowOptions
from indexer.reindex.rebuild import Reindex, ReindexResult
from indexer.status.model import State
from mappings.index import index_body
from service.errors import Unavailable
from service.ports.clock import SystemClock
from service.ports.search import BulkItem, BulkOutcome, Json
from service.ports.store import Body, Change
from tests.support.indexing import ALIAS, Rig, asset
from tests.support.waiting import eventually, until

OPTIONS = replace(FollowOptions.embedded(ALIAS), plan_seconds=0.05, page=50, look_seconds=0.05, shards_seconds=0.1)


def reindex(rig: Rig, follower: Follower | None = None) -> Reindex:
    return Reindex(rig.store, rig.engine, SystemClock(), OPTIONS, follower=follower)


class Writing:
    """Writes, changes and removes assets."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._task = asyncio.create_task(self._write())

    async def _write(self) -> None:
        store = self._rig.store
        # So many that there are some at every stage, not so many that the embedded engine cannot keep up.
        for number in range(100_000, 100_400):
            key, body = asset(number, title="first")
            await store.insert("asset", key, body)
            await store.update("asset", key, Change(set={"title": f"n{number}"}))
            if number % 3 == 0:
                await store.remove("asset", key)
            await store.update("asset", f"asset_{1 + number % 100}", Change(set={"title": f"w{number}"}))

    async def end(self) -> None:
        await self._task


async def clean(rig: Rig, index: str) -> None:
    """Assert that an index is equal to the store."""
    tools = OperatorTools(rig.store, rig.engine, SystemClock(), OPTIONS)
    plan = await tools.plans.load()
    targets, _ = await resolved(rig.engine, plan)
    (target,) = [one for one in targets if one.index == index]
    report = await tools.verify(target).run()
    assert report.clean, report.as_json()


async def test_a_reindex_under_writes_loses_nothing_and_can_be_rolled_back(rig: Rig) -> None:
    await rig.fill(500)
    follower = await rig.follow(OPTIONS)
    old = await rig.physical()
    writing = Writing(rig)
    outcome = await reindex(rig).run()
    assert outcome == ReindexResult(True, outcome.index)
    assert await rig.physical() == outcome.index != old
    await until(lambda: follower.status().index == outcome.index, "the follower knows")
    assert set(follower.status().targets) == {old, outcome.index}
    assert await rig.seen(follower, 10)
    back = await reindex(rig).rollback()
    assert (back.swapped, back.index) == (True, old)
    assert await rig.physical() == old
    assert await rig.seen(follower, 10)
    await writing.end()
    assert await rig.seen(follower, 30)
    await clean(rig, old)
    await clean(rig, str(outcome.index))
    assert (await reindex(rig).rollback()).reason
    assert await rig.physical() == old


async def test_a_purge_deletes_what_nothing_is_written_to_any_more(rig: Rig) -> None:
    await rig.fill(30)
    await rig.store.remove("asset", "asset_1")
    follower = await rig.follow(OPTIONS)
    old = await rig.physical()
    outcome = await reindex(rig).run()
    await rig.store.remove("asset", "asset_2")
    assert await rig.seen(follower)
    purged = await reindex(rig).purge()
    assert (purged.indexes, purged.tombstones) == ((old,), 0)
    assert not await rig.engine.index_exists(old)
    assert await rig.physical() == outcome.index
    purged = await reindex(rig).purge(tombstones=timedelta(0))
    assert (purged.indexes, purged.tombstones) == ((), 2)
    await clean(rig, str(outcome.index))
    assert not (await reindex(rig).rollback()).swapped
    await rig.store.update("asset", "asset_3", Change(set={"title": "still followed"}))
    assert await rig.seen(follower)
    assert await rig.count({"match": {"fold.text.title": "followed"}}) == 1


async def test_without_a_leader_the_reindex_brings_its_own(rig: Rig) -> None:
    await rig.fill(20)
    outcome = await reindex(rig, Follower(rig.store, rig.engine, SystemClock(), OPTIONS)).run()
    assert outcome.swapped
    assert await rig.count() == 20
    follower = await rig.follow(OPTIONS)
    assert follower.status().index == outcome.index


class Cut(BaseException):
    """Ends a process that is none."""


async def cut_off(work: Reindex, step: CrashPoint) -> None:
    """Reindex until a step."""

    def cut(now: CrashPoint) -> None:
        if now is step:
            raise Cut

    with crash_points.observed(cut):
        ended = asyncio.gather(work.run(), return_exceptions=True)
        with contextlib.suppress(Cut):
            await ended


@pytest.mark.processes  # which starts none, but takes as long
@pytest.mark.parametrize("step", [step for step in CrashPoint if step.name.startswith(("REINDEX", "SWAP"))])
async def test_a_reindex_that_is_cut_off_anywhere_goes_on(rig: Rig, step: CrashPoint) -> None:
    await rig.fill(200)
    follower = await rig.follow(OPTIONS)
    old = await rig.physical()
    await cut_off(reindex(rig), step)
    await rig.store.insert("asset", *asset(999, title="between"))
    outcome = await reindex(rig).run()
    assert outcome.swapped
    assert await rig.physical() == outcome.index
    assert await rig.seen(follower, 10)
    assert await rig.count() == 201
    await clean(rig, str(outcome.index))
    await reindex(rig).purge()
    assert not await rig.engine.index_exists(old)


async def test_a_store_that_can_not_count_its_assets_in_time_is_indexed(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MongoDB ends a count of some millions by its time limit (code 50); then it tells an estimate."""

    async def count(kind: str, where: Body) -> int:
        raise Unavailable("store", "MaxTimeMSExpired")

    async def size(kind: str) -> int:
        return 23

    monkeypatch.setattr(rig.store, "count", count)
    monkeypatch.setattr(rig.store, "size", size)
    await rig.fill(20)
    follower = await rig.follow(OPTIONS)
    assert (follower.status().indexed, follower.status().total) == (20, 23)
    outcome = await reindex(rig).run()
    assert outcome.swapped
    assert await rig.physical() == outcome.index


async def test_a_difference_is_refused_until_it_is_repaired(rig: Rig) -> None:
    await rig.fill(10)
    await rig.follow(OPTIONS)
    old = await rig.physical()
    work = reindex(rig)

    async def spoiled() -> None:
        plan = await work.status()
        assert plan.building is not None
        stray = {"asset_id": "asset_99", "org_id": "acme", "rev": 1, "deleted": False}
        await rig.engine.bulk(plan.building.index, [BulkItem("asset_99", 1, stray)], refresh=True)

    tasks: list[asyncio.Task[None]] = []

    def spoil(now: CrashPoint) -> None:
        if now is CrashPoint.REINDEX_FILLED:
            tasks.append(asyncio.create_task(spoiled()))

    with crash_points.observed(spoil):
        outcome = await work.run()
    await asyncio.gather(*tasks)
    assert not outcome.swapped
    assert outcome.report is not None
    assert outcome.report.differences == 1
    assert await rig.physical() == old
    assert not (await work.run()).swapped
    await work.purge(unfinished=True)
    assert (await work.run()).swapped


async def test_a_refused_document_is_refused_until_it_is_accepted_or_fixed(rig: Rig) -> None:
    await rig.fill(10)
    await rig.store.insert("asset", *asset(99, created_at="once upon a time"))
    await rig.follow(OPTIONS)
    outcome = await reindex(rig).run()
    assert (outcome.swapped, outcome.dead_letters) == (False, 1)
    assert (await reindex(rig).run(accept_dead_letters=True)).swapped
    await rig.store.update("asset", "asset_99", Change(set={"created_at": "2024-01-01T00:00:00.000Z"}))
    assert (await reindex(rig).run()).swapped


async def test_a_new_index_that_refuses_everything_stops_nobody(tampered: Rig) -> None:
    await tampered.fill(400)
    follower = await tampered.follow(OPTIONS)
    old = await tampered.physical()
    bulk = tampered.engine.bulk

    async def picky(index: str, items: Sequence[BulkItem], *, refresh: bool = False) -> list[BulkOutcome]:
        if index == old:
            return await bulk(index, items, refresh=refresh)
        return [BulkOutcome(item.id, item.version, 400, "mapper_parsing_exception", "no") for item in items]

    tampered.engine.bulk = picky  # type: ignore[method-assign]
    with contextlib.suppress(Halted):
        assert not (await reindex(tampered).run()).swapped
    for number in range(1, 401):
        await tampered.store.update("asset", f"asset_{number}", Change(set={"title": "on"}))
    assert await tampered.seen(follower, 10)
    assert await tampered.count({"match": {"fold.text.title": "on"}}) == 400
    plan = await reindex(tampered).status()
    assert plan.rebuild is not None


async def test_an_index_that_takes_no_writes_can_be_purged(tampered: Rig) -> None:
    await tampered.fill(10)
    follower = await tampered.follow(OPTIONS)
    old = await tampered.physical()
    assert (await reindex(tampered).run()).swapped
    bulk = tampered.engine.bulk

    async def blocked(index: str, items: Sequence[BulkItem], *, refresh: bool = False) -> list[BulkOutcome]:
        if index != old:
            return await bulk(index, items, refresh=refresh)
        return [BulkOutcome(item.id, item.version, 403, "cluster_block_exception", "read-only") for item in items]

    tampered.engine.bulk = blocked  # type: ignore[method-assign]
    await tampered.store.update("asset", "asset_1", Change(set={"title": "on"}))
    await until(lambda: follower.status().state is State.WAITING, "it waits for the index before")
    assert (await reindex(tampered).purge()).indexes == (old,)
    assert await tampered.seen(follower, 20)
    assert await tampered.count({"match": {"fold.text.title": "on"}}) == 1


async def test_a_full_disk_keeps_no_purge_from_taking_a_permit_back(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine changes no alias of a blocked index, and the purge is what makes room."""
    await rig.fill(10)
    follower = await rig.follow(OPTIONS)
    await cut_off(reindex(rig), CrashPoint.SWAP_BEGINS)
    plan = await reindex(rig).status()
    assert plan.permit is not None
    update, put, blocked = rig.engine.update_aliases, rig.engine.put_settings, {plan.permit.index}

    async def updated(actions: Sequence[Json]) -> None:
        if blocked & {part["index"] for action in actions for part in action.values()}:
            raise Unavailable("search", "answered 429 cluster_block_exception")
        await update(actions)

    async def configured(name: str, settings: Json) -> None:
        if settings == {"index": {"blocks": {"read_only_allow_delete": None}}}:
            blocked.discard(name)
        await put(name, settings)

    monkeypatch.setattr(rig.engine, "update_aliases", updated)
    monkeypatch.setattr(rig.engine, "put_settings", configured)
    assert (await reindex(rig).purge(unfinished=True)).indexes == (plan.permit.index,)
    assert (await reindex(rig).status()).permit is None
    assert await rig.seen(follower, 20)


async def test_a_purge_does_not_depend_on_a_reindex_that_fails_meanwhile(rig: Rig) -> None:
    await rig.fill(10)
    follower = await rig.follow(OPTIONS)
    assert (await reindex(rig).run()).swapped
    await follower.stop()
    plans = OperatorTools(rig.store, rig.engine, SystemClock(), OPTIONS).plans
    plan = await plans.load()
    assert plan.previous is not None
    old, target = plan.previous.index, PhysicalIndex(f"{ALIAS}-lost", "", None)
    under_way = Rebuild(target, stage=Stage.JOINED)
    await plans.change(lambda plan: replace(plan, building=target, rebuild=under_way))
    purging = asyncio.create_task(reindex(rig).purge())
    await eventually(lambda: _lets_go(plans), "the purge waits for the leader")
    await plans.change(lambda plan: plan.without(target.index, "it is gone"))
    await rig.follow(OPTIONS)
    assert old in (await purging).indexes


async def _lets_go(plans: Plans) -> bool:
    return (await plans.load()).previous is None


async def test_only_one_reindex_at_a_time(rig: Rig) -> None:
    await rig.fill(10)
    await rig.follow(OPTIONS)
    first, second = reindex(rig), reindex(rig)
    outcomes = await asyncio.gather(first.run(), second.run(), return_exceptions=True)
    assert sum(isinstance(outcome, ReindexResult) and outcome.swapped for outcome in outcomes) >= 1


async def test_an_index_of_another_mapping_gets_every_write_cut_to_what_it_knows(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def smaller(**settings: object) -> Body:
        body: Body = index_body()
        properties = {name: part for name, part in body["mappings"]["properties"].items() if name != "credit"}
        body["mappings"] = {**body["mappings"], "properties": properties}
        return body

    with monkeypatch.context() as patch:
        patch.setattr(physical, "index_body", smaller)
        patch.setattr(physical, "mapping_hash", lambda: "0123456789abcdef")
        patch.setattr(documents, "fold_object", lambda body: {"words": ["of an earlier projection"]})
        await rig.store.insert("asset", *asset(3, title="early"))
        first = await rig.follow(OPTIONS)
        old = await rig.physical()
        await first.stop()
    follower = await rig.follow(OPTIONS)
    assert follower.status().outdated
    await rig.store.insert("asset", *asset(1, title="cut", credit="Jane Doe"))
    assert await rig.seen(follower)
    assert await rig.titles() == ["cut", "early"]
    assert follower.status().dead_letters == 0
    outcome = await reindex(rig).run()
    assert outcome.swapped
    await until(lambda: not follower.status().outdated, "the new index is of today")
    await rig.store.insert("asset", *asset(2, title="both", credit="Ann Lee"))
    assert await rig.seen(follower)
    assert await rig.titles() == ["cut", "both", "early"]
    hits = (await rig.engine.search(ALIAS, {"query": {"match_all": {}}}))["hits"]["hits"]
    assert {hit["_source"].get("credit") for hit in hits} - {None} == {"Jane Doe", "Ann Lee"}
    back = await reindex(rig).rollback()
    assert (back.swapped, back.index) == (True, old)
    assert (await reindex(rig).status()).rebuild is not None
    assert (await reindex(rig).status()).rebuild.stage is Stage.ROLLED_BACK  # type: ignore[union-attr]
