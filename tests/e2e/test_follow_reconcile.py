"""The follower when the alias, the index or the checkpoint is not what it left."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from indexer.follow.follower import Follower
from indexer.status.model import State
from mappings.index import index_body, mapping_hash
from service.errors import HistoryLost, Unavailable
from service.ports.clock import SystemClock
from service.ports.store import Change
from service.runtime.probes import index_probe
from tests.support.indexing import ALIAS, OPTIONS, Rig, asset
from tests.support.memory_engine import Notes
from tests.support.waiting import eventually, until


async def test_what_an_earlier_release_left_is_taken_over(rig: Rig) -> None:
    await rig.fill(20)
    await rig.store.insert("asset", *asset(99, created_at="never"))
    first = await rig.follow()
    index = await rig.physical()
    await first.stop()
    build = (await rig.engine.mapping_meta(index))["build"]
    old = {"index": index, "build": build, "token": first.status().token, "building": None}
    await rig.store.insert("checkpoint", ALIAS, old)
    letter = {"index": ALIAS, "asset_id": "asset_99", "version": 1, "error_type": "e", "reason": "r", "open": True}
    await rig.store.insert("dead_letter", f"{ALIAS}:asset_99", {**letter, "at": "2024-01-01T00:00:00.000Z"})
    notes = Notes()
    notes.records = {
        (kind, key): await rig.store.get(kind, key)
        for kind, key in (("checkpoint", ALIAS), ("dead_letter", f"{ALIAS}:asset_99"))
    }
    second = Follower(rig.store, rig.engine, SystemClock(), OPTIONS, notes=notes.as_store())
    rig.stack.push_async_callback(second.stop)
    second.start()
    await until(lambda: second.status().caught_up, "it has caught up")
    assert await rig.physical() == index
    assert second.status().items == {}
    assert second.status().dead_letters == 1
    assert second.status().reconciling is None
    taken = notes.records["checkpoint", f"follow-{ALIAS}"].body
    assert taken["indexes"].keys() == {index}
    assert not notes.records["dead_letter", f"{ALIAS}:asset_99"].body["open"]


async def test_an_alias_that_was_deleted_shows_the_index_again(rig: Rig) -> None:
    await rig.fill(5)
    follower = await rig.follow(replace(OPTIONS, check_seconds=0.0))
    index = await rig.physical()
    await rig.engine.update_aliases([{"remove": {"index": index, "alias": ALIAS}}])

    async def shown() -> bool:
        return list(await rig.engine.resolve_alias(ALIAS)) == [index]

    await eventually(shown, "the alias is back")
    assert await rig.seen(follower, 20)
    assert await rig.count() == 5


async def test_an_index_that_is_closed_for_a_while_blames_no_document(rig: Rig) -> None:
    await rig.fill(5)
    follower = await rig.follow()
    index = await rig.physical()
    client = rig.engine._running_engine()._client
    await client.indices.close(index=index)
    await rig.store.insert_many("asset", dict(asset(n) for n in range(6, 306)))
    await until(lambda: follower.status().state is State.WAITING, "it waits")
    assert "index_closed_exception" in str(follower.status().last_error)
    await client.indices.open(index=index)
    assert await rig.seen(follower, 20)
    assert (await rig.count(), await rig.physical()) == (305, index)
    assert await rig.letters() == []


async def restore(rig: Rig, name: str) -> None:
    """Make an empty index of another build, as one that comes out of a snapshot."""
    body = index_body()
    body["mappings"] = {**body["mappings"], "_meta": {"hash": mapping_hash(), "build": "restored"}}
    await rig.engine.create_index(name, body)


async def test_another_index_behind_the_alias_is_adopted_and_reconciled(rig: Rig) -> None:
    await rig.fill(30)
    follower = await rig.follow(replace(OPTIONS, check_seconds=0.0))
    index = await rig.physical()
    await restore(rig, f"{ALIAS}-restored")
    await rig.engine.update_aliases(
        [
            {"remove": {"index": index, "alias": ALIAS}},
            {"remove": {"index": f"{ALIAS}-restored", "alias": f"{ALIAS}-restored-write"}},
            {"add": {"index": f"{ALIAS}-restored", "alias": ALIAS, "filter": {"term": {"deleted": False}}}},
        ]
    )
    await until(lambda: follower.status().index == f"{ALIAS}-restored", "it is adopted")
    await until(lambda: follower.status().caught_up, "it is whole")
    assert await rig.count() == 30
    await rig.store.update("asset", "asset_3", Change(set={"title": "followed"}))
    assert await rig.seen(follower, 20)
    assert await rig.count({"match": {"fold.text.title": "followed"}}) == 1


async def test_an_alias_that_is_at_another_index_too_shows_the_live_one_alone(rig: Rig) -> None:
    """As after a restore of a snapshot under another name, which brings the aliases along."""
    await rig.fill(5)
    follower = await rig.follow(replace(OPTIONS, check_seconds=0.0))
    index = await rig.physical()
    await restore(rig, "restored")
    await rig.engine.update_aliases([{"add": {"index": "restored", "alias": ALIAS}}])

    async def alone() -> bool:
        return list(await rig.engine.resolve_alias(ALIAS)) == [index]

    await eventually(alone, "it is at the live index alone")
    assert await rig.seen(follower, 20)
    assert (await rig.count(), follower.status().items) == (5, {"done": 5})
    assert await rig.engine.index_exists("restored")


async def test_an_index_in_the_place_of_the_alias_is_said_and_nothing_is_built_for_it(rig: Rig) -> None:
    """As a write of somebody else's makes it, where the engine makes indexes by itself."""
    await rig.fill(5)
    await rig.engine.create_index(ALIAS, index_body())
    follower = rig.begin()
    await until(lambda: follower.status().state is State.WAITING, "it waits")
    assert f"an index has the name {ALIAS}" in str(follower.status().last_error)
    assert follower.status().items == {}
    await rig.engine.delete_index(ALIAS)
    await until(lambda: follower.status().caught_up, "it is built")
    assert await rig.count() == 5


async def test_an_index_of_somebody_else_behind_the_alias_is_replaced_and_left_alone(rig: Rig) -> None:
    await rig.fill(5)
    await rig.engine.create_index("foreign", index_body())
    await rig.engine.update_aliases([{"add": {"index": "foreign", "alias": ALIAS}}])
    await rig.follow()
    assert await rig.count() == 5
    assert await rig.physical() != "foreign"
    assert await rig.engine.index_exists("foreign")


async def test_an_index_that_was_replaced_by_one_of_its_name_is_reconciled(rig: Rig) -> None:
    await rig.fill(30)
    first = await rig.follow()
    index = await rig.physical()
    await first.stop()
    meta = await rig.engine.mapping_meta(index)
    await rig.engine.delete_index(index)
    body = index_body()
    body["mappings"] = {**body["mappings"], "_meta": meta}
    await rig.engine.create_index(index, body)
    await rig.engine.update_aliases([{"add": {"index": index, "alias": ALIAS, "filter": {"term": {"deleted": False}}}}])
    second = await rig.follow()
    assert await rig.physical() == index
    assert await rig.count() == 30
    assert second.status().items["done"] == 30


async def test_a_reconcile_goes_on_while_writes_are_followed(tampered: Rig) -> None:
    await tampered.fill(500)
    first = await tampered.follow()
    await first.stop()
    await asyncio.gather(
        *(tampered.store.update("asset", f"asset_{n}", Change(set={"title": "missed"})) for n in range(1, 500, 2))
    )
    await tampered.store.update("checkpoint", f"follow-{ALIAS}", Change(set={"token": "another:5"}))
    gate, tries = asyncio.Event(), 0

    async def held(index: str, ids: Sequence[str]) -> object:
        nonlocal tries
        tries += 1
        await gate.wait()
        return await documents(index, ids)

    documents = tampered.engine.documents
    tampered.engine.documents = held  # type: ignore[method-assign, assignment]
    second = tampered.begin()
    await until(lambda: tries > 0, "the reconcile is under way")
    assert second.status().state is State.RECONCILING
    assert not second.status().caught_up
    assert not await tampered.seen(second, 0.1)
    await tampered.store.insert("asset", *asset(999, title="meanwhile"))

    async def found() -> bool:
        return await tampered.count({"match": {"fold.text.title": "meanwhile"}}) == 1

    await eventually(found, "following goes on")
    gate.set()
    await until(lambda: second.status().caught_up, "the reconcile is done")
    assert second.status().state is State.FOLLOWING
    assert await tampered.count({"match": {"fold.text.title": "missed"}}) == 250
    assert (await tampered.store.get("checkpoint", f"follow-{ALIAS}")).body["fence"] == 2


async def test_a_feed_that_refuses_its_own_tokens_is_told_until_it_takes_one(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a server that is reached by two names of different clusters: each token that it gives belongs elsewhere."""
    await rig.fill(5)
    follower = await rig.follow()
    refusing = True
    changes = rig.store.changes

    def refused(*arguments: Any, **options: Any) -> Any:
        if refusing:
            raise HistoryLost("the token is of another database")
        return changes(*arguments, **options)

    monkeypatch.setattr(rig.store, "changes", refused)
    follower.reset()
    await until(lambda: "times in a row" in str(follower.status().last_error), "it says so")
    told = await index_probe(follower.status)()
    assert told["last_error"].startswith("the change feed refuses its own tokens")
    assert "the token is of another database" in told["last_error"]
    refusing = False
    key, body = asset(6)
    await rig.store.insert("asset", key, body)
    await until(lambda: follower.status().caught_up and not follower.status().last_error, "it follows again")
    assert await rig.seen(follower, 20)
    assert await rig.count() == 6


async def test_a_start_that_goes_round_in_circles_says_so_in_ten_seconds(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a server whose comparisons never match: the lease cannot be taken, and the adapter says why."""
    await rig.store.insert(
        "checkpoint", f"follow-{ALIAS}", {"holder": "one/1.1", "fence": 1, "beat": 1, "released": True}
    )

    async def update(*arguments: Any, **options: Any) -> Any:
        raise Unavailable("store", "the server's comparison does not match the record that it returned")

    monkeypatch.setattr(rig.store, "update", update)
    follower = rig.begin()
    await until(lambda: "does not match" in str(follower.status().last_error), "it says so", patience=10)
    told = await index_probe(follower.status)()
    assert (told["ready"], "does not match the record" in told["last_error"]) == (False, True)
