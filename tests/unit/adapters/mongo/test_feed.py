"""The change feed against a scripted primary: how it opens, resumes, moves while nothing happens, and loses history."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from bson.int64 import Int64

from service.adapters.mongo.options import AWAIT_SECONDS
from service.adapters.mongo.store import MongoStore
from service.adapters.mongo.streams import WHOLE, pipeline_hash
from service.adapters.mongo.token import Token, as_int, read_token
from service.errors import HistoryLost, Unavailable
from service.ports.store import MARKER, Changed
from tests.support.mongo_server import (
    CURSOR,
    DATABASE_ID,
    Document,
    MongoServer,
    at,
    batch,
    error,
    event,
    resume_token,
    write_error,
)
from tests.unit.adapters.mongo.stores import SECONDS, server, store

__all__ = ["server", "store"]

Feed = AsyncIterator[list[Changed]]
LATE = 5000
"""Past every time that the scripted server tells by itself."""


@asynccontextmanager
async def feed(store: MongoStore, after: str | None, *, kinds: tuple[str, ...] = ("asset",)) -> AsyncIterator[Feed]:
    changes = store.changes(after, kinds=kinds)
    try:
        yield changes
    finally:
        assert isinstance(changes, AsyncGenerator)
        await changes.aclose()


async def until(changes: Feed, done: Callable[[list[Changed]], bool]) -> list[Changed]:
    seen: list[Changed] = []
    async with asyncio.timeout(10):
        while not done(seen):
            seen += await anext(changes)
    return seen


def opening(server: MongoServer) -> Document:
    stage = server.sent("aggregate")[-1]["pipeline"][0]["$changeStream"]
    assert isinstance(stage, dict)
    return stage


def token(inc: int, *, resume: bool = True, pipeline: str | None = None) -> str:
    asks = pipeline_hash(WHOLE, ["asset"]) if pipeline is None else pipeline
    return str(Token(DATABASE_ID, as_int(at(inc)), False, 0, {WHOLE: resume_token(inc)} if resume else {}, asks))


async def test_one_cursor_on_the_database_projected_to_keys(server: MongoServer, store: MongoStore) -> None:
    async with feed(store, None, kinds=("asset", "key")) as changes:
        assert await anext(changes) == []
    (command,) = server.sent("aggregate")
    _, match, project = command["pipeline"]
    assert command["aggregate"] == 1
    assert command["readConcern"] == {"level": "majority"}
    ours, losses = match["$match"]["$or"]
    assert ours == {"ns.coll": {"$in": ["asset", "key", MARKER]}}
    assert losses == {"operationType": {"$in": ["dropDatabase", "invalidate"]}}
    assert set(project["$project"]) == {"_id", "operationType", "documentKey", "ns", "clusterTime"}
    assert "fullDocument" not in opening(server)
    assert all(more["maxTimeMS"] == AWAIT_SECONDS * 1000 for more in server.sent("getMore"))


async def test_events_are_dirty_bits(server: MongoServer, store: MongoStore) -> None:
    events = [
        event("insert", "asset", "a", LATE),
        event("update", "asset", "b", LATE + 1),
        event("replace", "asset", "a", LATE + 2),
        event("delete", "asset", "c", LATE + 3),
        event("insert", MARKER, "7000", LATE + 4),
        event("delete", MARKER, "1", LATE + 5),
    ]
    async with feed(store, await store.barrier()) as changes:
        server.script("getMore", batch(*events))
        seen = await until(changes, bool)
    assert [(change.kind, change.key) for change in seen] == [
        ("asset", "a"), ("asset", "b"), ("asset", "a"), ("asset", "c"), (MARKER, "7000"),
    ]  # fmt: skip
    assert read_token(seen[1].token, DATABASE_ID).resume == {WHOLE: events[1]["_id"]}
    assert read_token(seen[4].token, DATABASE_ID).marker == 7000


async def test_an_unknown_operation_is_logged_and_passed(
    server: MongoServer, store: MongoStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with feed(store, None) as changes:
        server.script("getMore", batch(event("refine", "asset", None, LATE), event("insert", "asset", "a", LATE + 1)))
        assert [change.key for change in await until(changes, bool)] == ["a"]
    assert "refine" in caplog.text


async def test_a_feed_starts_after_its_token(server: MongoServer, store: MongoStore) -> None:
    async with feed(store, token(50)) as changes:
        await anext(changes)
    assert opening(server) == {"startAfter": resume_token(50)}


@pytest.mark.parametrize("saved", [token(50, pipeline="another"), token(50, resume=False)], ids=["asked else", "mark"])
async def test_a_token_of_another_question_starts_at_its_time(
    server: MongoServer, store: MongoStore, saved: str
) -> None:
    async with feed(store, saved) as changes:
        await anext(changes)
        server.script("getMore", batch(event("insert", "asset", "a", LATE)))
        (seen,) = await until(changes, bool)
    assert opening(server) == {"startAtOperationTime": at(50)}
    assert read_token(seen.token, DATABASE_ID).pipeline == pipeline_hash(WHOLE, ["asset"])


async def test_a_barrier_of_a_restored_database(server: MongoServer, store: MongoStore) -> None:
    """Its counter was dumped before the documents of the barriers that came meanwhile."""
    server.script("insert", *[write_error(11000, keyPattern={"_id": 1})] * 2)
    await store.barrier()
    first, second, third = (int(command["documents"][0]["_id"]) for command in server.sent("insert"))
    assert first < second < third


async def test_a_barrier_is_the_time_of_its_write(server: MongoServer, store: MongoStore) -> None:
    mark = await store.barrier()
    (command,) = [sent for sent in server.sent("insert") if sent["insert"] == MARKER]
    assert command["writeConcern"]["w"] == "majority"
    written = read_token(mark, DATABASE_ID)
    assert written.time > as_int(command["$clusterTime"]["clusterTime"])
    async with feed(store, mark) as changes:
        assert await anext(changes) == []
        number = str(written.marker)
        server.script("getMore", batch(event("insert", MARKER, number, 90), event("insert", "asset", "a", LATE)))
        assert [change.key for change in await until(changes, bool)] == ["a"], "not its own marker"
    assert as_int(opening(server)["startAtOperationTime"]) == written.time


LOST = (286, 280, 136, 260, 10334)


@pytest.mark.parametrize("code", LOST)
async def test_a_token_that_the_server_has_lost(server: MongoServer, store: MongoStore, code: int) -> None:
    server.script("aggregate", error(code), error(code))
    async with feed(store, token(50)) as changes:
        with pytest.raises(HistoryLost) as caught:
            await anext(changes)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("code", LOST)
async def test_history_that_is_lost_on_the_way(server: MongoServer, store: MongoStore, code: int) -> None:
    async with feed(store, token(50)) as changes:
        await anext(changes)
        server.forget()
        server.script("getMore", error(code, "NonResumableChangeStreamError"))
        with pytest.raises(HistoryLost):
            await until(changes, lambda _: False)
    assert server.sent("aggregate") == [], "the dead token is not tried again"


@pytest.mark.parametrize(
    ("operation", "kind"),
    [("invalidate", None), ("dropDatabase", None), ("drop", "asset"), ("rename", "asset"), ("drop", MARKER)],
)
async def test_a_loss_without_a_change_of_each(
    server: MongoServer, store: MongoStore, operation: str, kind: str | None
) -> None:
    async with feed(store, None) as changes:
        server.script("getMore", batch(event(operation, kind, None, LATE)))
        with pytest.raises(HistoryLost):
            await until(changes, lambda _: False)


@pytest.mark.parametrize("answer", [error(43, "ResumableChangeStreamError"), None], ids=["cursor gone", "connection"])
async def test_the_driver_resumes_once(server: MongoServer, store: MongoStore, answer: Document | None) -> None:
    async with feed(store, token(50)) as changes:
        server.script("getMore", batch(event("insert", "asset", "a", LATE)), answer)
        assert [change.key for change in await until(changes, bool)] == ["a"]
        server.script("getMore", batch(event("insert", "asset", "b", LATE + 1)))
        await until(changes, lambda seen: any(change.key == "b" for change in seen))
    assert opening(server) == {"resumeAfter": event("insert", "asset", "a", LATE)["_id"]}


def _placeless(reply: str, cursor: int) -> Document:
    """Return a reply of a server that tells no place with an empty batch."""
    return {"ok": 1, "cursor": {"id": Int64(cursor), "ns": "a.b", reply: []}}


async def test_a_forgotten_cursor_is_opened_where_it_began(server: MongoServer, store: MongoStore) -> None:
    server.script("aggregate", _placeless("firstBatch", CURSOR))
    server.script("getMore", _placeless("nextBatch", 0))
    async with feed(store, token(50, resume=False)) as changes:
        await until(changes, lambda _: len(server.sent("aggregate")) == 2)
    assert opening(server) == {"startAtOperationTime": at(50)}


async def test_a_forgotten_cursor_without_a_place_is_lost_history(server: MongoServer, store: MongoStore) -> None:
    """Opened again "from now on" it would pass over what happened in between."""
    server.script("aggregate", _placeless("firstBatch", CURSOR))
    server.script("getMore", _placeless("nextBatch", 0))
    async with feed(store, None) as changes:
        with pytest.raises(HistoryLost):
            await until(changes, lambda _: False)
    assert len(server.sent("aggregate")) == 1


@pytest.mark.parametrize("code", [13, 50, 10107, 20])
async def test_another_error_is_an_outage(server: MongoServer, store: MongoStore, code: int) -> None:
    server.script("aggregate", error(code), error(code))
    async with feed(store, token(50)) as changes:
        with pytest.raises(Unavailable):
            await anext(changes)


async def test_a_feed_is_told_once_that_the_burst_is_over(server: MongoServer, store: MongoStore) -> None:
    """Then it has seen all of the last change's time, too: what a write of many records needs."""
    async with feed(store, None) as changes:
        server.script("getMore", batch(event("insert", "asset", "a", LATE)))
        change, mark = await until(changes, lambda seen: len(seen) == 2)
        assert (change.key, mark.kind) == ("a", MARKER)
        assert not store.passed(change.token, _mark(LATE, whole=True))
        assert store.passed(mark.token, _mark(LATE, whole=True))
        assert [await anext(changes) for _ in range(2)] == [[], []]


async def test_an_idle_feed_passes_a_position_without_another_write(server: MongoServer, store: MongoStore) -> None:
    async with feed(store, await store.barrier()) as changes:
        assert await anext(changes) == []
        await store.insert("asset", "a", {})
        mark = await store.position(("asset",))
        seen = await until(changes, bool)  # the server tells how far it has read, in an empty batch
    assert [change.kind for change in seen] == [MARKER]
    assert store.passed(seen[0].token, mark)
    server.forget()
    async with feed(store, seen[0].token) as changes:
        await anext(changes)
    assert set(opening(server)) == {"startAfter"}, "what is saved then is the newest token, so it stays in the oplog"


async def test_an_idle_feed_renews_its_token_now_and_then(
    server: MongoServer, store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.adapters.mongo.feed.PROGRESS_SECONDS", 0.05)
    async with feed(store, token(50)) as changes:
        server.script("getMore", batch(token=resume_token(60)), batch(token=resume_token(60)))
        (mark,) = (await until(changes, bool))[:1]
        assert read_token(mark.token, DATABASE_ID).time > as_int(at(50))


async def test_reads_behind_a_change_are_as_new_as_it(server: MongoServer, store: MongoStore) -> None:
    await store.get_many("asset", ["a"])
    assert "afterClusterTime" not in server.sent("find")[-1]["readConcern"]
    async with feed(store, None) as changes:
        server.script("getMore", batch(event("insert", "asset", "a", LATE)))
        await until(changes, bool)
        await store.get_many("asset", ["a"], tombstones=True)
        await store.scan("asset")
    for command in server.sent("find")[-2:]:
        assert command["readConcern"] == {"level": "majority", "afterClusterTime": at(LATE)}
        assert command["maxTimeMS"] == SECONDS * 1000


async def test_a_cancelled_reader_closes_its_cursor(server: MongoServer, store: MongoStore) -> None:
    reading = asyncio.Event()

    async def read() -> None:
        async with feed(store, None) as changes:
            async for _ in changes:
                reading.set()

    task = asyncio.create_task(read())
    await reading.wait()
    task.cancel()
    await asyncio.wait([task], timeout=5)
    assert task.cancelled()
    assert (await store.ping())["engine"] == "mongodb"


def _mark(inc: int, *, whole: bool) -> str:
    return str(Token(DATABASE_ID, as_int(at(inc)), whole))
