"""Writes against a scripted primary: what is sent, and what each of its codes means."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from service.adapters.mongo.store import MongoStore
from service.api.kernel.errors import failure
from service.errors import AlreadyExists, AssetryError, Conflict, InvalidInput, NotFound, TooLarge, Unavailable
from service.ports.clock import SystemClock
from service.ports.store import KINDS, Change, Record
from tests.support.mongo_server import Document, MongoServer, error, found, mongo_server, unconfirmed, write_error
from tests.support.waiting import PATIENCE
from tests.unit.adapters.mongo.stores import SECONDS, opened, options, server, store

__all__ = ["server", "store"]

RETRYABLE = "RetryableWriteError"


def asset(rev: int = 1, **body: Any) -> Document:
    return {
        "_id": "a", "key": "a", "rev": rev, "tombstone": False, "updated_at": "", "org": "", "unique": {}, "body": body
    }  # fmt: skip


async def insert(store: MongoStore) -> object:
    return await store.insert("asset", "a", {"guid": "g"})


async def update(store: MongoStore) -> object:
    return await store.update("asset", "a", Change(set={"guid": "g"}))


async def insert_many(store: MongoStore) -> object:
    return (await store.insert_many("asset", {"a": {"guid": "g"}}))["a"]


async def test_every_write_waits_for_a_majority_and_may_be_resent(server: MongoServer, store: MongoStore) -> None:
    server.script("find", *[found(asset())] * 2)
    await insert(store)
    await insert_many(store)
    await update(store)
    await store.remove("asset", "a")
    await store.counter("number", 10)
    await store.barrier()
    writes = [*server.sent("insert"), *server.sent("findAndModify")]
    assert len(writes) == 7
    for command in writes:
        assert command["writeConcern"] == {"w": "majority", "wtimeout": SECONDS * 1000, "j": True}
        assert "txnNumber" in command


async def test_an_update_is_one_command_that_asks_for_the_rev(server: MongoServer, store: MongoStore) -> None:
    server.script("find", found(asset(rev=7, title="x", n=1, old=True)))
    record = await store.update(
        "asset", "a", Change(set={"meta": {"a.b": 1, "$c": 2}}, unset=["old"], increment={"n": 2})
    )
    (command,) = server.sent("findAndModify")
    assert command["query"] == {"_id": "a", "rev": 7, "tombstone": False}
    assert command["update"]["$inc"] == {"rev": 1}
    assert command["update"]["$unset"] == {"body.old": ""}
    fields = {name for name in command["update"]["$set"] if name.startswith("body")}
    assert fields == {"body.meta", "body.n"}, "a sub-document is replaced as a whole, no path is made of a user's key"
    assert command["update"]["$set"]["body.meta"] == {"a.b": 1, "$c": 2}
    assert (record.rev, record.body) == (8, {"title": "x", "n": 3, "meta": {"a.b": 1, "$c": 2}})


async def test_no_match_is_told_apart_by_a_second_read(server: MongoServer, store: MongoStore) -> None:
    server.script("find", found(asset(rev=1)), found(asset(rev=2)))
    server.script("findAndModify", {"ok": 1, "value": None})
    with pytest.raises(Conflict):
        await store.update("asset", "a", Change(set={"a": 1}), expected_rev=1)
    server.script("find", found(asset(rev=1)), found())
    server.script("findAndModify", {"ok": 1, "value": None})
    with pytest.raises(NotFound):
        await store.update("asset", "a", Change(set={"a": 1}))
    server.script("find", found(asset(rev=1)), found(asset(rev=2)))
    server.script("findAndModify", {"ok": 1, "value": None})
    assert (await store.update("asset", "a", Change(increment={"n": 1}))).rev == 3


CODES: list[tuple[int, type[AssetryError], str]] = [
    (6, Unavailable, "cannot be reached"),
    (7, Unavailable, "cannot be reached"),
    (13, Unavailable, "permission"),
    (50, Unavailable, "in time"),
    (64, Unavailable, "majority"),
    (89, Unavailable, "in time"),
    (91, Unavailable, "shutting down"),
    (100, Unavailable, "majority"),
    (121, AssetryError, "validator"),
    (134, Unavailable, "majority"),
    (146, TooLarge, "maximum size"),
    (189, Unavailable, "elected"),
    (262, Unavailable, "in time"),
    (10058, Unavailable, "elected"),
    (10107, Unavailable, "elected"),
    (10334, TooLarge, "maximum size"),
    (11600, Unavailable, "shutting down"),
    (11602, Unavailable, "elected"),
    (13435, Unavailable, "elected"),
    (13436, Unavailable, "elected"),
    (14031, Unavailable, "disk"),
    (17419, TooLarge, "maximum size"),
    (20, Unavailable, "with code 20"),
]


@pytest.mark.parametrize(("code", "kind", "words"), CODES)
async def test_what_a_code_means(
    server: MongoServer, store: MongoStore, code: int, kind: type[AssetryError], words: str
) -> None:
    """The driver sends a retryable write once more, so each answer is scripted twice."""
    server.script("findAndModify", error(code), error(code))
    with pytest.raises(kind, match=words) as caught:
        await store.counter("number")
    assert type(caught.value) is kind
    assert "secret" not in caught.value.message


async def test_a_record_that_breaks_the_schema_is_a_bug(
    server: MongoServer, store: MongoStore, caplog: pytest.LogCaptureFixture
) -> None:
    rules = [{"operatorName": "bsonType", "propertyName": "rev", "consideredValue": "the secret value"}]
    info = {"failingDocumentId": "a", "details": {"schemaRulesNotSatisfied": rules}}
    server.script("insert", write_error(121, errInfo=info))
    with pytest.raises(AssetryError) as caught:
        await insert(store)
    assert failure(caught.value).status == 500
    assert "rev" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("code", [64, 91])
@pytest.mark.parametrize("write", [insert, update, insert_many])
async def test_a_write_without_its_majority_is_unknown(
    server: MongoServer, store: MongoStore, write: Callable[[MongoStore], Awaitable[object]], code: int
) -> None:
    server.script("find", found(asset()))
    server.script("insert", *[unconfirmed(code)] * 2)
    server.script("findAndModify", *[unconfirmed(code, value={"_id": "a", "rev": 2})] * 2)
    with pytest.raises(Unavailable):
        await write(store)


@pytest.mark.parametrize("write", [insert, update, insert_many])
async def test_a_lost_answer_is_asked_for_again(
    server: MongoServer, store: MongoStore, write: Callable[[MongoStore], Awaitable[object]]
) -> None:
    """The resend bears the same number, so a server that did the write does not do it twice."""
    server.script("find", found(asset()))
    name = "findAndModify" if write is update else "insert"
    server.script(name, None)
    assert isinstance(await write(store), Record)
    first, second = server.sent(name)
    assert first["txnNumber"] == second["txnNumber"]
    assert first["lsid"] == second["lsid"]


async def test_a_new_primary_takes_the_resend(server: MongoServer, store: MongoStore) -> None:
    server.script("insert", error(10107, RETRYABLE))
    assert isinstance(await insert(store), Record)
    assert len(server.sent("insert")) == 2


async def test_another_member_takes_over(server: MongoServer) -> None:
    with mongo_server() as other:
        other.primary = False
        for member in (server, other):
            member.hello = {"hosts": [server.address, other.address], "primary": server.address}

        def step_down(_: Document) -> Document:
            server.primary, other.primary = False, True
            for member in (server, other):
                member.hello["primary"] = other.address
            return error(10107, RETRYABLE)

        async with opened(server, 3.0) as store:
            server.script("insert", step_down)
            assert isinstance(await insert(store), Record)
            (first,), (second,) = server.sent("insert"), other.sent("insert")
            assert first["txnNumber"] == second["txnNumber"]
            assert (await store.insert("asset", "b", {})).rev == 1
            assert len(other.sent("insert")) == 2


async def test_no_member_takes_over(server: MongoServer) -> None:
    """A request is answered in time, and the store works again by itself."""

    def step_down(_: Document) -> Document:
        server.primary = False
        return error(10107, RETRYABLE)

    async with opened(server, 0.6) as store:
        server.script("insert", step_down)
        async with asyncio.timeout(PATIENCE):  # the driver would wait for longer
            with pytest.raises(Unavailable):
                await insert(store)
            with pytest.raises(Unavailable, match="no reachable primary"):
                await store.get("asset", "a")
        server.primary = True
        assert isinstance(await insert(store), Record)


class Listener(CommandListener):
    """Keeps what the driver says that it sends."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Mapping[str, Any]]] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.sent.append((event.command_name, event.command))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing to keep."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing to keep."""


async def test_what_a_life_sends(server: MongoServer) -> None:
    """A look at the server, one change stream that is closed again, and a command an operation."""
    listener = Listener()
    async with MongoStore(options(server), SystemClock(), [listener]) as store:
        opened_with = [name for name, _ in listener.sent]
        listener.sent.clear()
        await insert(store)
        await store.position(("asset",))
        with pytest.raises(NotFound):
            await store.get("asset", "a")
    looked = ["listCollections", *["listIndexes"] * len(KINDS), "find"]
    assert opened_with == ["ping", "buildInfo", "find", "aggregate", "killCursors", "find", *looked]
    assert [name for name, _ in listener.sent][:2] == ["insert", "find"], "a position asks nothing"


@pytest.mark.parametrize("answer", [error(112), error(251, "TransientTransactionError")], ids=["112", "label"])
async def test_a_write_conflict_is_tried_again(server: MongoServer, store: MongoStore, answer: Document) -> None:
    server.script("findAndModify", answer, {"ok": 1, "value": {"_id": "number", "last": 5}})
    assert await store.counter("number", 2) == 4


async def test_write_conflicts_without_end(server: MongoServer, store: MongoStore) -> None:
    server.script("findAndModify", *[error(112)] * 3)
    with pytest.raises(Unavailable, match="conflicting writes"):
        await store.counter("number")


PATTERNS: list[tuple[Document, str, object]] = [
    ({"_id": 1}, "key", "a"),
    ({"unique.guid": 1}, "guid", "g"),
    ({"org": 1, "unique.slug": 1}, "slug", "s"),
]


@pytest.mark.parametrize(("pattern", "index", "value"), PATTERNS)
async def test_a_duplicate_says_which_index(
    server: MongoServer, store: MongoStore, pattern: Document, index: str, value: object
) -> None:
    body: Document = {"org_id": "o", "guid": "g", "slug": "s"}
    refused = write_error(11000, keyPattern=pattern, keyValue={})
    server.script("insert", refused, refused)
    with pytest.raises(AlreadyExists) as caught:
        await store.insert("asset", "a", body)
    assert (caught.value.index, caught.value.value) == (index, value)
    outcome = (await store.insert_many("asset", {"a": body}))["a"]
    assert isinstance(outcome, AlreadyExists)
    assert outcome.index == index
    server.script("find", found(asset(org_id="o")))
    server.script("findAndModify", error(11000, keyPattern=pattern))
    if index != "key":
        with pytest.raises(AlreadyExists) as caught:
            await store.update("asset", "a", Change(set=body))
        assert caught.value.index == index


async def test_a_duplicate_that_names_no_index_is_looked_for(server: MongoServer, store: MongoStore) -> None:
    server.script("insert", write_error(11000))
    server.script("find", found(), found(), found({"_id": "b"}))
    with pytest.raises(AlreadyExists) as caught:
        await store.insert("asset", "a", {"guid": "g", "sid": "s"})
    assert caught.value.index == "sid"


async def test_each_of_many_has_its_outcome(server: MongoServer, store: MongoStore) -> None:
    def refuse(command: Document) -> Document:
        assert command["ordered"] is False
        pattern = {"keyPattern": {"unique.guid": 1}}
        errors = [{"index": 0, "code": 11000, "errmsg": "", **pattern}, {"index": 2, "code": 10334, "errmsg": ""}]
        return {"ok": 1, "n": 1, "writeErrors": errors}

    server.script("insert", refuse)
    bodies: dict[str, Document] = {"a": {"guid": "g"}, "nan": {"x": float("nan")}, "b": {}, "c": {}}
    outcomes = await store.insert_many("asset", bodies)
    assert [type(outcomes[key]) for key in bodies] == [AlreadyExists, InvalidInput, Record, TooLarge]


LONG: Document = {"x": [1] * 2_000_000}
"""4 MB of JSON, 25 MB of BSON."""


async def test_a_record_that_is_too_long_as_bson(server: MongoServer, store: MongoStore) -> None:
    """The driver refuses it by itself, with an error that is none of its other errors' kind."""
    with pytest.raises(TooLarge):
        await store.insert("asset", "a", dict(LONG))
    server.script("find", found(asset()))
    with pytest.raises(TooLarge):
        await store.update("asset", "a", Change(set=dict(LONG)))
    assert not server.sent("insert")
    assert not server.sent("findAndModify")
    outcomes = await store.insert_many("asset", {"a": {}, "long": dict(LONG), "c": {}})
    assert [type(outcome) for outcome in outcomes.values()] == [Record, TooLarge, Record]


async def test_a_counter_that_two_make_at_once(server: MongoServer, store: MongoStore) -> None:
    server.script("findAndModify", error(11000, keyPattern={"_id": 1}), {"ok": 1, "value": {"_id": "n", "last": 2}})
    assert await store.counter("n") == 2


READS: dict[str, Callable[[MongoStore], Awaitable[object]]] = {
    "get": lambda store: store.get("asset", "a"),
    "get_many": lambda store: store.get_many("asset", ["a"]),
    "find": lambda store: store.find("asset", {"org_id": "o"}),
    "scan": lambda store: store.scan("asset"),
    "count": lambda store: store.count("asset", {}),
}


async def test_a_size_is_counted_while_that_is_quick(server: MongoServer, store: MongoStore) -> None:
    """A count of live records looks at each of them; what millions need is a total for a progress bar."""
    server.script("aggregate", {"ok": 1, "cursor": {"id": 0, "ns": "a.b", "firstBatch": [{"n": 7}]}})
    assert await store.size("asset") == 7
    server.script("aggregate", *[error(50)] * 2)
    server.script("count", {"ok": 1, "n": 10_000_000})
    assert await store.size("asset") == 10_000_000


@pytest.mark.parametrize("name", READS)
async def test_every_read_has_its_time(server: MongoServer, store: MongoStore, name: str) -> None:
    command = "aggregate" if name == "count" else "find"
    server.script(command, *[error(50)] * 2)
    with pytest.raises(Unavailable, match="in time"):
        await READS[name](store)
    assert all(sent["maxTimeMS"] == SECONDS * 1000 for sent in server.sent(command))


async def test_no_message_of_the_server_is_passed_on(server: MongoServer, store: MongoStore) -> None:
    server.script("find", *[error(20)] * 2)
    with pytest.raises(Unavailable) as caught:
        await store.get("asset", "a")
    assert "secret" not in "".join(traceback.format_exception_only(caught.value))


async def test_a_comparison_that_never_matches_ends_soon_and_says_so(
    server: MongoServer, store: MongoStore, caplog: pytest.LogCaptureFixture
) -> None:
    server.script("find", *[found(asset(rev=3))] * 20)
    server.script("findAndModify", *[{"ok": 1, "value": None}] * 20)
    with pytest.raises(Unavailable, match="does not match the record"):
        await store.update("asset", "a", Change(set={"a": 1}))
    assert len(server.sent("findAndModify")) <= 10
    assert "does not compare as MongoDB does" in caplog.text
