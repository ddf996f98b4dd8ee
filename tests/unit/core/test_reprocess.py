"""What a new reading of its file does to an asset, and that it does so to those that were asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import pytest
from pydantic import ValidationError

from query.errors import QueryError, QueryProblem
from query.types import SearchRequest
from service.core.access.keys import Principal
from service.core.assets import selection
from service.core.assets.reprocess import REPROCESS, Reprocessing, Reprocessor, ReprocessRequest
from service.core.assets.selection import Selected, SelectedAssets, Selecting
from service.core.operations.context import OperationContext
from service.core.operations.items import Item, ItemPages
from service.core.operations.operations import Operations
from service.core.operations.registry import OperationRegistry, Outcome
from service.errors import InvalidInput, NotAllowed, Unavailable
from service.model import AssetCreate, AssetPatch
from service.ports.files import original_key
from service.ports.store import Change
from tests.support.operations import Killed, ReportedProgress
from tests.unit.core.fakes import Clock, Facts, Shelf

NEWER = Facts(
    people=("Zed",),
    type="document",
    mime_type="text/markdown",
    title="From the file",
    description="New words",
    creator=("Ann",),
    tags=("forest", "*secret"),
    captured_at="2024-05-01T10:00:00Z",
    rating=4,
    metadata={"width": 10, "prompt": "a forest", "seed": 2**63 + 1, "format": "md"},
)
"""What the readers of today find."""


class Found:
    """Searches that find what they are told to find, in pages; they may break off."""

    def __init__(self, *pages: list[str], breaks: Exception | None = None) -> None:
        self.pages = pages
        self.breaks = breaks
        self.walks = 0

    async def walk(self, who: Principal, request: SearchRequest) -> AsyncIterator[list[str]]:
        self.walks += 1
        assert (who.org_id, request.text) == ("acme", "mountain")
        for page in self.pages:
            yield page
        if self.breaks is not None:
            raise self.breaks


class Index:
    """An index that is behind, or not."""

    def __init__(self, *, behind: bool) -> None:
        self.behind = behind

    async def caught_up(self, token: str, seconds: float) -> bool:
        return not self.behind


async def run(
    shelf: Shelf, parameters: Selected, searches: Any = None, index: Any = None, dies_behind: int = 0
) -> tuple[Outcome, dict[str, Item]]:
    if not (await shelf.store.get_many("operation", ["op"])):
        by = {"user_id": "kim", "key_id": "", "scopes": ["assets:write"]}
        await shelf.store.insert("operation", "op", {"org_id": "acme", "started_by": by})
    record = await shelf.store.get("operation", "op")
    context = OperationContext(shelf.store, record, ReportedProgress(shelf.store, dies_behind=dies_behind), parameters)
    assets = SelectedAssets(shelf.store, lambda: nullcontext(searches), index)
    reprocessor = Reprocessor(assets, shelf.files, shelf.reader, concurrency=2)
    result = await reprocessor.run(context)
    pages = (await shelf.store.get("operation", "op")).body["checkpoint"]["pages"]
    listed, after = await ItemPages(shelf.store, "op", "acme").page(pages, status=None, limit=1000, after=None)
    assert after is None
    return result, {item.key: item for item in listed}


async def reread(shelf: Shelf, *asset_ids: str) -> dict[str, Item]:
    return (await run(shelf, Selected(asset_ids=list(asset_ids))))[1]


async def test_what_the_file_says_now_gets_into_the_record(shelf: Shelf, who: Principal) -> None:
    asset = await shelf.create(who, AssetCreate(), b"words", "my note.txt")
    assert asset.body["title"] == "my note"
    shelf.reader.facts = NEWER
    items = await reread(shelf, asset.key)
    assert items[asset.key].status == "succeeded"
    body: dict[str, Any] = dict((await shelf.store.get("asset", asset.key)).body)
    assert body["title"] == "From the file"
    assert (body["description"], body["creator"], body["rating"]) == ("New words", ["Ann"], 4)
    assert (body["type"], body["mime_type"]) == ("document", "text/markdown")
    assert body["captured_at"] == "2024-05-01T10:00:00.000Z"
    assert body["tags"] == ["forest", "secret"], "a file is no admin"
    assert body["metadata"] == {
        "width": 10, "prompt": "a forest", "seed": str(2**63 + 1), "format": "md", "file_size": 5,
    }  # fmt: skip
    assert body["slug"] == "my-note", "links hold it"
    assert body["last_operation"] == "op"


async def test_what_was_given_with_the_file_stays(shelf: Shelf, who: Principal) -> None:
    given = AssetCreate.model_validate(
        {
            "title": "Mine",
            "creator": ["Me"],
            "type": "text",
            "tags": ["own"],
            "metadata": {"prompt": "my prompt", "width": 7},
        }
    )
    asset = await shelf.create(who, given, b"words")
    shelf.reader.facts = NEWER
    await reread(shelf, asset.key)
    body: dict[str, Any] = dict((await shelf.store.get("asset", asset.key)).body)
    assert (body["title"], body["creator"], body["type"]) == ("Mine", ["Me"], "text")
    assert body["description"] == "New words"
    assert body["tags"] == ["own", "forest", "secret"], "keywords are added"
    assert body["metadata"]["prompt"] == "my prompt"
    assert body["metadata"]["width"] == 10, "technical facts are the file's"


async def test_who_is_shown_and_where_it_belongs(shelf: Shelf, who: Principal) -> None:
    asset = await shelf.create(who, AssetCreate(), b"words")
    shelf.reader.facts = Facts(people=("Ada", "Ben"), taxonomy=("Nature/Cat",))
    await reread(shelf, asset.key)
    body: dict[str, Any] = dict((await shelf.store.get("asset", asset.key)).body)
    assert body["people"] == [{"name": "Ada"}, {"name": "Ben"}]
    assert body["taxonomy"] == ["Nature/Cat"]


async def test_people_that_somebody_typed_before_files_named_them_stay(shelf: Shelf, who: Principal) -> None:
    asset = await shelf.create(who, AssetCreate(), b"words")
    await shelf.store.update("asset", asset.key, Change(set={"people": [{"name": "Typed"}]}))
    shelf.reader.facts = Facts(people=("Ada",))
    await reread(shelf, asset.key)
    assert dict((await shelf.store.get("asset", asset.key)).body)["people"] == [{"name": "Typed"}]


@pytest.mark.parametrize(
    ("patch", "field", "value"),
    [
        ({"people": [{"name": "Typed"}]}, "people", [{"name": "Typed"}]),
        ({"people": []}, "people", []),
        ({"title": "Typed"}, "title", "Typed"),
        ({"description": None}, "description", None),
        ({"rating": 1}, "rating", 1),
        ({"creator": []}, "creator", []),
        ({"tags": ["one"]}, "tags", ["one"]),
        ({"tags": []}, "tags", []),
        ({"metadata": {"prompt": "typed"}}, "metadata.prompt", "typed"),
        ({"metadata": {"prompt": None}}, "metadata.prompt", None),
        ({"metadata": None}, "metadata.prompt", None),
    ],
    ids=str,
)
async def test_what_a_person_changed_or_cleared_stays(
    shelf: Shelf, who: Principal, patch: dict[str, Any], field: str, value: object
) -> None:
    shelf.reader.facts = Facts(
        title="t", description="d", rating=2, creator=("c",), people=("p",), tags=("k",), metadata={"prompt": "p"}
    )
    asset = await shelf.create(who, AssetCreate(), b"words")
    await shelf.assets.change(who, asset.key, AssetPatch.model_validate(patch))
    shelf.reader.facts = NEWER
    await reread(shelf, asset.key)
    body: Any = (await shelf.store.get("asset", asset.key)).body
    for name in field.split("."):
        body = body.get(name)
    assert body == value


async def test_a_reading_that_finds_less_takes_nothing_away(shelf: Shelf, who: Principal) -> None:
    shelf.reader.facts = NEWER
    asset = await shelf.create(who, AssetCreate(), b"words")
    shelf.reader.facts = Facts(type=NEWER.type, mime_type=NEWER.mime_type)
    items = await reread(shelf, asset.key)
    assert items[asset.key].reason == "unchanged"
    assert (await shelf.store.get("asset", asset.key)).rev == asset.rev


async def test_words_of_an_older_record_stay(shelf: Shelf, who: Principal) -> None:
    """One that does not say what was given: its words may be anybody's."""
    asset = await shelf.create(who, AssetCreate(title="Whose?", tags=["whose"]), b"words")
    await shelf.store.update("asset", asset.key, Change(unset=["given"]))
    shelf.reader.facts = NEWER
    await reread(shelf, asset.key)
    body: dict[str, Any] = dict((await shelf.store.get("asset", asset.key)).body)
    assert (body["title"], body["tags"], body["type"]) == ("Whose?", ["whose"], "text")
    assert (body["description"], body["metadata"]["prompt"], body["metadata"]["width"]) == ("New words", "a forest", 10)
    assert "given" not in body


async def test_every_outcome_is_told(shelf: Shelf, who: Principal) -> None:
    made = {
        name: (await shelf.create(who, AssetCreate(), name.encode())).key
        for name in ("same", "trash", "gone", "missing", "bad one")
        if name != "bad one"
    }
    made["bad one"] = (await shelf.create(who, AssetCreate(), b"good")).key
    made["bare"] = (await shelf.assets.create(who, AssetCreate(type="text", title="Bare"))).key
    await shelf.assets.delete(who, made["trash"])
    await shelf.assets.delete(who, made["gone"], permanent=True, backup=False)
    key = original_key("acme", (await shelf.store.get("asset", made["missing"])).body["sha256"])
    await shelf.files.delete(key)
    shelf.reader.bad = (b"good",)
    result, items = await run(shelf, Selected(asset_ids=[*made.values(), "asset_999"]))
    assert {name: (items[key].status, items[key].reason) for name, key in made.items()} == {
        "same": ("skipped", "unchanged"),
        "trash": ("skipped", "deleted"),
        "gone": ("skipped", "deleted"),
        "missing": ("failed", "file_missing"),
        "bad one": ("failed", "malformed"),
        "bare": ("skipped", "no_file"),
    }
    assert (items["asset_999"].status, items["asset_999"].reason) == ("failed", "not_found")
    assert items[made["bad one"]].message == "It is bad."
    assert result == Outcome(total=7, succeeded=0, skipped=4, failed=3)


async def test_what_was_found_at_the_start_is_what_is_read(shelf: Shelf, who: Principal) -> None:
    """Also by a run that goes on later, when the search finds other assets or is not there at all."""
    keys = [(await shelf.create(who, AssetCreate(), f"words {number}".encode())).key for number in range(5)]
    shelf.reader.facts = NEWER
    parameters = Selected(query="mountain")
    found = Found(keys[:3], keys[3:])
    with pytest.raises(Killed):
        await run(shelf, parameters, found, dies_behind=1)
    found.breaks = RuntimeError("it is not asked again")
    result, items = await run(shelf, parameters, found)
    assert result == Outcome(total=5, succeeded=5, skipped=0, failed=0)
    assert items.keys() == set(keys)
    assert found.walks == 1


@pytest.mark.parametrize(
    ("breaks", "error"),
    [
        (QueryError(QueryProblem("cursor", "It has expired."), field="cursor"), Unavailable),
        (QueryError(QueryProblem("syntax", "It does not compile."), field="query"), InvalidInput),
    ],
    ids=["the engine was started anew", "the query is wrong"],
)
async def test_a_walk_that_breaks_off(shelf: Shelf, who: Principal, breaks: Exception, error: type[Exception]) -> None:
    key = (await shelf.create(who, AssetCreate(), b"words")).key
    with pytest.raises(error):
        await run(shelf, Selected(query="mountain"), Found([key, "asset_7"], ["asset_8"], breaks=breaks))
    result, items = await run(shelf, Selected(query="mountain"), Found([key]))
    assert result.total == 1
    assert items.keys() == {key}, "what the broken walk wrote down does not count"


async def test_an_index_that_is_behind_is_waited_for(shelf: Shelf) -> None:
    parameters = Selected(query="mountain", index_token="token")
    with pytest.raises(Unavailable, match="behind"):
        await run(shelf, parameters, Found(), Index(behind=True))
    assert (await run(shelf, parameters, Found(), Index(behind=False)))[0].total == 0


@pytest.mark.parametrize(
    "request_",
    [{}, {"query": "x", "asset_ids": ["asset_1"]}, {"asset_ids": []}, {"asset_ids": ["asset_1"], "filters": {}}],
)
def test_a_request_names_its_assets_in_one_way(request_: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ReprocessRequest.model_validate(request_)


async def test_a_request_becomes_an_operation(shelf: Shelf, who: Principal, clock: Clock) -> None:
    operations = Operations(shelf.store, shelf.jobs, clock, OperationRegistry([REPROCESS]))
    reprocessing = Reprocessing(operations, Selecting(None, None))  # type: ignore[arg-type]  # no search is needed for ids
    request = ReprocessRequest(asset_ids=["asset_1", "asset_2", "asset_1"])
    assert await reprocessing.count(who, request) == 2
    record = await reprocessing.start(who, request)
    assert record.body["params"]["asset_ids"] == ["asset_1", "asset_2"]
    with pytest.raises(InvalidInput):
        await reprocessing.start(who, ReprocessRequest(asset_ids=["2"]))
    with pytest.raises(NotAllowed):
        await reprocessing.start(Principal("acme", "kim", frozenset({"assets:read"})), request)
    assert selection.MAX_IDS == 10_000
