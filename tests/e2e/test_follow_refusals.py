"""The follower when documents, or all of them, are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from indexer.bulk.loop import Halted
from indexer.operator import OperatorTools, resume, retry
from indexer.status.model import State
from service.ports.clock import SystemClock
from service.ports.search import BulkItem
from service.ports.store import Change
from tests.support.indexing import ALIAS, OPTIONS, Rig, asset
from tests.support.waiting import until


async def test_poison_is_a_dead_letter_until_a_good_version_comes(rig: Rig) -> None:
    follower = await rig.follow()
    await rig.fill(20)
    await rig.store.insert("asset", *asset(99, created_at="once upon a time"))
    assert await rig.seen(follower)
    assert await rig.count() == 20
    (letter,) = await rig.letters()
    assert (letter["asset_id"], letter["version"]) == ("asset_99", 1)
    assert "once upon a time" in letter["reason"]
    assert follower.status().dead_letters == 1

    await rig.store.update("asset", "asset_99", Change(set={"created_at": "still bad"}))
    assert await rig.seen(follower)
    assert [letter["version"] for letter in await rig.letters()] == [2]

    await rig.store.update("asset", "asset_99", Change(set={"created_at": "2024-01-01T00:00:00.000Z"}))
    assert await rig.seen(follower)
    assert await rig.letters() == []
    assert follower.status().dead_letters == 0
    assert await rig.count() == 21

    await rig.store.update("asset", "asset_99", Change(set={"created_at": "bad again"}))
    assert await rig.seen(follower)
    assert [letter["version"] for letter in await rig.letters()] == [4]


async def test_a_record_that_can_not_be_projected_is_a_dead_letter_too(rig: Rig) -> None:
    await rig.store.insert("asset", "asset_1", {"number": 1, "title": "of no organization"})
    await rig.store.insert("asset", *asset(2))
    follower = await rig.follow()
    assert await rig.count() == 1
    assert [letter["error_type"] for letter in await rig.letters()] == ["projection_error"]
    await rig.store.update("asset", "asset_1", Change(set={"org_id": "acme"}))
    assert await rig.seen(follower)
    assert await rig.letters() == []


async def test_dead_letters_are_known_to_the_next_follower(rig: Rig) -> None:
    await rig.store.insert("asset", *asset(1, created_at="never"))
    await (await rig.follow()).stop()
    follower = await rig.follow()
    assert follower.status().dead_letters == 1
    await rig.store.remove("asset", "asset_1")
    assert await rig.seen(follower)
    assert follower.status().dead_letters == 0


async def test_what_the_engine_can_not_take_now_is_sent_again(tampered: Rig) -> None:
    refusals = iter([429, 503, 403])

    def now_and_then(items: Sequence[BulkItem]) -> dict[str, int]:
        status = next(refusals, None)
        return {} if status is None else {items[0].id: status}

    tampered.engine.change = now_and_then  # type: ignore[attr-defined]
    await tampered.fill(30)
    follower = await tampered.follow()
    assert await tampered.count() == 30
    assert follower.status().items == {"done": 30, "retry": 3}
    assert follower.status().dead_letters == 0


async def test_it_says_what_it_waits_for(tampered: Rig) -> None:
    follower = await tampered.follow()
    tampered.engine.change = lambda items: {item.id: 429 for item in items}  # type: ignore[attr-defined]
    await tampered.store.insert("asset", *asset(1))
    await until(lambda: follower.status().state is State.WAITING, "it waits")
    status = follower.status()
    assert status.last_error is not None
    assert "429" in status.last_error
    await until(lambda: follower.status().lag_seconds > 0.1, "the lag grows")
    tampered.engine.change = lambda items: {}  # type: ignore[attr-defined]
    assert await tampered.seen(follower, 20)
    assert follower.status().state is State.FOLLOWING
    assert follower.status().last_error is None
    assert follower.status().lag_seconds == 0


async def test_a_bad_mapping_halts_until_somebody_looks(tampered: Rig) -> None:
    tampered.engine.change = lambda items: {item.id: 400 for item in items}  # type: ignore[attr-defined]
    await tampered.fill(300)
    follower = tampered.begin()
    await until(lambda: follower.status().state is State.HALTED, "it halts")
    assert not follower.status().caught_up
    assert follower.status().dead_letters == 201
    tampered.engine.change = lambda items: {}  # type: ignore[attr-defined]
    follower.reset()
    await until(lambda: follower.status().caught_up, "it goes on")
    assert follower.status().dead_letters == 0
    assert await tampered.count() == 300


async def test_an_operator_lifts_a_halt_and_has_letters_written_again(tampered: Rig) -> None:
    tampered.engine.change = lambda items: {item.id: 400 for item in items}  # type: ignore[attr-defined]
    follower = await tampered.follow(replace(OPTIONS, plan_seconds=0.05))
    await tampered.fill(300)
    await until(lambda: follower.status().state is State.HALTED, "it halts")
    tools = OperatorTools(tampered.store, tampered.engine, SystemClock(), OPTIONS)
    refused = follower.status().dead_letters
    with pytest.raises(Halted):
        await retry(tools)
    tampered.engine.change = lambda items: {}  # type: ignore[attr-defined]
    chosen = await retry(tools, assets=["asset_1", "asset_299"])
    assert chosen.left == 0
    retried = await retry(tools)
    assert (retried.tried + chosen.tried, retried.left) == (refused, 0)
    assert await tampered.letters() == []
    await resume(tampered.store, ALIAS)
    assert await tampered.seen(follower, 20)
    assert await tampered.count() == 300
