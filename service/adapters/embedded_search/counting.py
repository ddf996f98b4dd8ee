"""Facets of the embedded engine, counted here: over the columns of an index, for the documents that a search matches.

The engine says which documents match words and places; each different condition is asked once, and its answer is kept
until something is written. Conditions on exact values are read off the columns without asking. What columns cannot say
(:class:`~service.adapters.embedded_search.conditions.Unsupported`), and a search in a PIT that is older than the last
write, is left to the engine: slow, but right.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar

import orjson

from service.adapters.embedded_search.aggregations import aggregate
from service.adapters.embedded_search.column import Rows, Unreadable
from service.adapters.embedded_search.columns import Columns
from service.adapters.embedded_search.conditions import Unsupported, select
from service.ports.search import BulkItem, BulkOutcome, Json

log = logging.getLogger(__name__)

T = TypeVar("T")

KEPT = 64
"""Conditions of an index whose documents are kept."""
PITS = 256
"""PITs of which it is known what was written since; in one that was forgotten the engine counts."""
IN_THREAD = 2_000
"""From so many documents on they are counted in a thread, so that other requests are answered meanwhile."""

_WRITTEN = range(200, 300)
_ALIVE: Json = {"term": {"deleted": False}}
"""The filter of the alias: no tombstones."""


class Matching(Protocol):
    """An engine that tells which documents match."""

    async def matching(self, index: str | None, body: Json, *, timeout: float) -> list[str] | None:
        """Return the ids of all documents that a body matches; None if there are too many."""
        ...

    async def resolve_alias(self, alias: str) -> dict[str, Json]:
        """Return {physical index: alias options}."""
        ...


class CountedIndex:
    """The columns of one index, and the documents of conditions for as long as nothing changes."""

    def __init__(self, mapping: Json) -> None:
        self.columns = Columns(mapping)
        self.writing = 0
        """Writes that the engine has not answered: some of their documents may be found already."""
        self._matching: OrderedDict[bytes, Rows] = OrderedDict()
        self._generation = 0

    def kept(self, query: bytes) -> Rows | None:
        """Return the documents of a condition, if they are known."""
        if self._generation != self.columns.generation:
            self._matching.clear()
            self._generation = self.columns.generation
        rows = self._matching.get(query)
        if rows is not None:
            self._matching.move_to_end(query)
        return rows

    def keep(self, query: bytes, rows: Rows, generation: int) -> None:
        """Keep the documents of a condition that the engine was asked for at this generation."""
        if generation == self.columns.generation == self._generation and not self.writing:
            self._matching[query] = rows
            if len(self._matching) > KEPT:
                self._matching.popitem(last=False)


class Counting:
    """The columns of every index of an engine, which is told of all that is written to it."""

    def __init__(self) -> None:
        self._indexes: dict[str, CountedIndex] = {}
        self._aliases: dict[str, CountedIndex | None] = {}
        self._pits: OrderedDict[str, tuple[CountedIndex, int]] = OrderedDict()

    def created(self, name: str, body: Json) -> None:
        """Begin to count an index that was created."""
        self._indexes[name] = CountedIndex(body.get("mappings", {}))
        self._aliases.clear()

    def deleted(self, name: str) -> None:
        """Forget an index."""
        self._indexes.pop(name, None)
        self._aliases.clear()

    def aliased(self) -> None:
        """Forget which indexes are behind aliases."""
        self._aliases.clear()

    def clear(self) -> None:
        """Forget everything: the engine is empty."""
        self._indexes.clear()
        self._aliases.clear()
        self._pits.clear()

    @contextmanager
    def writing(self, index: str, ids: Sequence[str]) -> Iterator[None]:
        """Surround a write; where it fails, nobody knows what these documents are now."""
        held = self._indexes.get(index)
        if held is None:
            yield
            return
        held.writing += 1
        try:
            yield
        except BaseException:
            held.columns.forget(ids)
            raise
        finally:
            held.writing -= 1

    def written(self, index: str, items: Sequence[BulkItem], outcomes: Sequence[BulkOutcome]) -> None:
        """Take in what was written, with these outcomes."""
        held = self._indexes.get(index)
        if held is None:
            return
        for item, outcome in zip(items, outcomes, strict=True):
            if outcome.status in _WRITTEN:
                document = orjson.loads(item.document) if isinstance(item.document, bytes) else item.document
                try:
                    held.columns.write(item.id, item.version, document)
                except Unreadable as error:
                    log.info("the engine counts whatever the document %s is among: %s", item.id, error)

    def removed(self, index: str, ids: Sequence[str]) -> None:
        """Forget documents that were deleted."""
        held = self._indexes.get(index)
        if held is not None:
            held.columns.forget(ids)

    async def index(self, engine: Matching, name: str) -> CountedIndex | None:
        """Return an index, or the one index behind an alias; None if that is not all that a search of it finds."""
        held = self._indexes.get(name)
        if held is not None:  # a search of an index itself also finds tombstones
            return None if held.columns.has_tombstones else held
        if name not in self._aliases:
            behind = await engine.resolve_alias(name)
            single = len(behind) == 1 and all(options.get("filter") == _ALIVE for options in behind.values())
            self._aliases[name] = self._indexes.get(next(iter(behind))) if single else None
        return self._aliases[name]

    async def opening(self, engine: Matching, index: str) -> Callable[[str], None]:
        """Say that a PIT is about to be opened; return what to call with its id."""
        held = await self.index(engine, index)
        generation = held.columns.generation if held is not None and not held.writing else -1

        def opened(pit: str) -> None:
            if held is not None and held.columns.generation == generation:
                self._pits[pit] = (held, generation)
                if len(self._pits) > PITS:
                    self._pits.popitem(last=False)

        return opened

    async def counts(self, engine: Matching, index: str | None, body: Json, *, timeout: float) -> Counts | None:
        """Return what a body's aggregations count; None if the engine has to say. Raises what searches raise."""
        if index is not None:
            held = await self.index(engine, index)
        else:
            held, generation = self._pits.get(body["pit"]["id"], (None, 0))
            if held is not None and held.columns.generation != generation:
                held = None
        if held is None or "query" not in body:
            return None
        try:
            return await _Question(held, engine, index, body, timeout).answer()
        except Unsupported:
            return None


class Counts:
    """The answer: ``aggregations`` by name, over an index and as many hits as ``total`` (None if that is unknown).

    What the columns cannot say is not among them: the engine answers it.
    """

    def __init__(self, held: CountedIndex, generation: int, aggregations: Json, total: int | None) -> None:
        self.aggregations = aggregations
        self._held = held
        self._generation = generation
        self._total = total

    def agree(self, answer: Json) -> bool:
        """Whether they are of what the engine found: so unless others write to it, or something is written just now."""
        if self._total is None or self._held.writing or self._held.columns.generation != self._generation:
            return True
        total = answer["hits"].get("total")
        return not isinstance(total, dict) or total["relation"] != "eq" or total["value"] == self._total


class _Question:
    """The aggregations of one search."""

    def __init__(self, held: CountedIndex, engine: Matching, index: str | None, body: Json, timeout: float) -> None:
        self._held = held
        self._engine = engine
        self._index = index
        self._body = body
        self._scope: Json = {name: body[name] for name in ("pit", "timeout") if name in body}
        self._timeout = timeout

    async def answer(self) -> Counts:
        """Count. Raises Unsupported."""
        generation = self._held.columns.generation
        rows = await self._rows(self._body["query"])
        found: Json = {}
        inside: dict[bytes, Rows] = {}
        for name, aggregation in self._body["aggs"].items():
            own, counted = rows, {name: aggregation}
            try:
                if set(aggregation) == {"filter", "aggs"}:
                    key = orjson.dumps(aggregation["filter"])
                    if key not in inside:
                        inside[key] = await self._within(rows, aggregation["filter"])
                    own = inside[key]
                    counted = {name: {"filter": {"match_all": {}}, "aggs": aggregation["aggs"]}}
                found |= await _looked(aggregate, self._held.columns, own, counted)
            except Unsupported:
                continue  # the engine answers it
        return Counts(self._held, generation, found, await self._total(rows))

    async def _total(self, rows: Rows) -> int | None:
        if "post_filter" not in self._body:
            return len(rows)
        try:
            return len(await self._select(rows, self._body["post_filter"]))
        except Unsupported:
            return None

    async def _select(self, rows: Rows, condition: Json) -> Rows:
        return await _looked(select, self._held.columns, rows, condition)

    async def _within(self, rows: Rows, condition: Json) -> Rows:
        """Return those of the rows that meet a further condition."""
        try:
            return await self._select(rows, condition)
        except Unsupported:
            return await self._rows({"bool": {"filter": [self._body["query"], condition]}})

    async def _rows(self, query: Json) -> Rows:
        """Return the documents that match: read off the columns, known from before, or asked of the engine."""
        columns = self._held.columns
        key = orjson.dumps(query)
        rows = self._held.kept(key)
        if rows is not None:
            return rows
        generation = columns.generation
        try:
            rows = await self._select(columns.all(), query)
        except Unsupported:
            ids = await self._engine.matching(self._index, {**self._scope, "query": query}, timeout=self._timeout)
            if ids is None:
                raise
            rows, absent = columns.rows(ids)
            if absent and not self._held.writing and columns.generation == generation:
                raise
        self._held.keep(key, rows, generation)
        return rows


async def _looked(look: Callable[[Columns, Rows, Json], T], columns: Columns, rows: Rows, what: Json) -> T:
    """Look through rows: many of them in a thread."""
    if len(rows) < IN_THREAD:
        return look(columns, rows, what)
    return await asyncio.to_thread(look, columns, rows, what)
