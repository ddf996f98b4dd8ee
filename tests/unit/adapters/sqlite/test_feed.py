from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from service.adapters.sqlite import feed as sqlite_feed
from service.adapters.sqlite import readers
from service.adapters.sqlite.feed import Token, read_token
from service.adapters.sqlite.store import SqliteStore
from service.errors import HistoryLost, Unavailable
from service.ports.clock import SystemClock
from service.ports.store import MARKER, Change


@pytest.mark.parametrize("token", [Token("db", 7, 7), Token("db", 7, 3), Token("db", 0, 0)], ids=str)
def test_a_token_comes_back(token: Token) -> None:
    assert read_token(str(token), "db") == token


async def test_the_log_grows_with_records_not_with_writes(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    async with SqliteStore(path, SystemClock()) as store:
        await store.insert("asset", "a", {})
        for _ in range(50):
            await store.update("asset", "a", Change(increment={"n": 1}))
            await store.barrier()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT kind, key FROM changes ORDER BY kind").fetchall() == [
        ("asset", "a"),
        (MARKER, "barrier"),
    ]
    connection.close()


async def test_a_restored_backup_is_lost_history(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    async with SqliteStore(path, SystemClock()) as store:
        await store.insert("asset", "a", {})
    backup = path.read_bytes()
    async with SqliteStore(path, SystemClock()) as store:
        await store.insert("asset", "b", {})
        token = await store.barrier()
    path.write_bytes(backup)
    async with SqliteStore(path, SystemClock()) as store:
        with pytest.raises(HistoryLost, match="older backup"):
            await anext(store.changes(token, kinds=["asset"]))


async def test_a_round_that_is_not_complete_passes_no_barrier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_feed, "ROUND", 4)
    async with SqliteStore(tmp_path / "store.sqlite", SystemClock()) as store:
        start = await store.barrier()
        await store.insert_many("asset", {f"k{number}": {} for number in range(10)})
        mark = await store.barrier()
        await store.update("asset", "k0", Change())
        feed = store.changes(start, kinds=["asset"], limit=2)
        seen: set[str] = set()
        passed: list[bool] = []
        while not passed or not passed[-1]:
            batch = await anext(feed)
            seen |= {change.key for change in batch}
            passed.append(store.passed(batch[-1].token, mark))
        assert seen == {f"k{number}" for number in range(10)} | {"barrier"}
        assert len(passed) == 6  # 11 changes by two


async def test_a_read_that_takes_too_long_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "_STEPS", 100)  # the clock is looked at often enough, however fast the index makes it
    async with SqliteStore(tmp_path / "store.sqlite", SystemClock()) as store:
        await store.insert_many("asset", {f"k{number}": {"tags": ["a"] * 50} for number in range(2000)})
        assert await store.count("asset", {"tags": "a"}) == 2000
        monkeypatch.setattr(readers, "READ_SECONDS", 0.0)
        with pytest.raises(Unavailable, match="took too long"):
            await store.count("asset", {"tags": "a"})
        monkeypatch.undo()
        assert await store.count("asset", {"tags": "a"}) == 2000
