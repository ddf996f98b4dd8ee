"""The search port on the embedded engine: a child process, watched and started again when it dies."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from service.adapters.embedded_search.osmem import OsmemEngine
from service.adapters.embedded_search.process import OsmemProcess
from service.adapters.opensearch.engine import Connection
from service.errors import AssetryError, Unavailable
from service.ports.search import BulkItem, BulkOutcome, Indexed, Json

log = logging.getLogger(__name__)

Reset = Callable[[], Awaitable[None] | None]
"""Told after each restart, before the engine is open to anyone: the index is empty again."""

FIRST_DELAY = 0.1
LAST_DELAY = 10.0
HEALTHY_SECONDS = 30.0
"""A child that lived this long died of something new: the delay before its restart starts small again."""


class EmbeddedSearch:
    """A :class:`~service.ports.search.SearchEngine` on one child process (``process.OsmemProcess``).

    A child that dies is started again: at once, and after a delay that doubles from 0.1 to 10 s when it keeps dying.
    While there is none every call raises Unavailable at once. ``on_reset`` (settable) is called after each restart,
    and only then does the new, empty engine take calls: nobody writes to it in the belief that it is the old one.

    ``beacon`` is a file in which the URL and pid of the running child are kept, so that another process on the same
    data (the command line) can search by it; :func:`running_engine` reads it.
    """

    def __init__(self, *, beacon: Path | None = None, process: OsmemProcess | None = None) -> None:
        self.on_reset: Reset | None = None
        self._beacon = beacon
        self._process = process or OsmemProcess()
        self._engine: OsmemEngine | None = None
        self._watch: asyncio.Task[None] | None = None
        self.restarts = 0

    @property
    def url(self) -> str | None:
        """Where the child listens; None while there is none."""
        return self._process.url if self._engine is not None else None

    @property
    def pid(self) -> int | None:
        """The child's process id; None while there is none."""
        return self._process.pid

    async def start(self) -> str:
        """Start the child and the watch over it; return its URL. Raises SettingsError, Unavailable."""
        url = await self._process.start()
        self._open(url)
        self._watch = asyncio.create_task(self._supervise(), name="osmem-watch")
        return url

    async def close(self) -> None:
        """End the watch and the child. Safe to call twice."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            await asyncio.wait([watch])
        await self._shut()
        await self._process.close()

    async def _supervise(self) -> None:
        """Start the child again whenever it dies, for ever."""
        loop = asyncio.get_running_loop()
        delay = 0.0
        while True:
            began = loop.time()
            status = await self._process.wait_dead()
            await self._shut()
            lived = loop.time() - began
            delay = 0.0 if lived > HEALTHY_SECONDS else delay
            log.error("the embedded engine ended with %s after %.1f s; it is started again", status, lived)
            delay = await self._revive(delay)

    async def _revive(self, delay: float) -> float:
        """Restart until it works, tell ``on_reset``, open the engine; return the delay before a next attempt."""
        while True:
            await asyncio.sleep(delay)
            delay = min(LAST_DELAY, max(FIRST_DELAY, delay * 2))
            try:
                url = await self._process.restart()
            except AssetryError as error:
                log.error("the embedded engine does not start: %s", error)  # noqa: TRY400 - the message says it all
                continue
            self.restarts += 1
            await self._tell()
            self._open(url)
            return delay

    async def _tell(self) -> None:
        """Call ``on_reset``; its failure is logged and stops nothing."""
        if self.on_reset is None:
            return
        try:
            told = self.on_reset()
            if inspect.isawaitable(told):
                await told
        except Exception:
            log.exception("the engine's reset hook failed")

    def _open(self, url: str) -> None:
        self._engine = OsmemEngine(Connection(hosts=(url,)))
        if self._beacon is not None:
            text = orjson.dumps({"url": url, "pid": self._process.pid})
            scratch = self._beacon.with_name(self._beacon.name + ".new")
            scratch.write_bytes(text)
            scratch.replace(self._beacon)

    async def _shut(self) -> None:
        engine, self._engine = self._engine, None
        if self._beacon is not None:
            self._beacon.unlink(missing_ok=True)
        if engine is not None:
            await engine.close()

    def _live(self) -> OsmemEngine:
        if self._engine is None:
            raise Unavailable("search", "the embedded engine is being started again")
        return self._engine

    async def search(self, index: str | None, body: Json, *, timeout: float = 10.0) -> Json:
        """Search an index or alias, or a PIT."""
        return await self._live().search(index, body, timeout=timeout)

    async def open_pit(self, index: str, keep_alive: str) -> str:
        """Return the id of a PIT."""
        return await self._live().open_pit(index, keep_alive)

    async def close_pit(self, pit: str) -> None:
        """Let go of a PIT; one that is gone already is fine."""
        await self._live().close_pit(pit)

    async def count(self, index: str, query: Json) -> int:
        """Count the documents that match."""
        return await self._live().count(index, query)

    async def bulk(self, index: str, items: Sequence[BulkItem], *, refresh: bool = False) -> list[BulkOutcome]:
        """Index whole documents with external versions."""
        return await self._live().bulk(index, items, refresh=refresh)

    async def versions(self, index: str, ids: Sequence[str]) -> dict[str, int]:
        """Return the stored version of each id that is there."""
        return await self._live().versions(index, ids)

    async def create_index(self, name: str, body: Json) -> None:
        """Create an index."""
        await self._live().create_index(name, body)

    async def delete_index(self, name: str) -> None:
        """Delete an index; one that is absent is fine."""
        await self._live().delete_index(name)

    async def index_exists(self, name: str) -> bool:
        """Whether an index of exactly this name is there."""
        return await self._live().index_exists(name)

    async def mapping_meta(self, name: str) -> Json:
        """Return the mapping's ``_meta`` of a physical index."""
        return await self._live().mapping_meta(name)

    async def mapping(self, name: str) -> Json:
        """Return the mapping of a physical index."""
        return await self._live().mapping(name)

    async def identity(self, name: str) -> str | None:
        """Return what tells this index from another of its name."""
        return await self._live().identity(name)

    async def index_health(self, name: str) -> str:
        """Return the index's health."""
        return await self._live().index_health(name)

    async def index_bytes(self, name: str) -> int | None:
        """Return how much a physical index takes up."""
        return await self._live().index_bytes(name)

    async def adopt_index(self, name: str) -> None:
        """Let bulk write to an index that was made elsewhere."""
        await self._live().adopt_index(name)

    async def delete_documents(self, index: str, items: Sequence[tuple[str, int]]) -> list[BulkOutcome]:
        """Take documents out of an index."""
        return await self._live().delete_documents(index, items)

    async def put_settings(self, name: str, settings: Json) -> None:
        """Change dynamic index settings."""
        await self._live().put_settings(name, settings)

    async def resolve_alias(self, alias: str) -> dict[str, Json]:
        """Return {physical index: alias options}."""
        return await self._live().resolve_alias(alias)

    async def update_aliases(self, actions: Sequence[Json]) -> None:
        """Do all alias actions in one atomic step."""
        await self._live().update_aliases(actions)

    async def refresh(self, index: str) -> None:
        """Make all earlier writes searchable."""
        await self._live().refresh(index)

    async def documents(self, index: str, ids: Sequence[str]) -> dict[str, Indexed]:
        """Return the documents of these ids that are there."""
        return await self._live().documents(index, ids)

    async def scan_documents(self, index: str, *, after: str | None, limit: int, sources: bool = True) -> list[Indexed]:
        """Return documents in order of ``asset_id``."""
        return await self._live().scan_documents(index, after=after, limit=limit, sources=sources)

    async def ping(self) -> Mapping[str, Any]:
        """Return {"engine", "version"}."""
        return await self._live().ping()


def running_engine(beacon: Path) -> str | None:
    """Return the URL in a beacon file if the process that it names is alive, else None."""
    try:
        held = orjson.loads(beacon.read_bytes())
        os.kill(held["pid"], 0)
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return str(held["url"])
