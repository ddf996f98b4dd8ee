"""A store, an engine and followers between them, for tests of the indexer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.follow.follower import Follower
from indexer.options import FollowOptions
from service.adapters.embedded_search.engine import EmbeddedSearch
from service.adapters.sqlite.store import SqliteStore
from service.ports.clock import SystemClock
from service.ports.search import BulkItem, BulkOutcome
from service.ports.store import Body
from tests.support.waiting import until

ALIAS = "assets"
ALL: Body = {"match_all": {}}
PROMISED = 1.5
"""Seconds within which a search sees a write."""

OPTIONS = FollowOptions.embedded(ALIAS)


def asset(number: int, **fields: Any) -> tuple[str, Body]:
    body = {"org_id": "acme", "number": number, "guid": f"guid-{number}", "sid": f"sid-{number}", **fields}
    return f"asset_{number}", body


@dataclass
class Rig:
    """A store, an engine and the means to run followers between them."""

    place: Path
    stack: AsyncExitStack
    store: SqliteStore
    engine: EmbeddedSearch

    async def follow(self, options: FollowOptions = OPTIONS) -> Follower:
        """Start a follower and wait until it has caught up."""
        follower = self.begin(options)
        await until(lambda: follower.status().caught_up, "the follower has caught up")
        return follower

    def begin(self, options: FollowOptions = OPTIONS) -> Follower:
        follower = Follower(self.store, self.engine, SystemClock(), options)
        self.stack.push_async_callback(follower.stop)
        self.engine.on_reset = follower.reset
        follower.start()
        return follower

    async def fill(self, count: int) -> None:
        await self.store.insert_many("asset", dict(asset(number, title=f"n{number}") for number in range(1, count + 1)))

    async def seen(self, follower: Follower, timeout: float = PROMISED) -> bool:
        """Whether searches see all that was written until now."""
        return await follower.wait_for(await self.store.barrier(), timeout)

    async def count(self, query: Body | None = None) -> int:
        return await self.engine.count(ALIAS, query or ALL)

    async def titles(self) -> list[str]:
        body = {"query": ALL, "size": 100, "sort": [{"number": "asc"}]}
        return [hit["_source"]["title"] for hit in (await self.engine.search(ALIAS, body))["hits"]["hits"]]

    async def physical(self) -> str:
        (name,) = await self.engine.resolve_alias(ALIAS)
        return name

    async def letters(self) -> list[Body]:
        found = await self.store.find("dead_letter", {"index": await self.physical(), "open": True})
        return [record.body for record in found.records]


class Tampered(EmbeddedSearch):
    """An engine whose bulk answers are changed on their way."""

    change: Callable[[Sequence[BulkItem]], dict[str, int]] = staticmethod(lambda items: {})

    async def bulk(self, index: str, items: Sequence[BulkItem], *, refresh: bool = False) -> list[BulkOutcome]:
        refused = self.change(items)
        sent = [item for item in items if item.id not in refused]
        outcomes = {outcome.id: outcome for outcome in await super().bulk(index, sent, refresh=refresh)}
        for item in items:
            if item.id in refused:
                outcomes[item.id] = BulkOutcome(item.id, item.version, refused[item.id], "tampered", "with")
        return [outcomes[item.id] for item in items]


@asynccontextmanager
async def rigged(place: Path, engine: EmbeddedSearch | None = None) -> AsyncIterator[Rig]:
    """Open a rig in a folder."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(SqliteStore(place / "store.sqlite", SystemClock()))
        engine = engine or EmbeddedSearch()
        stack.push_async_callback(engine.close)
        await engine.start()
        yield Rig(place, stack, store, engine)
