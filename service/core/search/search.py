"""Search: a request compiled, sent to the engine, and its answer read. Never touches the store."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from mappings.index import MAX_PAGE, RESULT_WINDOW
from query import cursors
from query.clauses import Fuzzy, Wildcard, walk
from query.compile import compile_search, read_facets, read_left_out
from query.completion import FieldCompletion, Name, Value, ValueCompletion, Words, completion
from query.cursors import KEEP_ALIVE
from query.dsl.highlights import Highlighter
from query.errors import QueryError, QueryProblem
from query.explain import Explanation, explain
from query.facets.read import LeftOut
from query.spelling import read_spelling
from query.types import Caller, CompiledSearch, Cursor, SearchRequest
from service.core.access.keys import Principal
from service.core.search.bodies import joined, parted
from service.core.search.spellings import Spellings
from service.core.shared.fair_share import FairShare, Shares
from service.errors import AssetryError, InvalidInput, Unavailable
from service.ports.clock import Clock
from service.ports.search import PitGone, Rejected, SearchEngine
from service.tasks import both

log = logging.getLogger(__name__)

WALK = 1000
"""Ids on a page of a walk over everything that matches."""

FEW = 3
"""A search that finds fewer records than this is worth another spelling."""
_REJECTED_AS_INPUT = frozenset({400, 413})


@dataclass(frozen=True, slots=True)
class Hit:
    """A search document, and by public field name the fragments of it in which words were found."""

    document: dict[str, Any]
    highlights: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A page of hits, how many match in all, and the facets' counts by facet and value.

    ``facet_fields`` and ``left_out`` say of each facet which field it counts, and what it does not show.

    ``next_cursor`` leads to the next page of a search by cursor (None at the end); ``suggestion`` is another spelling
    of the text, when little was found.
    """

    hits: list[Hit]
    total: int
    facets: dict[str, dict[str, int]] = field(default_factory=dict)
    facet_fields: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, LeftOut] = field(default_factory=dict)
    warnings: tuple[QueryProblem, ...] = ()
    next_cursor: str | None = None
    suggestion: str | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    """The engine's answer, and the cursor of the page behind it (None without a cursor or at the end)."""

    body: Mapping[str, Any]
    following: str | None = None


@dataclass(frozen=True, slots=True)
class Completions:
    """What can stand at a place of a text: where that is, and the proposals."""

    place: FieldCompletion | ValueCompletion
    proposals: tuple[Name | Value, ...]


ENGINE_SHARES = Shares(what="searches", places=16, slow_places=8, slow=1.0, waiting=200, patience=10.0)
"""How organizations share a cluster, in each process."""

EMBEDDED_SHARES = replace(ENGINE_SHARES, places=4, slow_places=2, slow=0.5)
"""How organizations share the embedded engine, which has this machine's cores."""


class Searches:
    """The use case of every search, whichever dialect asks.

    ``spellings`` are how facets show their values, where an engine is better not to count that.
    ``key`` signs cursors, and those signed with one of the ``previous`` ones are taken, too; ``share`` gives each
    organization its turn at the engine. ``totals_apart`` says that the engine can end a search early that needs no
    total.
    """

    def __init__(
        self,
        engine: SearchEngine,
        alias: str,
        clock: Clock,
        key: bytes,
        share: FairShare | None = None,
        *,
        previous: Sequence[bytes] = (),
        totals_apart: bool = False,
        spellings: Spellings | None = None,
    ) -> None:
        self._spellings = spellings
        self._engine = engine
        self._alias = alias
        self._clock = clock
        self._keys = (key, *previous)
        self._share = share or FairShare(ENGINE_SHARES)
        self._totals_apart = totals_apart

    async def run(self, who: Principal, request: SearchRequest, *, cursor: str | None = None) -> SearchResult:
        """Search the organization's assets.

        ``cursor`` is ``*`` to begin a walk over all pages, then each answer's ``next_cursor``. Raises QueryError,
        InvalidInput, Unavailable (also while the index is being rebuilt).
        """
        if cursor is not None:
            request = replace(request, cursor=self._decoded(cursor))
        compiled = self._compile(who, replace(request, count_spellings=self._spellings is None))
        page = await self._page(who, compiled)
        answer = page.body
        hits, total = answer["hits"]["hits"], _total(answer["hits"])
        counted = answer.get("aggregations") or {}
        if counted and self._spellings is not None:
            counted = await self._spellings.put_into(counted, who.org_id, compiled, partial(self._ask, who))
        marks = Highlighter(compiled.clause) if request.highlight else None
        return SearchResult(
            hits=[Hit(hit["_source"], marks.mark(hit["_source"]) if marks else {}) for hit in hits],
            total=total,
            facets=read_facets(compiled, counted),
            facet_fields={plan.name: plan.field.name for plan in compiled.facets},
            left_out=read_left_out(compiled, counted),
            warnings=compiled.warnings,
            next_cursor=page.following,
            suggestion=await self._spelling(who, request, compiled, total) if total < FEW else None,
        )

    async def walk(self, who: Principal, request: SearchRequest) -> AsyncIterator[list[str]]:
        """Yield the ids of all assets that match as of now, :data:`WALK` at a time, whatever is written meanwhile.

        Which page, in which order and what comes with it does not matter. Raises as :meth:`run` does; an engine that
        lost its place in between (it was started anew, its index was deleted) is a QueryError about the cursor.
        """
        request = replace(
            request, sort="created_at", limit=MAX_PAGE, offset=0, facets=(), highlight=False, suggest=False
        )
        place: Cursor | None = Cursor()
        while place is not None:
            compiled = self._compile(who, replace(request, cursor=place))
            walked = replace(compiled, body={**compiled.body, "size": WALK, "_source": ["asset_id"]})
            answer = await self._page(who, walked)
            yield [hit["_source"]["asset_id"] for hit in answer.body["hits"]["hits"]]
            place = None if answer.following is None else self._decoded(answer.following)

    def check(self, who: Principal, request: SearchRequest) -> None:
        """Raise QueryError unless the request compiles for this caller with today's fields."""
        self._compile(who, request)

    def explain(self, who: Principal, text: str, *, lenient: bool = False, zone: str = "UTC") -> Explanation:
        """Say how a query text is read. Raises QueryError."""
        return explain(text, _caller(who), self._clock.now(), lenient=lenient, zone=zone)

    async def complete(self, who: Principal, text: str, position: int, size: int) -> Completions:
        """Return what can stand at a position of a query text: names of fields and words, or values with their counts.

        ``size`` bounds the proposals. Values are those of the organization's assets that meet the rest of the text.
        """
        found = completion(text, position, who.roles)
        words = [] if found.words is None else await self._words(who, found.words, size)
        if isinstance(found, FieldCompletion):
            names = found.names[: max(size - len(words), (size + 1) // 2)]
            proposals: tuple[Name | Value, ...] = (*names, *words)
            return Completions(found, proposals[:size])
        if found.words is not None:
            return Completions(found, tuple(words))
        compiled = found.search(_caller(who), self._clock.now(), size=size)
        counted = [] if compiled is None else found.read(compiled, await self._ask(who, compiled.body), size=size)
        return Completions(found, (*found.fixed, *counted)[:size])

    def _decoded(self, cursor: str) -> Cursor:
        """Return a cursor that was signed with any of the keys. Raises QueryError."""
        for key in self._keys[:-1]:
            with suppress(QueryError):
                return cursors.decode(cursor, key)
        return cursors.decode(cursor, self._keys[-1])

    async def _words(self, who: Principal, words: Words, size: int) -> list[Value]:
        compiled = words.search(_caller(who), self._clock.now())
        return [] if compiled is None else words.read(await self._ask(who, compiled.body), size)

    async def _ask_all(self, who: Principal, compiled: CompiledSearch, body: dict[str, Any]) -> dict[str, Any]:
        """Send a body, its hits and its counts apart where that is better. Raises as :meth:`_ask` does."""
        # Which words a pattern stands for is most of its work, and would be looked up twice.
        totals = self._totals_apart and not any(isinstance(part, Wildcard | Fuzzy) for part in walk(compiled.clause))
        shown, counted = parted(body, totals=totals)
        if counted is None:
            return await self._ask(who, shown)
        hits, counts = await both(self._ask(who, shown), self._ask(who, counted))
        return joined(hits, counts)

    async def _ask(self, who: Principal, body: dict[str, Any]) -> dict[str, Any]:
        """Send a body to the index, or to the PIT that it names, when it is the organization's turn.

        Raises InvalidInput, QueryError, TooManyRequests, Unavailable.
        """
        try:
            async with self._share.turn(who.org_id):
                return await self._engine.search(None if "pit" in body else self._alias, body)
        except PitGone as error:
            problem = QueryProblem("cursor", "The cursor has expired: start again with cursor=*.", suggestion="*")
            raise QueryError(problem, field="cursor") from error
        except Rejected as error:
            if error.status in _REJECTED_AS_INPUT:
                raise InvalidInput(
                    "The search engine cannot run this query.",
                    field="query",
                    expected="a simpler query: fewer words, wildcards or facets",
                ) from error
            raise

    def _compile(self, who: Principal, request: SearchRequest) -> CompiledSearch:
        return compile_search(request, _caller(who), self._clock.now())

    async def _page(self, who: Principal, compiled: CompiledSearch) -> _Answer:
        if compiled.cursor is None:
            return _Answer(await self._ask_all(who, compiled, compiled.body))
        opened = await self._engine.open_pit(self._alias, KEEP_ALIVE) if compiled.cursor.pit is None else None
        pit = {"id": opened, "keep_alive": KEEP_ALIVE} if opened else compiled.body["pit"]
        size, begins = compiled.body["size"], compiled.body.get("from", 0)
        # One hit more than asked for tells whether there is a next page; but none can come from behind the window.
        asked = min(size + 1, RESULT_WINDOW - begins)
        try:
            answer = await self._ask_all(who, compiled, {**compiled.body, "pit": pit, "size": asked})
        except BaseException:
            if opened is not None:
                await self._close(opened)
            raise
        hits = answer["hits"]["hits"]
        if len(hits) < asked:
            await self._close(answer.get("pit_id", pit["id"]))
            return _Answer(answer)
        page = {**answer, "hits": {**answer["hits"], "hits": hits[:size]}}
        following = cursors.next_cursor(compiled, page)
        return _Answer(page, None if following is None else cursors.encode(following, self._keys[0]))

    async def _close(self, pit: str) -> None:
        """Let go of a PIT at once; one that the engine does not close now expires by itself."""
        try:
            await self._engine.close_pit(pit)
        except (Unavailable, Rejected) as error:
            log.info("a PIT stays open until it expires: %s", error)

    async def _spelling(
        self, who: Principal, request: SearchRequest, compiled: CompiledSearch, total: int
    ) -> str | None:
        """Return the text in a spelling that finds more, asked for by itself: most searches never pay for it."""
        if compiled.spelling is None:
            return None
        try:
            text = read_spelling(compiled, await self._ask(who, compiled.spelling.body))
            if text is None:
                return None
            again = replace(request, text=text, limit=0, offset=0, cursor=None, facets=(), highlight=False)
            better = await self._ask(who, self._compile(who, again).body)
        except (AssetryError, QueryError, Rejected) as error:
            log.warning("no other spelling: %s", error)  # the search itself is answered
            return None
        return text if _total(better["hits"]) > total else None


def _caller(who: Principal) -> Caller:
    return Caller(who.org_id, who.user_id, who.roles)


def _total(hits: Mapping[str, Any]) -> int:
    total = hits["total"]
    return int(total["value"] if isinstance(total, dict) else total)
