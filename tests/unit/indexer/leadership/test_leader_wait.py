"""Waiting for a leader that may not be there, over a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from indexer.follow.checkpoint import KIND, lease_key
from indexer.follow.leader_wait import LeaderWait
from service.adapters.sqlite.store import SqliteStore
from service.ports.clock import SystemClock
from service.ports.store import Body, Change

ALIAS = "assets"
ASSET: Body = {"org_id": "acme", "title": "t"}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "store.sqlite", SystemClock()) as store:
        yield store


def settling(store: SqliteStore, *, dead: bool = False, patience: float = 0.2) -> LeaderWait:
    return LeaderWait(store, SystemClock(), ALIAS, dead=lambda holder: dead, patience=patience)


async def create(store: SqliteStore, number: int) -> str:
    body = {**ASSET, "number": number, "guid": f"g{number}", "sid": f"s{number}"}
    return (await store.insert("asset", f"asset_{number}", body)).key


async def lease(store: SqliteStore, **fields: object) -> None:
    body: Body = {"holder": "one", "released": False, "beat": 1, "status": {"state": "following"}, **fields}
    await store.insert(KIND, lease_key(ALIAS), {"token": await store.barrier(), **body})


@pytest.mark.parametrize(
    ("fields", "dead"),
    [
        ({"released": True}, False),
        ({}, True),
        ({}, False),
        ({"status": {"state": "halted"}}, False),
        ({"status": {"state": "waiting"}}, False),
    ],
    ids=["let go", "dead", "silent", "halted", "waiting"],
)
async def test_where_no_leader_goes_on_what_waits_for_one_is_known(
    store: SqliteStore, fields: Body, dead: bool
) -> None:
    before = await create(store, 1)
    await lease(store, **fields)
    after = await create(store, 2)
    settled = settling(store, dead=dead)
    await settled.settle()
    assert (settled.led, settled.late(before), settled.late(after)) == (False, False, True)


async def test_what_waits_is_read_once_until_somebody_follows(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lease(store, released=True)
    first = await create(store, 1)
    begun: list[str | None] = []
    changes = store.changes

    def watched(after: str | None, **options: Any) -> Any:
        begun.append(after)
        return changes(after, **options)

    monkeypatch.setattr(store, "changes", watched)
    settled = settling(store)
    await settled.settle()
    second = await create(store, 2)
    await settled.settle()
    saved = (await store.get(KIND, lease_key(ALIAS))).body["token"]
    assert begun[0] == saved != begun[1]
    assert store.passed(str(begun[1]), str(begun[0]))
    assert (settled.late(first), settled.late(second)) == (True, True)
    await store.update(KIND, lease_key(ALIAS), Change(set={"token": await store.barrier()}))
    third = await create(store, 3)
    await settled.settle()
    assert [settled.late(key) for key in (first, second, third)] == [False, False, True]


async def test_a_leader_is_waited_for(store: SqliteStore) -> None:
    await lease(store)
    key = await create(store, 1)
    settled = settling(store, patience=20)
    waiting = asyncio.ensure_future(settled.settle())
    while not waiting.done():
        await store.update(KIND, lease_key(ALIAS), Change(set={"token": await store.barrier()}, increment={"beat": 1}))
    await waiting
    assert (settled.led, settled.late(key)) == (True, False)


async def test_where_nobody_ever_followed_nothing_is_late(store: SqliteStore) -> None:
    key = await create(store, 1)
    settled = settling(store)
    await settled.settle()
    assert (settled.led, settled.late(key)) == (False, False)


async def test_a_token_of_another_database_tells_nothing(store: SqliteStore) -> None:
    await lease(store, token="another:5", released=True)
    key = await create(store, 1)
    settled = settling(store)
    await settled.settle()
    assert not settled.late(key)
