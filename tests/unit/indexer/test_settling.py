"""Waiting for a leader that may not be there, over a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from indexer.checkpoint import KIND, lease_key
from indexer.settling import Settling
from service.adapters.sqlite_store import SqliteStore
from service.ports.clock import SystemClock
from service.ports.store import Body, Change

ALIAS = "assets"
ASSET: Body = {"org_id": "acme", "title": "t"}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "store.sqlite", SystemClock()) as store:
        yield store


def settling(store: SqliteStore, *, dead: bool = False, patience: float = 0.2) -> Settling:
    return Settling(store, SystemClock(), ALIAS, dead=lambda holder: dead, patience=patience)


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
