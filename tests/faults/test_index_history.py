"""The history is lost, in each way that it can be: the index is reconciled in both directions, never just resumed."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from service.ports.store import Change
from tests.faults.indexing import Nursery, Scene, scene
from tests.faults.runs import spoiled

pytestmark = pytest.mark.processes


@pytest.fixture
async def where(tmp_path: Path, processes: Nursery, engine: str) -> AsyncIterator[Scene]:
    async with scene(tmp_path, processes, engine, poison=0.1) as made:
        yield made


async def _another_database(where: Scene) -> None:
    await _saved(where, token=f"{'0' * 32}:7")


async def _no_token(where: Scene) -> None:
    await _saved(where, token=None)


async def _no_record(where: Scene) -> None:
    """What is left is a plan and an index, and nothing says how far it is."""
    with closing(sqlite3.connect(where.place / "store.sqlite", timeout=30)) as database, database:
        database.execute("DELETE FROM checkpoint WHERE key = ?", (f"follow-{where.alias}",))


async def _shorter_log(where: Scene) -> None:
    """The change log ends before the token, as in a database that was restored."""
    seq = int(str((await where.record())["token"]).split(":")[1])
    with closing(sqlite3.connect(where.place / "store.sqlite", timeout=30)) as database, database:
        database.execute("DELETE FROM changes WHERE seq > ?", (seq // 2,))


async def _another_index(where: Scene) -> None:
    """The checkpoint speaks of another index than the one that is there, as after a snapshot was restored."""
    await _saved(where, indexes={await where.physical(): "of another life"})


async def _saved(where: Scene, **fields: object) -> None:
    await where.store.update("checkpoint", f"follow-{where.alias}", Change(set=fields))


LOSSES: Mapping[str, Callable[[Scene], Awaitable[None]]] = {
    "another database's token": _another_database,
    "no token": _no_token,
    "no record": _no_record,
    "a log that ends before the token": _shorter_log,
    "another index": _another_index,
}


@pytest.mark.parametrize("loss", LOSSES)
async def test_what_was_missed_is_repaired_while_writes_go_on(where: Scene, loss: str) -> None:
    await where.ledger.fill(150)
    async with where.process("follow"):
        await where.caught_up()
        await where.ledger.write(100)
        await where.settled()
    index = await where.physical()
    await where.ledger.write(200)  # nobody will ever hear of these by the feed
    await where.store.barrier()
    await spoiled(where, token=False)
    if loss != "another index":
        await _forgotten(where)
    await LOSSES[loss](where)
    async with where.process("follow"), where.ledger.writing():
        await where.settled()
        assert await where.physical() == index, "it was repaired, not built again"
    async with where.process("follow"):
        await where.judged()
        assert (await where.record()).get("reconciling") is None


async def _forgotten(where: Scene) -> None:
    """Let the index be behind by more than the feed can tell."""
    gone = list(where.ledger.live)[5:15]
    index = await where.physical()
    await where.engine.delete_documents(index, list((await where.engine.versions(index, gone)).items()))
    await where.engine.refresh(index)
