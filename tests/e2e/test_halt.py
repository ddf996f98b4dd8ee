"""A live index that refuses too much, and the reindex that fixes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from indexer.follow.follower import Follower
from indexer.indexes.plan import Plan, Plans
from indexer.options import FollowOptions
from indexer.reindex.rebuild import Reindex
from indexer.status.model import State
from service.adapters.embedded_search.engine import EmbeddedSearch
from service.ports.clock import SystemClock
from service.ports.search import BulkItem, BulkOutcome
from service.ports.store import Change
from tests.support.indexing import ALIAS, Rig, asset, rigged
from tests.support.waiting import until

OPTIONS = replace(FollowOptions.embedded(ALIAS), plan_seconds=0.05, look_seconds=0.05, shards_seconds=0.1)


class Spoilt(EmbeddedSearch):
    """An engine that refuses every document for one index."""

    index: str | None = None

    async def bulk(self, index: str, items: Sequence[BulkItem], *, refresh: bool = False) -> list[BulkOutcome]:
        if index == self.index:
            return [BulkOutcome(item.id, item.version, 400, "mapper_parsing_exception", "spoilt") for item in items]
        return await super().bulk(index, items, refresh=refresh)


async def halted(rig: Rig, engine: Spoilt) -> Follower:
    """Let the live index refuse so much that the follower halts."""
    await rig.fill(300)
    follower = await rig.follow(OPTIONS)
    engine.index = await rig.physical()
    for number in range(1, 301):
        await rig.store.update("asset", f"asset_{number}", Change(set={"title": "changed"}))
    await until(lambda: follower.status().state is State.HALTED, "the follower halts")
    return follower


async def test_a_reindex_lifts_a_halt_and_loses_nothing(tmp_path: Path) -> None:
    engine = Spoilt()
    async with rigged(tmp_path, engine) as rig:
        follower = await halted(rig, engine)
        key, body = asset(301, title="changed")
        await rig.store.insert("asset", key, body)
        outcome = await Reindex(rig.store, rig.engine, SystemClock(), OPTIONS).run()
        assert outcome.swapped, outcome.reason
        assert await rig.seen(follower, 20)
        assert await rig.count({"match": {"fold.text.title": "changed"}}) == 301
        await until(lambda: follower.status().state is State.FOLLOWING, "the follower goes on")


async def test_a_halt_lasts_while_nobody_does_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    load = Plans.load

    async def counted(self: Plans) -> Plan:
        nonlocal looks
        looks += 1
        return await load(self)

    engine = Spoilt()
    async with rigged(tmp_path, engine) as rig:
        follower = await halted(rig, engine)
        letters = len(await rig.letters())
        await rig.store.update("asset", "asset_1", Change(set={"title": "again"}))
        monkeypatch.setattr(Plans, "load", counted)
        await until(lambda: looks > 5, "the follower looks again and again whether anybody did anything")
        assert not await rig.seen(follower, 0.0)
        assert (follower.status().state, len(await rig.letters())) == (State.HALTED, letters)
