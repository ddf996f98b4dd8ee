"""A search request to the engine's request body: the entry point of the compiler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mappings.fields import FOLD
from mappings.index import MAX_OFFSET, MAX_PAGE
from query.clauses import Clause, Exists, Is, Range, conjunction, walk
from query.cursors import check_cursor, fingerprint, page_body
from query.dsl.emit import Bool, Context, emit, scores
from query.dsl.ranking import check_score_boosts, with_score_boosts
from query.dsl.sorting import SortKey, sort_body
from query.errors import BadValue, QueryError, QueryProblem
from query.facets.body import facet_body
from query.facets.plan import FacetPlan, plan_facets
from query.facets.read import LeftOut, left_out, read_facet
from query.facets.request import MAX_SIZE
from query.filters import SORT_KEYS, Selection, selections
from query.language.cost import expansions
from query.language.dates import Clock, zone_of
from query.language.read import read_text
from query.spelling import plan_spelling
from query.types import Caller, CompiledSearch, Cursor, SearchRequest

TIMEOUT = "5s"


def compile_text(
    text: str, caller: Caller, now: datetime, *, lenient: bool = False, zone: str = "UTC"
) -> tuple[Clause, tuple[QueryProblem, ...]]:
    """Return the typed clauses of a query text, and warnings. Raises QueryError with a span inside the text."""
    return read_text(text, caller.roles, _clock(now, zone), lenient=lenient)


def compile_search(request: SearchRequest, caller: Caller, now: datetime) -> CompiledSearch:
    """Compile a request to an OpenSearch body. Raises QueryError that names the invalid part."""
    _check_page(request)
    check_score_boosts(request.score_boosts)
    check_cursor(request, caller)
    cursor = _bind_cursor(request, caller, now)
    clock = _clock(now if cursor is None else _time_of(cursor), request.zone)
    clause, warnings = read_text(request.text, caller.roles, clock, lenient=request.lenient)
    plans = plan_facets(request.facets, caller.roles, clock, size=request.facet_size, zone=request.zone)
    selected = selections(request.filters, caller.roles, clock, plans)
    counted = {plan.field.name for plan in plans}
    context = Context(caller.user_id, clock.now, expansions=expansions(clause))
    late = [s for s in selected if s.field is not None and s.field.name in counted]
    trash = any(_mentions_trash(c) for c in [clause, *(s.clause for s in selected)])
    sort = _sort(request, caller, scored=scores(clause))
    body: dict[str, Any] = {
        "query": _query([clause, *(s.clause for s in selected if s not in late)], caller, context, trash=trash),
        **_page(request, cursor, sort),
        "sort": sort,
        "timeout": TIMEOUT,
        "track_total_hits": True if request.total_exact else MAX_OFFSET,
        "_source": {"excludes": [FOLD, *request.source]},
    }
    if request.score_boosts and scores(clause):
        body["query"] = with_score_boosts(body["query"], request.score_boosts, clock.now)
    if late:
        body["post_filter"] = emit(conjunction([s.clause for s in late]), context, scoring=False)
    if plans:
        body["aggs"] = {plan.id: _facet(plan, late, context, request) for plan in plans}
    spelling = plan_spelling(clause, _query([], caller, context, trash=trash)) if request.suggest else None
    return CompiledSearch(body, clause, warnings, plans, request.text, cursor, spelling)


def read_facets(compiled: CompiledSearch, aggregations: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Return {facet as requested: {value: count}}, each in the requested order."""
    return {plan.name: read_facet(plan, aggregations) for plan in compiled.facets}


def read_left_out(compiled: CompiledSearch, aggregations: Mapping[str, Any]) -> dict[str, LeftOut]:
    """Return {facet as requested: what it does not show}."""
    return {plan.name: left_out(plan, aggregations) for plan in compiled.facets}


def _bind_cursor(request: SearchRequest, caller: Caller, now: datetime) -> Cursor | None:
    """Return the cursor of a request; a starting cursor is bound to the search and to its time."""
    cursor = request.cursor
    if cursor is None or cursor.after is not None:
        return cursor
    return Cursor(cursor.pit, None, fingerprint(request, caller), int(now.timestamp() * 1000))


def _time_of(cursor: Cursor) -> datetime:
    assert cursor.now is not None
    return datetime.fromtimestamp(cursor.now / 1000, UTC)


def _page(request: SearchRequest, cursor: Cursor | None, sort: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if cursor is None:
        return {"from": request.offset, "size": request.limit}
    return page_body(cursor, request.limit, scored=any("_score" in key for key in sort))


def _clock(now: datetime, zone: str) -> Clock:
    try:
        return Clock(now.astimezone(UTC), zone_of(zone))
    except BadValue as error:
        raise QueryError(error.problem_at(0, 0), field="zone") from error


def _check_page(request: SearchRequest) -> None:
    limit, offset, size = request.limit, request.offset, request.facet_size
    if not 0 <= limit <= MAX_PAGE:
        raise _out_of_range("limit", f"limit must be between 0 and {MAX_PAGE}, not {limit}.")
    if not 0 <= offset <= MAX_OFFSET:
        raise _out_of_range("offset", f"offset must be between 0 and {MAX_OFFSET}, not {offset}.")
    if size is not None and not 1 <= size <= MAX_SIZE:
        raise _out_of_range("facet_size", f"A facet returns 1 to {MAX_SIZE} values, not {size}.")


def _out_of_range(name: str, message: str) -> QueryError:
    return QueryError(QueryProblem("limit", message), field=name)


def _query(clauses: list[Clause], caller: Caller, context: Context, *, trash: bool) -> dict[str, Any]:
    """Return the query of the search: the only place that adds the organization and the trash to it."""
    collected = Bool()
    collected.filter.append({"term": {"org_id": caller.org_id}})
    for at, clause in enumerate(clauses):
        collected.add(clause, context, scoring=at == 0)  # the text scores; filters never do
    if not trash:
        collected.must_not.append({"exists": {"field": "deleted_at"}})
    return collected.dsl()


def _mentions_trash(clause: Clause) -> bool:
    for part in walk(clause):
        if isinstance(part, Is) and part.flag == "deleted":
            return True
        if isinstance(part, Exists | Range) and part.field.name == "deleted_at":
            return True
    return False


def _sort(request: SearchRequest, caller: Caller, *, scored: bool) -> list[dict[str, Any]]:
    if request.sort:
        return sort_body(request.sort, caller.roles, scored=scored)
    name, order = request.filters.get("sort_by"), request.filters.get("sort_order")
    for key, value in (("sort_by", name), ("sort_order", order)):
        if value is not None and not isinstance(value, str):
            raise QueryError(QueryProblem("wrong_type", f"{key} must be a string."), field="filters", key=key)
    if name is None and order is None:
        return sort_body((), caller.roles, scored=scored)
    assert {"sort_by", "sort_order"} == SORT_KEYS
    try:
        return sort_body(
            [SortKey(name or ("relevance" if scored else "created_at"), order)], caller.roles, scored=scored
        )
    except QueryError as error:
        raise QueryError(*error.problems, field="filters", key="sort_order" if name is None else "sort_by") from error


def _facet(plan: FacetPlan, late: Sequence[Selection], context: Context, request: SearchRequest) -> dict[str, Any]:
    others = [
        emit(s.clause, context, scoring=False) for s in late if s.field is not None and s.field.name != plan.field.name
    ]
    return facet_body(plan, others, distinct=request.count_left_out, spelled=request.count_spellings)
