"""What ``assetry db init`` finds missing, and what it sends."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from service.adapters.mongo import schema
from service.adapters.mongo.schema import SetupStep, validator, wanted_indexes
from service.errors import SettingsError
from service.ports.store import KINDS, Index
from tests.support.mongo_server import Document, MongoServer, error, found, note
from tests.unit.adapters.mongo.stores import options, server

__all__ = ["server"]


def collections(**validators: Document | None) -> Document:
    """Return a listing of all kinds' collections, each with its validator or another."""
    listed = []
    for kind in KINDS:
        own = validators.get(kind, validator(kind))
        listed.append({"name": kind, "type": "collection", "options": {} if own is None else {"validator": own}})
    return found(*listed)


def indexes(kind: str, without: str = "", **changed: Any) -> Document:
    """Return a listing of a kind's indexes, as the server gives them."""
    listed: list[Document] = [{"v": 2, "key": {"_id": 1}, "name": "_id_"}]
    for wanted in wanted_indexes(kind):
        if wanted.name != without:
            listed.append({"v": 2, **wanted.command(), **(changed if wanted.name == changed.get("name") else {})})
    return found(*listed)


def complete(server: MongoServer, asset: Document | None = None, **validators: Document | None) -> None:
    """Let the server be one that was set up, but for what is given."""
    server.script("listCollections", collections(**validators))
    server.script("listIndexes", *[asset if asset and kind == "asset" else indexes(kind) for kind in KINDS])


async def test_a_database_that_was_set_up_lacks_nothing(server: MongoServer) -> None:
    complete(server)
    assert await schema.plan(options(server)) == []
    complete(server)
    assert await schema.apply(options(server)) == []
    assert not server.sent("create")
    assert not server.sent("createIndexes")


async def test_an_empty_database_lacks_everything(server: MongoServer) -> None:
    server.script("listCollections", found())
    server.script("find", found())
    steps = await schema.plan(options(server))
    assert [step.collection for step in steps if step.action == "create collection"] == list(KINDS)
    made = {(step.collection, step.detail) for step in steps if step.action == "create index"}
    assert {("asset", index.name) for index in KINDS["asset"]} | {("asset", "org_key")} <= made
    assert steps[-1].action == "write note"


async def test_it_is_made_as_the_plan_says(server: MongoServer) -> None:
    server.script("listCollections", found())
    server.script("find", found())
    server.script("create", error(48))  # somebody else sets it up, too
    await schema.apply(options(server))
    assert [command["create"] for command in server.sent("create")] == list(KINDS)
    assert all("$jsonSchema" in command["validator"] for command in server.sent("create"))
    specs = {spec["name"]: spec for command in server.sent("createIndexes") for spec in command["indexes"]
             if command["createIndexes"] == "asset"}  # fmt: skip
    assert specs["slug"] == {
        "name": "slug",
        "key": {"org": 1, "unique.slug": 1},
        "unique": True,
        "partialFilterExpression": {"unique.slug": {"$exists": True}},
    }
    assert list(specs["slug"]["key"]) == ["org", "unique.slug"]
    assert specs["created"]["partialFilterExpression"] == {"tombstone": False}
    (written,) = server.sent("update")
    assert written["updates"][0]["u"]["$set"]["version"] == schema.SCHEMA_VERSION


async def test_no_index_is_asked_for_twice(server: MongoServer) -> None:
    """As mongod does: an index of the same keys and filter under another name is a conflict of options."""
    made: dict[str, str] = {}

    def create(command: Document) -> Document:
        (spec,) = command["indexes"]
        like = f"{command['createIndexes']} {list(spec['key'].items())} {spec['partialFilterExpression']}"
        return {"ok": 1} if made.setdefault(like, spec["name"]) == spec["name"] else error(85)

    server.script("listCollections", found())
    server.script("find", found())
    server.script("createIndexes", *[create] * sum(1 + len(KINDS[kind]) for kind in KINDS))
    await schema.apply(options(server))
    assert len(made) == len(server.sent("createIndexes"))


DIFFERENT: dict[str, tuple[Document, list[str]]] = {
    "missing": (indexes("asset", without="slug"), ["create index slug"]),
    "not unique": (indexes("asset", name="slug", unique=False), ["drop index slug", "create index slug"]),
    "other keys": (indexes("asset", name="slug", key={"unique.slug": 1}), ["drop index slug", "create index slug"]),
    "other filter": (
        indexes("asset", name="slug", partialFilterExpression={"tombstone": False}),
        ["drop index slug", "create index slug"],
    ),
}


@pytest.mark.parametrize("name", DIFFERENT)
async def test_an_index_that_differs_is_made_anew(server: MongoServer, name: str) -> None:
    listed, wanted = DIFFERENT[name]
    complete(server, listed)
    steps = await schema.plan(options(server))
    assert [f"{step.action} {step.detail}" for step in steps if step.collection == "asset"] == wanted


async def test_a_validator_that_differs_is_set(server: MongoServer) -> None:
    complete(server, key=None)
    steps = await schema.apply(options(server))
    assert SetupStep("key", "set validator", steps[0].detail) == steps[0]
    assert [command["collMod"] for command in server.sent("collMod")] == ["key"]


async def test_the_build_of_an_index_takes_as_long_as_it_takes(server: MongoServer) -> None:
    chosen = options(server)

    def built(_: Document) -> Document:
        threading.Event().wait(chosen.socket_seconds + 0.5)  # the server's own time: no request would wait so long
        return {"ok": 1}

    complete(server, asset=indexes("asset", without="org_key"))
    server.script("createIndexes", built)
    assert [step.action for step in await schema.apply(chosen)] == ["create index", "write note"]


async def test_duplicates_are_named(server: MongoServer) -> None:
    complete(server, indexes("asset", without="slug"))
    server.script("createIndexes", error(11000))
    with pytest.raises(SettingsError, match=r"'asset'.*'slug'.*unique\.slug") as caught:
        await schema.apply(options(server))
    assert "secret" not in caught.value.message


async def test_the_note_of_an_older_assetry_is_written_anew(server: MongoServer) -> None:
    complete(server)
    server.script("find", found(note(indexes=["asset.guid"])))
    assert [step.action for step in await schema.plan(options(server))] == ["write note"]


async def test_a_database_of_the_release_before_lacks_the_indexes_of_many_values(server: MongoServer) -> None:
    kept = found(*[index for index in _listed("asset") if index["name"] not in ("tags", "collections")])
    complete(server, kept)
    steps = [
        f"{step.action} {step.detail}" for step in await schema.plan(options(server)) if step.collection == "asset"
    ]
    assert steps == ["create index tags", "create index collections"]


def _listed(kind: str) -> list[Document]:
    return [{"v": 2, **wanted.command()} for wanted in wanted_indexes(kind)]


def test_a_validator_takes_one_value_or_a_list_where_an_index_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "backup", (Index("group", ("org_id", "places.group"), many=True),))
    (made,) = [index.command() for index in wanted_indexes("backup") if index.name == "group"]
    assert list(made["key"]) == ["org", "body.places.group", "key"]
    values = {"bsonType": ["null", "number", "string", "bool", "array"]}
    items = {"items": {"bsonType": ["null", "number", "string", "bool"]}}
    places = validator("backup")["$jsonSchema"]["properties"]["body"]["properties"]["places"]
    assert places["properties"]["group"] == places["items"]["properties"]["group"] == values | items
    assert validator("asset")["$jsonSchema"]["properties"]["body"]["properties"]["tags"] == values | items


def test_a_validator_knows_the_frame_and_the_indexed_paths() -> None:
    schema = validator("asset")["$jsonSchema"]
    assert set(schema["required"]) == {"_id", "key", "rev", "tombstone", "updated_at", "org", "unique", "body"}
    assert schema["additionalProperties"] is False
    assert schema["properties"]["rev"] == {"bsonType": ["int", "long"], "minimum": 1}
    assert "guid" in schema["properties"]["body"]["properties"]
    assert "array" not in schema["properties"]["body"]["properties"]["guid"]["bsonType"]
