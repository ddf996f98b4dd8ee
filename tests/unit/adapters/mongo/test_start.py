"""What is wrong at the start is one line that names the setting and the fix."""

from __future__ import annotations

import asyncio
import gc
import re
import socket
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from service.adapters.local.data_folder import DataFolder
from service.adapters.mongo import checks as mongo_checks
from service.adapters.mongo import schema
from service.adapters.mongo.checks import ACTIONS, checks, missing_actions
from service.adapters.mongo.options import overridden
from service.adapters.mongo.setup_watch import SetupWatch
from service.adapters.mongo.store import MongoOptions, MongoStore
from service.errors import SettingsError, Unavailable, Unreachable
from service.ports.checks import Check, Health
from service.ports.clock import SystemClock
from service.ports.store import KINDS
from service.runtime import engines
from service.settings import load
from tests.support.mongo_server import Answer, Document, MongoServer, error, found, note
from tests.support.waiting import PATIENCE, until
from tests.unit.adapters.mongo.stores import SECONDS, opened, options, server

__all__ = ["server"]

WRONG: dict[str, tuple[str, list[Answer], str]] = {
    "a standalone": ("aggregate", [error(40573)] * 2, "mongod with --replSet"),
    "no permission to watch": ("aggregate", [error(13)] * 2, "readWrite"),
    "no permission to read": ("find", [error(13)] * 2, "readWrite"),
    "no permission to ping": ("ping", [error(18)] * 2, "password"),
    "not set up": ("find", [found()] * 2, "assetry db init"),
    "set up by an older": ("find", [found(), found(note(version=0))], "assetry db init"),
    "an index is missing": ("find", [found(), found(note(indexes=["asset.guid"]))], "assetry db init"),
    "set up by a newer": ("find", [found(), found(note(version=99))], "upgrade"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_wrong_at_the_start(server: MongoServer, name: str) -> None:
    command, answers, words = WRONG[name]
    server.script(command, *answers)
    with pytest.raises(SettingsError, match=words) as caught:
        async with opened(server):
            pass
    assert caught.value.setting == "ASSETRY_MONGODB_URL"
    assert "secret" not in caught.value.message
    assert "\n" not in caught.value.message


ALONE = dict.fromkeys(("setName", "setVersion", "hosts", "me", "primary"))
GHOST = {**ALONE, "isWritablePrimary": False, "ismaster": False, "secondary": False, "isreplicaset": True}
ELSEWHERE = dict.fromkeys(("me", "primary"), "mongo-1.invalid:27017") | {"hosts": ["mongo-1.invalid:27017"]}
SETS: dict[str, tuple[Document, str, str]] = {
    "a standalone, asked as a set": (ALONE, "?replicaSet=rs0", "--replSet"),
    "a standalone, asked directly": (ALONE, "?replicaSet=rs0&directConnection=true", "with --replSet rs0"),
    "a standalone without sessions": ({**ALONE, "logicalSessionTimeoutMinutes": None}, "", "with --replSet rs0"),
    "a set of another name": ({}, "?replicaSet=rs1", "correct replicaSet"),
    "a set of another name, asked directly": ({}, "?replicaSet=rs1&directConnection=true", "correct replicaSet"),
    "not initiated": (GHOST, "", "rs.initiate"),
    "not initiated, asked as a set": (GHOST, "?replicaSet=rs0", "rs.initiate"),
    "members that are not reached": (ELSEWHERE, "?replicaSet=rs0", "directConnection=true"),
    "too old": ({"maxWireVersion": 8}, "", "use 5.0"),
}


@pytest.mark.parametrize("name", SETS)
async def test_a_set_that_is_none(server: MongoServer, name: str) -> None:
    server.hello, tail, words = SETS[name]
    url = f"mongodb://{server.address}/{tail}"
    with pytest.raises(SettingsError, match=re.escape(words)) as caught:
        await MongoStore(MongoOptions(url, timeout=0.3), SystemClock()).open()
    assert caught.value.setting == "ASSETRY_MONGODB_URL"
    assert "\n" not in caught.value.message


URLS = {
    "mongodb:/nonsense": "URL",
    "mongodb://user:pass:word@host/": "URL",
    "mongodb://127.0.0.1/?w=banana&tls=perhaps": "URL",
    "mongodb://no-such-host.invalid:27017/": "cannot resolve the host name",
}


@pytest.mark.parametrize("url", URLS)
async def test_a_wrong_url(url: str) -> None:
    with pytest.raises(SettingsError, match=URLS[url]) as caught:
        await MongoStore(MongoOptions(url, timeout=0.6), SystemClock()).open()
    assert "pass" not in caught.value.message.replace("password", "")


async def test_a_wrong_password(server: MongoServer) -> None:
    server.script("saslStart", *[error(18)] * 4)
    url = server.url.replace("mongodb://", "mongodb://me:hunter2@")
    with pytest.raises(SettingsError, match="password") as caught:
        await MongoStore(MongoOptions(url, timeout=SECONDS), SystemClock()).open()
    assert "hunter2" not in caught.value.message


def test_the_url_is_not_shown() -> None:
    assert "hunter2" not in repr(MongoOptions("mongodb://me:hunter2@host/"))


class HangUp(asyncio.Protocol):
    """A server that takes nobody's handshake."""

    open = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        HangUp.open += 1
        assert isinstance(transport, asyncio.Transport)
        transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        HangUp.open -= 1


# The driver closes the connection but leaves the socket's object to the collector, which warns of it.
@pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning")
async def test_a_server_that_speaks_no_tls() -> None:
    async with await asyncio.get_running_loop().create_server(HangUp, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        with pytest.raises(SettingsError, match="TLS"):
            await MongoStore(MongoOptions(f"mongodb://127.0.0.1:{port}/?tls=true", timeout=0.6), SystemClock()).open()
        await until(lambda: not _monitors(), "the driver's threads have ended")
        # Connections are taken in their order: once this one was hung up on, no other waits to be taken by a server
        # that closes, which would leave it open.
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.read()
        writer.close()
        await writer.wait_closed()
    await until(lambda: HangUp.open == 0, "every connection is closed")
    gc.collect()


def _monitors() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "monitor" in thread.name]


@pytest.mark.parametrize("listens", [False, True], ids=["refused", "silent"])
async def test_no_server(listens: bool) -> None:
    """It is waited for as long as the setting says, no longer."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        if listens:
            place.listen()
        options = MongoOptions(f"mongodb://127.0.0.1:{place.getsockname()[1]}/", timeout=0.5)
        async with asyncio.timeout(PATIENCE):  # the driver would wait for longer
            with pytest.raises(Unavailable):
                await MongoStore(options, SystemClock()).open()


async def test_a_store_that_is_not_open() -> None:
    store = MongoStore(MongoOptions("mongodb://127.0.0.1:1/"), SystemClock())
    calls: list[Callable[[], object]] = [
        lambda: store.get("asset", "a"),
        lambda: store.insert("asset", "a", {}),
        store.barrier,
        store.ping,
    ]
    for call in calls:
        with pytest.raises(Unavailable, match="not open"):
            await call()  # type: ignore[misc]
    with pytest.raises(Unavailable):
        store.changes(None, kinds=["asset"])
    await store.close()


async def examined(server: MongoServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, Check]:
    async def nothing(_: MongoOptions) -> list[schema.SetupStep]:
        return []

    monkeypatch.setattr(mongo_checks, "plan", nothing)
    return {check.name: check for check in await checks(options(server))}


async def test_an_examination(server: MongoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.hello["arbiters"] = ["other:27017"]
    privileges = [{"resource": {"db": "assetry", "collection": ""}, "actions": ["find", "insert"]}]
    granted = {"authenticatedUsers": [{"user": "me"}], "authenticatedUserPrivileges": privileges}
    server.script("connectionStatus", {"ok": 1, "authInfo": granted})
    server.script("find", error(13), error(13))
    seen = await examined(server, monkeypatch)
    assert seen["version"].health is Health.OK
    assert seen["replica set"].health is Health.WARNING
    assert seen["change streams"].health is Health.OK
    assert seen["majority write"].health is Health.OK
    assert seen["permissions"].health is Health.FAILED
    assert "changeStream" in seen["permissions"].found
    assert seen["oplog window"].health is Health.WARNING
    assert all(check.fix for check in seen.values() if check.health is not Health.OK)


async def test_an_examination_of_what_is_out_of_order(server: MongoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.script("buildInfo", {"ok": 1, "version": "4.4.1"})
    server.script("aggregate", *[error(40573)] * 2)
    server.script("update", *[error(64)] * 2)
    seen = await examined(server, monkeypatch)
    failed = {name for name, check in seen.items() if check.health is Health.FAILED}
    assert failed == {"version", "change streams", "majority write", "compare and set"}


async def test_an_examination_proves_by_effect(server: MongoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = await examined(server, monkeypatch)
    assert all(
        seen[name].health is Health.OK for name in ("change streams", "majority write", "compare and set", "URL")
    )
    assert "event arrived" in seen["change streams"].found
    server.silent = True
    silent = await examined(server, monkeypatch)
    assert silent["change streams"].health is Health.FAILED
    assert "no event" in silent["change streams"].found
    blind = await _examined_by(server, monkeypatch, "findAndModify", {"ok": 1, "value": None})
    assert blind["compare and set"].health is Health.FAILED
    loose = await _examined_by(server, monkeypatch, "findAndModify", {"ok": 1, "value": {"_id": "x"}})
    assert loose["compare and set"].health is Health.FAILED


async def _examined_by(
    server: MongoServer, monkeypatch: pytest.MonkeyPatch, command: str, answer: dict[str, object]
) -> dict[str, Check]:
    server.script(command, *[answer] * 200)
    try:
        return await examined(server, monkeypatch)
    finally:
        server.unscript(command)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?replicaSet=rs0", []),
        ("?w=majority&retryWrites=true&readPreference=primary", []),
        ("?retryWrites=false", ["retryWrites=false in the URL has no effect: true is used"]),
        ("?RETRYWRITES=false&w=1", ["retryWrites=false", "w=1"]),
        ("?socketTimeoutMS=100", ["ASSETRY_MONGODB_TIMEOUT counts"]),
        ("?maxPoolSize=3", ["ASSETRY_MONGODB_THREADS counts"]),
    ],
)
def test_options_of_the_url_that_have_no_effect_are_said(query: str, said: list[str]) -> None:
    found = overridden(f"mongodb://me:secret@host/{query}")
    assert len(found) == len(said)
    assert all(words in line for words, line in zip(said, found, strict=True))
    assert "secret" not in str(found)


async def test_what_vanished_is_noticed_at_the_start_and_later(server: MongoServer) -> None:
    complete = {kind: [index.command() for index in schema.wanted_indexes(kind)] for kind in KINDS}
    without = {**complete, "asset": [index for index in complete["asset"] if index["name"] != "slug"]}
    server.script("listIndexes", *(found(*without[kind]) for kind in KINDS))
    with pytest.raises(SettingsError, match="create index asset slug"):
        async with opened(server):
            pass
    async with opened(server) as store:
        assert "degraded" not in await store.ping()
        watch = SetupWatch(store._database)
        store._setup = watch
        server.script("listIndexes", *(found(*without[kind]) for kind in KINDS))
        await watch.look()
        facts = await store.ping()
        assert (facts["degraded"], facts["fix"]) == (True, "assetry db init")
        assert "asset slug" in facts["reason"]
        await watch.look()
        assert "degraded" not in await store.ping()


async def test_an_unknown_code_is_told_by_its_number_and_to_operators_in_the_servers_words(
    server: MongoServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING")  # whatever another test of this process configured
    async with opened(server) as store:
        server.script("find", *[error(987, codeName="SomethingNew")] * 2)
        with pytest.raises(Unavailable) as seen:
            await store.get("asset", "a")
    assert "code 987 (SomethingNew)" in seen.value.message
    assert "secret words" not in seen.value.message, "clients see the message"
    assert seen.value.said == "the secret words of the server"
    assert "the secret words of the server" in caplog.text


async def test_a_start_that_is_refused_with_an_unknown_code_says_so(server: MongoServer) -> None:
    server.script("aggregate", *[error(987, codeName="SomethingNew")] * 4)
    chosen = load(mongodb_url=server.url, mongodb_timeout=1)
    async with AsyncExitStack() as stack:
        with pytest.raises(Unreachable) as seen:
            await engines.open_store(chosen, DataFolder(chosen.data), SystemClock(), stack)
    assert "code 987 (SomethingNew): the secret words of the server" in seen.value.message
    assert "reachable from here" not in seen.value.message


async def test_an_examination_without_a_server() -> None:
    (check,) = await checks(MongoOptions("mongodb://127.0.0.1:1/", timeout=0.3))
    assert (check.health, check.setting) == (Health.FAILED, "ASSETRY_MONGODB_URL")


PRIVILEGES: list[tuple[list[dict[str, object]], int]] = [
    ([], len(ACTIONS)),
    ([{"resource": {"db": "assetry", "collection": ""}, "actions": ACTIONS}], 0),
    ([{"resource": {"db": "", "collection": ""}, "actions": ACTIONS}], 0),
    ([{"resource": {"anyResource": True}, "actions": ACTIONS}], 0),
    ([{"resource": {"db": "other", "collection": ""}, "actions": ACTIONS}], len(ACTIONS)),
    ([{"resource": {"db": "assetry", "collection": "asset"}, "actions": ACTIONS}], len(ACTIONS)),
    ([{"resource": {"db": "assetry", "collection": ""}, "actions": ACTIONS[1:]}], 1),
]


@pytest.mark.parametrize(("privileges", "missing"), PRIVILEGES)
def test_what_an_account_may_not_do(privileges: list[dict[str, object]], missing: int) -> None:
    assert len(missing_actions(privileges, "assetry")) == missing
