"""The search port's promises, on every engine."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from indexer.documents import bulk_item
from mappings.index import index_body
from service.adapters.embedded_search.engine import EmbeddedSearch
from service.adapters.opensearch.engine import OpenSearchEngine
from service.errors import Unavailable
from service.ports.search import BulkItem, Indexed, Json, PitGone, Rejected, SearchEngine
from service.ports.store import Record
from tests.contracts.engines import ENGINES
from tests.contracts.searching import ALIAS, ALL, GONE, INDEX, MOMENT, OTHER, engine, item

__all__ = ["engine"]


async def titles(engine: SearchEngine) -> list[str]:
    body = {"query": ALL, "sort": [{"number": "asc"}], "size": 100}
    return [hit["_source"]["title"] for hit in (await engine.search(INDEX, body))["hits"]["hits"]]


async def test_a_document_is_found_after_a_refresh(engine: SearchEngine) -> None:
    outcomes = await engine.bulk(INDEX, [item(1, number=1, title="Bergsee")])
    assert [(outcome.id, outcome.version, outcome.status) for outcome in outcomes] == [("asset_1", 1, 201)]
    await engine.refresh(INDEX)
    assert await titles(engine) == ["Bergsee"]
    assert await engine.count(INDEX, ALL) == 1


async def test_a_bulk_that_refreshes_is_found_at_once(engine: SearchEngine) -> None:
    await engine.bulk(INDEX, [item(1, number=1, title="Bergsee")], refresh=True)
    assert await titles(engine) == ["Bergsee"]


async def test_encoded_documents_are_taken_as_they_are(engine: SearchEngine) -> None:
    await engine.bulk(INDEX, [BulkItem("asset_1", 1, '{"number":1,"title":"Übersee"}'.encode())], refresh=True)
    assert await titles(engine) == ["Übersee"]


async def test_a_bulk_of_several_megabytes_is_taken(engine: SearchEngine) -> None:
    items = [item(number, number=number, title="a", description="word " * 40_000) for number in range(20)]
    outcomes = await engine.bulk(INDEX, items, refresh=True)
    assert {outcome.status for outcome in outcomes} == {201}
    assert await titles(engine) == ["a"] * 20


@pytest.mark.parametrize(("block", "status"), [("read_only_allow_delete", 429), ("write", 403)])
async def test_a_write_block_is_told_of_each_item_and_ends(engine: SearchEngine, block: str, status: int) -> None:
    """The first is what a full disk sets."""
    await engine.put_settings(INDEX, {"index": {"blocks": {block: True}}})
    outcomes = await engine.bulk(INDEX, [item(1), item(2)])
    assert {(outcome.status, outcome.error_type) for outcome in outcomes} == {(status, "cluster_block_exception")}
    assert await engine.count(INDEX, ALL) == 0
    await engine.put_settings(INDEX, {"index": {"blocks": {block: None}}})
    assert [outcome.status for outcome in await engine.bulk(INDEX, [item(1)])] == [201]


ODD: list[Json] = [
    *({"metadata": {name: 1}} for name in ("", ".", ".a", "a..b", "a. .b", "a.", "width.unit", "model.raw", " ", "*")),
    {"metadata": {"a": {"": {".": 1}}, "a.b": 2, "exif": {"": 1, ".": 2, "a..b": 3}, "exif.Make": "x", "xmp.": 1}},
    {"metadata": {"exif.a.b": {"c": 1}, "format.x": None, "width.x": None, "model.": "x"}},
    {"custom": {"": 1, "a..b": 2}},
    *({"custom": {"on": f"2024-01-01T10:00:00{zone}"}} for zone in ("+18:00", "+19:00", "-23:59", "+01:00:00.5")),
    {"custom": {"on": "0001-01-01T10:00:00+23:00"}},
    {"created_at": "0001-01-01T00:00:00.000Z", "captured_at": "9999-12-31T23:59:59.999Z"},
    {"gps": {"lat": 90.0, "lon": -180.0}, "usage_stats": {"views": 2**53 - 1}, "metadata": {"seed": str(2**64 - 1)}},
    {"description": "x" * 100_000, "tags": ["\U0001f600" * 256], "filename": "f" * 40_000},
]
"""What the API lets an asset hold, and engines have refused."""


async def test_whatever_an_asset_may_hold_is_taken(engine: SearchEngine) -> None:
    """A refused document is an asset that nobody finds, and enough of them halt the indexer for everybody."""
    records = [Record("asset", f"asset_{n}", 1, {"org_id": "acme", **body}, MOMENT) for n, body in enumerate(ODD)]
    outcomes = await engine.bulk(INDEX, [bulk_item(record) for record in records])
    assert [(body, told.reason) for body, told in zip(ODD, outcomes, strict=True) if told.status != 201] == []


async def test_a_closed_index_blames_no_document_and_lacks_none(engine: SearchEngine) -> None:
    await engine.bulk(INDEX, [item(1)], refresh=True)
    client = raw(engine)
    await client.indices.close(index=INDEX)
    assert [outcome.status for outcome in await engine.bulk(INDEX, [item(1, 2), item(2)])] == [403, 403]
    for call in (
        engine.versions(INDEX, ["asset_1"]),
        engine.documents(INDEX, ["asset_1"]),
        engine.scan_documents(INDEX, after=None, limit=10),
        engine.count(INDEX, ALL),
        engine.refresh(INDEX),
    ):
        with pytest.raises(Unavailable, match="closed"):
            await call
    await client.indices.open(index=INDEX)
    assert [outcome.status for outcome in await engine.bulk(INDEX, [item(1, 2), item(2)])] == [200, 201]


async def test_an_index_that_is_gone_lacks_no_document(engine: SearchEngine) -> None:
    with pytest.raises(Unavailable):
        await engine.versions(GONE, ["asset_1"])
    with pytest.raises(Unavailable):
        await engine.documents(GONE, ["asset_1"])


async def test_a_restored_copy_takes_no_writes_away(engine: SearchEngine) -> None:
    """A snapshot that is restored under another name brings all aliases along."""
    await engine.create_index(OTHER, index_body())
    await engine.update_aliases([{"add": {"index": OTHER, "alias": f"{INDEX}-write"}}])
    assert [outcome.status for outcome in await engine.bulk(INDEX, [item(1)])] == [404]
    await engine.adopt_index(INDEX)
    assert [outcome.status for outcome in await engine.bulk(INDEX, [item(1)])] == [201]
    assert await engine.versions(OTHER, ["asset_1"]) == {}


def raw(engine: SearchEngine) -> Any:
    """Return the client under an engine, for what the port has no words for."""
    inner = engine._running_engine() if isinstance(engine, EmbeddedSearch) else engine
    assert isinstance(inner, OpenSearchEngine)
    return inner._client


async def test_an_empty_bulk_is_nothing(engine: SearchEngine) -> None:
    assert await engine.bulk(INDEX, []) == []


@pytest.mark.parametrize(
    ("stored", "sent", "status", "title"), [(5, 6, 200, "new"), (5, 5, 200, "new"), (5, 4, 409, "old")]
)
async def test_the_version_of_a_document_never_falls(
    engine: SearchEngine, stored: int, sent: int, status: int, title: str
) -> None:
    await engine.bulk(INDEX, [item(1, stored, number=1, title="old")], refresh=True)
    (outcome,) = await engine.bulk(INDEX, [item(1, sent, number=1, title="new")], refresh=True)
    assert outcome.status == status
    assert await titles(engine) == [title]


async def test_versions_of_40_bits_and_more_are_kept(engine: SearchEngine) -> None:
    version = 3 * 2**40 + 7
    await engine.bulk(INDEX, [item(1, version)])
    assert await engine.versions(INDEX, ["asset_1", "asset_2"]) == {"asset_1": version}


async def test_versions_need_no_refresh(engine: SearchEngine) -> None:
    assert await engine.versions(INDEX, []) == {}
    await engine.bulk(INDEX, [item(1, 4), item(2, 8)])
    assert await engine.versions(INDEX, ["asset_1", "asset_2"]) == {"asset_1": 4, "asset_2": 8}


@pytest.mark.parametrize(
    "fields",
    [
        {"created_at": "the day before yesterday"},
        {"metadata": {"width": "wide"}},
        {"unknown_field": 1},
        {"title": "\ud800"},
    ],
    ids=["date", "number", "unknown", "surrogate"],
)
async def test_one_bad_document_stops_none(engine: SearchEngine, fields: Json) -> None:
    items = [item(1, number=1, title="a"), item(2, number=2, **fields), item(3, number=3, title="c")]
    good, bad, other = await engine.bulk(INDEX, items, refresh=True)
    assert (good.status, bad.status, other.status) == (201, 400, 201)
    assert (bad.id, bad.version) == ("asset_2", 1)
    assert bad.error_type
    assert bad.reason
    assert await titles(engine) == ["a", "c"]


async def test_a_bulk_never_makes_an_index(engine: SearchEngine) -> None:
    (outcome,) = await engine.bulk(GONE, [item(1)])
    assert outcome.status == 404
    assert not await engine.index_exists(GONE)


async def test_a_bulk_to_an_index_deleted_meanwhile_makes_none(engine: SearchEngine) -> None:
    await engine.create_index(GONE, index_body())
    await engine.delete_index(GONE)
    (outcome,) = await engine.bulk(GONE, [item(1)])
    assert outcome.status == 404
    assert not await engine.index_exists(GONE)


async def test_a_search_of_nothing_is_unavailable(engine: SearchEngine) -> None:
    with pytest.raises(Unavailable):
        await engine.search(GONE, {"query": ALL})
    with pytest.raises(Unavailable):
        await engine.count(GONE, ALL)


async def test_a_wrong_body_is_rejected(engine: SearchEngine) -> None:
    with pytest.raises(Rejected) as caught:
        await engine.search(INDEX, {"query": {"no_such_query": {}}})
    assert caught.value.status == 400
    assert caught.value.reason


async def test_a_scan_walks_every_document_in_order_once(engine: SearchEngine) -> None:
    keys = sorted(f"asset_{number}" for number in range(1, 26))
    await engine.bulk(INDEX, [item(number, number, deleted=number % 5 == 0) for number in range(1, 26)], refresh=True)
    await engine.bulk(INDEX, [BulkItem("stray", 1, {"deleted": False})], refresh=True)
    for sources in (True, False):
        found: list[Indexed] = []
        while page := await engine.scan_documents(
            INDEX, after=found[-1].id if found else None, limit=10, sources=sources
        ):
            assert len(page) <= 10
            found += page
        assert [document.id for document in found] == keys == [document.asset_id for document in found]
        for document in found:
            assert document.id == f"asset_{document.version}"
            assert document.deleted == (document.version % 5 == 0)
            assert (document.source is not None) == sources
            assert document.source is None or document.source["rev"] == document.version


@pytest.mark.parametrize(
    ("after", "last", "limit", "found"),
    [
        (None, "asset_2", 10, ["asset_1", "asset_10", "asset_11", "asset_12", "asset_2"]),
        (None, "asset_2", 2, ["asset_1", "asset_10"]),
        ("asset_10", "asset_12", 10, ["asset_11", "asset_12"]),
        ("asset_11", "asset_119", 10, []),
        ("asset_12", "asset_12", 10, []),
        ("asset_8", "asset_é", 10, ["asset_9"]),
        ("asset_8", None, 10, ["asset_9"]),
    ],
)
async def test_a_scan_ends_with_its_last_key(
    engine: SearchEngine, after: str | None, last: str | None, limit: int, found: list[str]
) -> None:
    await engine.bulk(INDEX, [item(number, 1, deleted=number == 11) for number in range(1, 13)], refresh=True)
    await engine.bulk(INDEX, [BulkItem("stray", 1, {"deleted": False})], refresh=True)
    for sources in (True, False):
        page = await engine.scan_documents(INDEX, after=after, last=last, limit=limit, sources=sources)
        assert [document.id for document in page] == found


async def test_documents_are_read_by_id_before_they_are_searchable(engine: SearchEngine) -> None:
    await engine.bulk(INDEX, [item(1, 7, title="Bergsee"), item(2, 3, deleted=True)])
    found = await engine.documents(INDEX, ["asset_2", "asset_1", "asset_9"])
    assert set(found) == {"asset_1", "asset_2"}
    assert (found["asset_1"].version, found["asset_1"].deleted) == (7, False)
    assert (found["asset_2"].version, found["asset_2"].deleted) == (3, True)
    assert (found["asset_1"].source or {})["title"] == "Bergsee"
    assert await engine.documents(INDEX, []) == {}


async def numbers(engine: SearchEngine, pit: str, **more: object) -> tuple[list[int], Json]:
    body = {"query": ALL, "sort": [{"number": "asc"}], "pit": {"id": pit, "keep_alive": "1m"}, **more}
    answer = await engine.search(None, body)
    return [hit["_source"]["number"] for hit in answer["hits"]["hits"]], answer


async def test_a_pit_shows_what_was_there_whatever_is_written_later(engine: SearchEngine) -> None:
    await engine.bulk(INDEX, [item(number, number=number) for number in range(10)], refresh=True)
    pit = await engine.open_pit(INDEX, "1m")
    later = [item(number, 2, number=number + 0.5) for number in range(3)]
    await engine.bulk(INDEX, [*later, item(10, number=4)], refresh=True)
    seen: list[int] = []
    after: dict[str, object] = {}
    while True:
        page, answer = await numbers(engine, pit, size=4, track_total_hits=True, **after)
        assert answer["hits"]["total"]["value"] == 10
        if not page:
            break
        seen += page
        pit = answer.get("pit_id", pit)
        after = {"search_after": answer["hits"]["hits"][-1]["sort"]}
    assert seen == list(range(10))
    await engine.close_pit(pit)


# A bare osmem compares scores more exactly than it answers them; the embedded engine fixes that.
@pytest.mark.parametrize("name", [name for name in ENGINES if name != "osmem"])
@pytest.mark.parametrize("order", ["desc", "asc"])
async def test_a_walk_by_score_sees_equal_scores_once(name: str, order: str) -> None:
    """Three scores, each of many documents: more than are read at once behind a page."""
    async with ENGINES[name]() as engine:
        await engine.create_index(INDEX, index_body())
        titles = [f"lake{' shore' * (number % 3)}" for number in range(240)]
        documents = [item(n, number=n, fold={"text": {"title": title}}) for n, title in enumerate(titles)]
        await engine.bulk(INDEX, documents, refresh=True)
        sort = [{"_score": {"order": order}}, {"number": {"order": order}}]
        body: Json = {"query": {"match": {"fold.text.title": "lake"}}, "sort": sort}
        whole = (await engine.search(INDEX, {**body, "size": 300}))["hits"]["hits"]
        assert len(whole) == 240
        for size in (7, 100):
            seen: list[Json] = []
            after: Json = {}
            while hits := (await engine.search(INDEX, {**body, "size": size, **after}))["hits"]["hits"]:
                assert len(hits) <= size
                seen += hits
                assert len(seen) <= len(whole)
                after = {"search_after": hits[-1]["sort"]}
            assert [hit["_id"] for hit in seen] == [hit["_id"] for hit in whole]
        await engine.delete_index(INDEX)


async def test_a_pit_keeps_the_filter_of_its_alias(engine: SearchEngine) -> None:
    await engine.bulk(INDEX, [item(1, number=1), item(2, number=2, deleted=True)], refresh=True)
    alias = {"index": INDEX, "alias": ALIAS, "filter": {"term": {"deleted": False}}}
    await engine.update_aliases([{"add": alias}])
    pit = await engine.open_pit(ALIAS, "1m")
    assert (await numbers(engine, pit))[0] == [1]
    await engine.close_pit(pit)


async def test_a_pit_of_nothing_is_unavailable(engine: SearchEngine) -> None:
    with pytest.raises(Unavailable):
        await engine.open_pit(GONE, "1m")


async def test_a_pit_that_is_closed_is_gone(engine: SearchEngine) -> None:
    pit = await engine.open_pit(INDEX, "1m")
    await engine.close_pit(pit)
    await engine.close_pit(pit)
    with pytest.raises(PitGone):
        await numbers(engine, pit)


async def test_a_pit_is_gone_with_its_index(engine: SearchEngine) -> None:
    await engine.create_index(GONE, index_body())
    pit = await engine.open_pit(GONE, "1m")
    await engine.delete_index(GONE)
    with pytest.raises(PitGone):
        await numbers(engine, pit)


async def test_calls_run_side_by_side(engine: SearchEngine) -> None:
    await engine.bulk(INDEX, [item(number) for number in range(50)], refresh=True)
    counts = await asyncio.gather(*(engine.count(INDEX, ALL) for _ in range(100)))
    assert counts == [50] * 100


async def test_a_ping_names_the_engine(engine: SearchEngine) -> None:
    answer = await engine.ping()
    assert answer["engine"]
    assert answer["version"][0].isdigit()


@pytest.mark.parametrize("name", ENGINES)
async def test_a_closed_engine_may_be_closed_again(name: str) -> None:
    async with ENGINES[name]() as engine:
        await engine.ping()
        await engine.close()


async def test_documents_are_taken_out_unless_they_are_newer(engine: SearchEngine) -> None:
    await engine.bulk(INDEX, [item(1, 5), item(2, 5)], refresh=True)
    gone = await engine.delete_documents(INDEX, [("asset_1", 5), ("asset_2", 4), ("asset_3", 1)])
    assert [(outcome.id, outcome.status) for outcome in gone] == [("asset_1", 200), ("asset_2", 409), ("asset_3", 200)]
    assert await engine.versions(INDEX, ["asset_1", "asset_2", "asset_3"]) == {"asset_2": 5}
    assert await engine.delete_documents(INDEX, []) == []
