from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.adapters.sqlite import commits
from service.adapters.sqlite.commits import CommitWatch
from service.adapters.sqlite.feed import Feed
from service.adapters.sqlite.store import SqliteStore
from service.ports.clock import SystemClock
from tests.support.waiting import until


def counted(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> list[None]:
    """Return a list that grows by each call of a method."""
    seen: list[None] = []
    method: Callable[..., Any] = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        seen.append(None)
        return method(*args, **kwargs)

    monkeypatch.setattr(owner, name, call)
    return seen


async def test_feeds_read_the_log_once_a_commit_and_not_at_all_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "POLL_SECONDS", 0.001)
    path = tmp_path / "store.sqlite"
    async with SqliteStore(path, SystemClock()) as store, SqliteStore(path, SystemClock()) as other:
        looks, reads = counted(monkeypatch, CommitWatch, "_look"), counted(monkeypatch, Feed, "_read")
        seen: list[str] = []

        async def follow() -> None:
            async for batch in store.changes(None, kinds=["asset"]):
                seen.extend(change.key for change in batch)

        following = asyncio.create_task(follow())
        await until(lambda: len(looks) > 5 and len(reads) > 0, "it comes to that")
        quiet = len(reads)
        await until(lambda: len(looks) > 100, "it comes to that")
        assert len(reads) == quiet, "while nothing is committed, only the watch looks"
        await store.insert("asset", "own", {"org_id": "o"})
        await until(lambda: "own" in seen, "it comes to that")
        await until(lambda: len(looks) > 200, "it comes to that")
        assert len(reads) <= quiet + 2, "an own commit is not taken for somebody else's as well"
        await other.insert("asset", "other", {"org_id": "o"})
        await until(lambda: "other" in seen, "it comes to that")
        following.cancel()
        await asyncio.wait([following])
        looked = len(looks)
        await asyncio.sleep(0)
        assert len(looks) == looked, "nobody looks for nobody"
