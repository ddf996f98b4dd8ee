"""The search port on the embedded engine: a child process that is supervised, and restarted when it dies."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import orjson

from service.adapters.embedded_search.counting import Counting
from service.adapters.embedded_search.osmem import OsmemEngine
from service.adapters.embedded_search.process import OsmemProcess
from service.adapters.opensearch.engine import Connection
from service.adapters.shared.private_files import make_private_file
from service.errors import AssetryError, Unavailable
from service.ports.search import BulkItem, BulkOutcome, Indexed, Json
from service.tasks import both

log = logging.getLogger(__name__)

Reset = Callable[[], Awaitable[None] | None]
"""Called after each restart, before the engine accepts calls: its index is empty again."""

FIRST_DELAY = 0.1
LAST_DELAY = 10.0
HEALTHY_SECONDS = 30.0
"""A child that ran at least this long starts over with the shortest restart delay."""


class EmbeddedSearch:
    """A :class:`~service.ports.search.SearchEngine` on one child process (``process.OsmemProcess``).

    A child that dies is restarted at once, and then after a delay that doubles from 0.1 to 10 s while it keeps dying.
    Meanwhile every call raises Unavailable at once. ``on_reset`` (settable) is called after each restart, and only then
    does the new, empty engine accept calls, so that no caller mistakes it for the old one.

    ``beacon`` is a file with the URL and PID of the running child, so that another process on the same data (the
    command line) can search with it; :func:`running_engine` reads it.
    """

    def __init__(self, *, beacon: Path | None = None, process: OsmemProcess | None = None) -> None:
        self.on_reset: Reset | None = None
        self._beacon = beacon
        self._process = process or OsmemProcess()
        self._engine: OsmemEngine | None = None
        self._counting = Counting()
        self._watch: asyncio.Task[None] | None = None
        self.restarts = 0

    @property
    def url(self) -> str | None:
        """The URL of the child; None while it is not running."""
        return self._process.url if self._engine is not None else None

    @property
    def pid(self) -> int | None:
        """The child's process id; None while it is not running."""
        return self._process.pid

    async def start(self) -> str:
        """Start the child and its supervision; return its URL. Raises SettingsError, Unavailable."""
        url = await self._process.start()
        self._open(url)
        self._watch = asyncio.create_task(self._supervise(), name="osmem-watch")
        return url

    async def close(self) -> None:
        """Stop the supervision and the child. Safe to call twice."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            await asyncio.wait([watch])
        await self._close_engine()
        await self._process.close()

    async def _supervise(self) -> None:
        """Restart the child whenever it dies."""
        loop = asyncio.get_running_loop()
        delay = 0.0
        while True:
            started = loop.time()
            status = await self._process.wait_dead()
            await self._close_engine()
            uptime = loop.time() - started
            delay = 0.0 if uptime > HEALTHY_SECONDS else delay
            log.error("the embedded engine exited with status %s after %.1f s; restarting it", status, uptime)
            delay = await self._restart(delay)

    async def _restart(self, delay: float) -> float:
        """Restart until it works, call ``on_reset``, accept calls; return the delay before the next restart."""
        while True:
            await asyncio.sleep(delay)
            delay = min(LAST_DELAY, max(FIRST_DELAY, delay * 2))
            try:
                url = await self._process.restart()
            except AssetryError as error:
                log.error("cannot start the embedded engine: %s", error)  # noqa: TRY400 - the message says it all
                continue
            self.restarts += 1
            await self._notify()
            self._open(url)
            return delay

    async def _notify(self) -> None:
        """Call ``on_reset``; a failure is logged, and otherwise ignored."""
        if self.on_reset is None:
            return
        try:
            result = self.on_reset()
            if inspect.isawaitable(result):
                await result
        except Exception:
            log.exception("the engine's reset hook failed")

    def _open(self, url: str) -> None:
        self._counting.clear()
        self._engine = OsmemEngine(Connection(hosts=(url,)))
        if self._beacon is not None:
            text = orjson.dumps({"url": url, "pid": self._process.pid})
            new_file = self._beacon.with_name(self._beacon.name + ".new")
            make_private_file(new_file)
            new_file.write_bytes(text)
            new_file.replace(self._beacon)

    async def _close_engine(self) -> None:
        engine, self._engine = self._engine, None
        if self._beacon is not None:
            self._beacon.unlink(missing_ok=True)
        if engine is not None:
            await engine.close()

    def _running_engine(self) -> OsmemEngine:
        if self._engine is None:
            raise Unavailable("search", "the embedded engine is restarting")
        return self._engine

    async def search(self, index: str | None, body: Json, *, timeout: float = 10.0) -> Json:
        """Search an index or alias, or a PIT; count facets beside the engine, where the columns can."""
        engine = self._running_engine()
        if not body.get("aggs"):
            return await engine.search(index, body, timeout=timeout)
        answer, counts = await both(
            engine.search(index, _without(body, {"aggs"}), timeout=timeout),
            self._counting.counts(engine, index, body, timeout=timeout),
        )
        counted = counts.aggregations if counts is not None and counts.agree(answer) else {}
        left = {name: aggregation for name, aggregation in body["aggs"].items() if name not in counted}
        if left:
            asked = {**_without(body, _OF_HITS), "size": 0, "aggs": left}
            counted = counted | (await engine.search(index, asked, timeout=timeout))["aggregations"]
        return {**answer, "aggregations": counted}

    async def open_pit(self, index: str, keep_alive: str) -> str:
        """Return the id of a PIT."""
        engine = self._running_engine()
        opened = await self._counting.opening(engine, index)
        pit = await engine.open_pit(index, keep_alive)
        opened(pit)
        return pit

    async def close_pit(self, pit: str) -> None:
        """Close a PIT; it is no error if it no longer exists."""
        await self._running_engine().close_pit(pit)

    async def count(self, index: str, query: Json) -> int:
        """Count the documents that match."""
        return await self._running_engine().count(index, query)

    async def bulk(self, index: str, items: Sequence[BulkItem], *, refresh: bool = False) -> list[BulkOutcome]:
        """Index whole documents with external versions."""
        with self._counting.writing(index, [item.id for item in items]):
            outcomes = await self._running_engine().bulk(index, items, refresh=refresh)
        self._counting.written(index, items, outcomes)
        return outcomes

    async def versions(self, index: str, ids: Sequence[str]) -> dict[str, int]:
        """Return the stored version of each id that exists."""
        return await self._running_engine().versions(index, ids)

    async def create_index(self, name: str, body: Json) -> None:
        """Create an index."""
        await self._running_engine().create_index(name, body)
        self._counting.created(name, body)

    async def delete_index(self, name: str) -> None:
        """Delete an index; it is no error if it does not exist."""
        await self._running_engine().delete_index(name)
        self._counting.deleted(name)

    async def index_exists(self, name: str) -> bool:
        """Whether an index of exactly this name exists."""
        return await self._running_engine().index_exists(name)

    async def mapping_meta(self, name: str) -> Json:
        """Return the mapping's ``_meta`` of a physical index."""
        return await self._running_engine().mapping_meta(name)

    async def mapping(self, name: str) -> Json:
        """Return the mapping of a physical index."""
        return await self._running_engine().mapping(name)

    async def identity(self, name: str) -> str | None:
        """Return the UUID of an index."""
        return await self._running_engine().identity(name)

    async def index_health(self, name: str) -> str:
        """Return the index's health."""
        return await self._running_engine().index_health(name)

    async def index_bytes(self, name: str) -> int | None:
        """Return the size of a physical index."""
        return await self._running_engine().index_bytes(name)

    async def adopt_index(self, name: str) -> None:
        """Let bulk write to an index that was created elsewhere."""
        await self._running_engine().adopt_index(name)

    async def delete_documents(self, index: str, items: Sequence[tuple[str, int]]) -> list[BulkOutcome]:
        """Delete documents from an index."""
        ids = [id_ for id_, _ in items]
        with self._counting.writing(index, ids):
            outcomes = await self._running_engine().delete_documents(index, items)
        self._counting.removed(index, ids)
        return outcomes

    async def put_settings(self, name: str, settings: Json) -> None:
        """Change dynamic index settings."""
        await self._running_engine().put_settings(name, settings)

    async def resolve_alias(self, alias: str) -> dict[str, Json]:
        """Return {physical index: alias options}."""
        return await self._running_engine().resolve_alias(alias)

    async def update_aliases(self, actions: Sequence[Json]) -> None:
        """Apply all alias actions atomically."""
        try:
            await self._running_engine().update_aliases(actions)
        finally:
            self._counting.aliased()

    async def refresh(self, index: str) -> None:
        """Make all earlier writes searchable."""
        await self._running_engine().refresh(index)

    async def documents(self, index: str, ids: Sequence[str]) -> dict[str, Indexed]:
        """Return those of these documents that exist."""
        return await self._running_engine().documents(index, ids)

    async def scan_documents(
        self, index: str, *, after: str | None, last: str | None = None, limit: int, sources: bool = True
    ) -> list[Indexed]:
        """Return documents in order of ``asset_id``."""
        engine = self._running_engine()
        return await engine.scan_documents(index, after=after, last=last, limit=limit, sources=sources)

    async def ping(self) -> Mapping[str, Any]:
        """Return {"engine", "version"}."""
        return await self._running_engine().ping()


_OF_HITS = frozenset({"from", "sort", "search_after", "highlight", "post_filter"})
"""What says which hits are on a page; aggregations do not depend on it."""


def _without(body: Json, names: AbstractSet[str]) -> Json:
    return {name: value for name, value in body.items() if name not in names}


def running_engine(beacon: Path) -> str | None:
    """Return the URL in a beacon file if its process is alive, otherwise None."""
    try:
        content = orjson.loads(beacon.read_bytes())
        os.kill(content["pid"], 0)
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return str(content["url"])
