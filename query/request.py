"""A search request, and the body that it becomes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mappings.fields import FOLD
from mappings.index import MAX_OFFSET, MAX_PAGE
from query.clauses import Clause, Exists, Is, Range, conjunction, walk
from query.dates import Clock, zone_of
from query.emit import Bool, Context, emit, scores
from query.errors import BadValue, QueryError, QueryProblem
from query.facets import DEFAULT_SIZE, MAX_SIZE, FacetPlan, facet_body, plan_facets, read_facet
from query.filters import SORT_KEYS, Selection, selections
from query.parse import Parsed, parse
from query.resolve import resolve
from query.scan import Kind
from query.sorting import SortKey, sort_body
from query.weight import expansions

TIMEOUT = "5s"
MAX_WARNINGS = 20
_SURROGATE = re.compile("[\ud800-\udfff]")
_OPERATOR = re.compile(r"[^\w\s]|\b(?:AND|OR|NOT)\b")
_LOWER_CASE = frozenset({"and", "or", "not"})


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a search runs. The role `admin` sees the fields for administrators."""

    org_id: str
    user_id: str
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What a search asks for, whichever API it came by.

    `filters` is the JSON object as sent (see `query.filters`), with `sort_by` and `sort_order` in it. `sort` is a text
    (`-created_at,title`) or keys; it wins over those in `filters`. `zone` is the IANA name of the time zone of dates
    that name none. `source` lists paths of the document to leave out of the results.
    """

    text: str = ""
    filters: Mapping[str, Any] = field(default_factory=dict)
    facets: Sequence[str] = ()
    sort: str | Sequence[SortKey] = ()
    limit: int = 20
    offset: int = 0
    lenient: bool = False
    zone: str = "UTC"
    facet_size: int = DEFAULT_SIZE
    total_exact: bool = True
    source: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class CompiledSearch:
    """The body for the engine, with what is needed to explain it and to read its answer.

    `clause` is the meaning of the text alone; the filters are in the body only.
    """

    body: dict[str, Any]
    clause: Clause
    warnings: tuple[QueryProblem, ...]
    facets: tuple[FacetPlan, ...]


def compile_text(
    text: str, caller: Caller, now: datetime, *, lenient: bool = False, zone: str = "UTC"
) -> tuple[Clause, tuple[QueryProblem, ...]]:
    """Return the typed clauses of a query text, and warnings; raise QueryError with a span inside the text."""
    return _compile_text(text, caller, _clock(now, zone), lenient=lenient)


def compile_search(request: SearchRequest, caller: Caller, now: datetime) -> CompiledSearch:
    """Compile a request to an OpenSearch body; raise QueryError naming the part that is at fault."""
    _check_page(request)
    clock = _clock(now, request.zone)
    clause, warnings = _compile_text(request.text, caller, clock, lenient=request.lenient)
    selected = selections(request.filters, caller.roles, clock)
    plans = plan_facets(request.facets, caller.roles)
    counted = {plan.field.name for plan in plans}
    context = Context(caller.user_id, clock.now, expansions=expansions(clause))
    late = [s for s in selected if s.field is not None and s.field.name in counted]
    query = _query(
        [clause, *(s.clause for s in selected if s not in late)],
        caller,
        context,
        trash=any(_speaks_of_trash(c) for c in [clause, *(s.clause for s in selected)]),
    )
    body: dict[str, Any] = {
        "query": query,
        "from": request.offset,
        "size": request.limit,
        "sort": _sort(request, caller, scored=scores(clause)),
        "timeout": TIMEOUT,
        "track_total_hits": True if request.total_exact else MAX_OFFSET,
        "_source": {"excludes": [FOLD, *request.source]},
    }
    if late:
        body["post_filter"] = emit(conjunction([s.clause for s in late]), context, scoring=False)
    if plans:
        body["aggs"] = {plan.id: _facet(plan, late, context, request) for plan in plans}
    return CompiledSearch(body, clause, warnings, plans)


def read_facets(compiled: CompiledSearch, aggregations: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Return {facet as asked for: {value: count}}: the most frequent first, months in their order."""
    return {plan.name: read_facet(plan, aggregations) for plan in compiled.facets}


def _compile_text(text: str, caller: Caller, clock: Clock, *, lenient: bool) -> tuple[Clause, tuple[QueryProblem, ...]]:
    if not text.isascii():
        text = _SURROGATE.sub("\ufffd", text)  # half a character can not be sent to the engine
    found: list[QueryProblem] = []
    report = found.append if lenient else _raise
    try:
        parsed = parse(text, report)
    except QueryError as error:
        if not lenient:
            raise
        found.append(error.problem)
        parsed = parse(_OPERATOR.sub(lambda match: " " * len(match[0]), text), report)
    clause = resolve(parsed, caller.roles, clock, report, lenient=lenient)
    found.extend(_hints(parsed))
    return clause, tuple(dict.fromkeys(found))[:MAX_WARNINGS]


def _raise(problem: QueryProblem) -> None:
    raise QueryError(problem)


def _hints(parsed: Parsed) -> list[QueryProblem]:
    """Return hints for `and`, `or` and `not` that stand between words."""
    tokens = parsed.tokens
    return [
        QueryProblem(
            "lowercase_operator",
            f"{token.text} was read as a word; the operator is {token.text.upper()}.",
            token.start,
            token.end - token.start,
            token.text.upper(),
        )
        for at, token in enumerate(tokens)
        if token.text in _LOWER_CASE
        and token.kind is Kind.WORD
        and len(tokens) > 1
        and (at == 0 or tokens[at - 1].kind is not Kind.FIELD)
    ]


def _clock(now: datetime, zone: str) -> Clock:
    try:
        return Clock(now.astimezone(UTC), zone_of(zone))
    except BadValue as error:
        raise QueryError(error.at(0, 0), field="zone") from error


def _check_page(request: SearchRequest) -> None:
    limit, offset, size = request.limit, request.offset, request.facet_size
    if not 0 <= limit <= MAX_PAGE:
        raise _out_of_range("limit", f"limit is between 0 and {MAX_PAGE}, not {limit}.")
    if not 0 <= offset <= MAX_OFFSET:
        raise _out_of_range("offset", f"offset is between 0 and {MAX_OFFSET}, not {offset}.")
    if not 1 <= size <= MAX_SIZE:
        raise _out_of_range("facet_size", f"A facet returns 1 to {MAX_SIZE} values, not {size}.")


def _out_of_range(name: str, message: str) -> QueryError:
    return QueryError(QueryProblem("limit", message), field=name)


def _query(clauses: list[Clause], caller: Caller, context: Context, *, trash: bool) -> dict[str, Any]:
    """Return the query of the search: the one place that puts the organization and the trash into it."""
    collected = Bool()
    collected.filter.append({"term": {"org_id": caller.org_id}})
    for at, clause in enumerate(clauses):
        collected.add(clause, context, scoring=at == 0)  # the text scores; filters never do
    if not trash:
        collected.must_not.append({"exists": {"field": "deleted_at"}})
    return collected.dsl()


def _speaks_of_trash(clause: Clause) -> bool:
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
            raise QueryError(QueryProblem("wrong_type", f"{key} is a string."), field="filters", key=key)
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
    return facet_body(plan, others, size=request.facet_size, zone=request.zone)
