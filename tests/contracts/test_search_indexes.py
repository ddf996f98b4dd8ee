"""The search port's promises of indexes, their settings and aliases, on every engine."""

from __future__ import annotations

from typing import cast

import pytest

from indexer.indexes.physical import Indexes
from indexer.indexes.plan import SwapPermit
from mappings.index import index_body
from service.ports.clock import SystemClock
from service.ports.search import Json, Rejected, SearchEngine
from service.ports.store import Store
from tests.contracts.searching import ALIAS, ALL, GONE, INDEX, OTHER, PERMIT, engine, item
from tests.support.waiting import eventually

__all__ = ["engine"]


async def test_an_index_is_made_once_and_deleted_twice(engine: SearchEngine) -> None:
    assert await engine.index_exists(INDEX)
    with pytest.raises(Rejected) as caught:
        await engine.create_index(INDEX, index_body())
    assert (caught.value.status, caught.value.error_type) == (400, "resource_already_exists_exception")
    await engine.delete_index(INDEX)
    await engine.delete_index(INDEX)
    assert not await engine.index_exists(INDEX)


async def test_the_meta_of_a_mapping_is_kept(engine: SearchEngine) -> None:
    body = index_body()
    body["mappings"] = {**body["mappings"], "_meta": {"hash": "abc", "build": "b-1"}}
    await engine.create_index(OTHER, body)
    assert await engine.mapping_meta(OTHER) == {"hash": "abc", "build": "b-1"}
    assert await engine.mapping_meta(INDEX) == {}
    assert await engine.mapping_meta(GONE) == {}


async def test_an_alias_filters_and_moves_in_one_step(engine: SearchEngine) -> None:
    assert await engine.resolve_alias(ALIAS) == {}
    await engine.create_index(OTHER, index_body())
    await engine.bulk(INDEX, [item(1), item(2, deleted=True)], refresh=True)
    await engine.bulk(OTHER, [item(3), item(4), item(5, deleted=True)], refresh=True)
    add = {"alias": ALIAS, "filter": {"term": {"deleted": False}}}
    await engine.update_aliases([{"add": {"index": INDEX, **add}}])
    assert await engine.count(ALIAS, ALL) == 1
    assert not await engine.index_exists(ALIAS)
    await engine.update_aliases([{"remove": {"index": INDEX, "alias": ALIAS}}, {"add": {"index": OTHER, **add}}])
    assert await engine.count(ALIAS, ALL) == 2
    assert list(await engine.resolve_alias(ALIAS)) == [OTHER]


_MOVE: list[Json] = [
    {"remove": {"index": INDEX, "alias": ALIAS, "must_exist": True}},
    {"add": {"index": OTHER, "alias": ALIAS}},
]
_PERMIT = {"index": OTHER, "alias": PERMIT}
REFUSED: dict[str, list[Json]] = {
    "a move without its permit": [{"remove": {**_PERMIT, "must_exist": True}}, *_MOVE],
    "a move from elsewhere": [{"remove": {"index": OTHER, "alias": ALIAS, "must_exist": True}}, *_MOVE],
    "a move to an index that is gone": [{"add": {"index": GONE, "alias": ALIAS}}, *_MOVE],
    "a permit that is taken back twice": [{"remove": _PERMIT}],
}


@pytest.mark.parametrize("name", REFUSED)
async def test_alias_actions_are_refused_as_one(engine: SearchEngine, name: str) -> None:
    await engine.create_index(OTHER, index_body())
    await engine.update_aliases([{"add": {"index": INDEX, "alias": ALIAS}}])
    with pytest.raises(Rejected) as caught:
        await engine.update_aliases(REFUSED[name])
    assert caught.value.status == 404
    assert list(await engine.resolve_alias(ALIAS)) == [INDEX]
    await engine.update_aliases([{"add": _PERMIT}])
    await engine.update_aliases([{"remove": {**_PERMIT, "must_exist": True}}, *_MOVE])
    assert list(await engine.resolve_alias(ALIAS)) == [OTHER]
    assert await engine.resolve_alias(PERMIT) == {}


async def test_a_permit_of_an_index_that_a_full_disk_blocks_is_taken_back(engine: SearchEngine) -> None:
    await engine.update_aliases([{"add": {"index": INDEX, "alias": PERMIT}}])
    await engine.put_settings(INDEX, {"index": {"blocks": {"read_only_allow_delete": True}}})
    indexes = Indexes(engine, cast("Store", None), SystemClock(), alias=ALIAS)
    for _ in range(2):
        await indexes.revoke(SwapPermit(INDEX, PERMIT))
        assert await engine.resolve_alias(PERMIT) == {}


async def test_settings_change(engine: SearchEngine) -> None:
    await engine.put_settings(INDEX, {"index": {"refresh_interval": "-1"}})
    await engine.bulk(INDEX, [item(1)])
    await engine.refresh(INDEX)
    assert await engine.count(INDEX, ALL) == 1


async def test_a_mapping_is_read_back(engine: SearchEngine) -> None:
    mapping = await engine.mapping(INDEX)
    assert mapping["dynamic"] == "strict"
    assert set(mapping["properties"]) == set(index_body()["mappings"]["properties"])
    assert await engine.mapping(GONE) == {}


async def test_an_index_of_the_same_name_is_another_one(engine: SearchEngine) -> None:
    first = await engine.identity(INDEX)
    assert first
    await engine.put_settings(INDEX, {"index": {"refresh_interval": "5s"}})
    assert await engine.identity(INDEX) == first
    await engine.delete_index(INDEX)
    assert await engine.identity(INDEX) is None
    await engine.create_index(INDEX, index_body())
    assert await engine.identity(INDEX) not in (None, first)


async def test_an_index_says_whether_all_its_copies_are_there(engine: SearchEngine) -> None:
    async def green() -> bool:
        return await engine.index_health(INDEX) == "green"

    await eventually(green, "the primary is there")
    await engine.put_settings(INDEX, {"index": {"number_of_replicas": 5}})
    assert await engine.index_health(INDEX) == "yellow"
    assert await engine.index_health(GONE) == "red"


async def test_an_index_can_be_adopted_twice(engine: SearchEngine) -> None:
    await engine.adopt_index(INDEX)
    await engine.adopt_index(INDEX)
    (outcome,) = await engine.bulk(INDEX, [item(1)])
    assert outcome.status == 201
