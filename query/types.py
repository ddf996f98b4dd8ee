"""What a search is, before and after it is compiled: the types that the stages hand to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from query.clauses import Clause, Match
from query.dsl.sorting import SortKey
from query.errors import QueryProblem
from query.facets.plan import FacetPlan
from query.facets.request import DEFAULT_SIZE, FacetRequest


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a search runs. The role `admin` sees the fields for administrators."""

    org_id: str
    user_id: str
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the results of one search.

    `pit` is the engine's id of the point in time, None before one was opened. `after` holds the sort values of the last
    hit seen, None at the start. `now` is the time of the search in milliseconds since 1970, None at the start. `seen`
    counts the hits before this page.
    """

    pit: str | None = None
    after: tuple[Any, ...] | None = None
    fingerprint: str = ""
    now: int | None = None
    seen: int = 0


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What a search asks for, whichever API it came by.

    `filters` is the JSON object as sent (see `query.filters`), with `sort_by` and `sort_order` in it. `sort` is a text
    (`-created_at,title`) or keys; it wins over those in `filters`. `zone` is the IANA name of the time zone of dates
    that name none. `facet_size` is the size of facets given by name. `cursor` is the place where the page begins, in
    place of `offset`. `highlight` marks the words found; `suggest` makes ready to correct those that are not.
    `score_boosts` names what else raises the score of words: `recency`, `popularity` (see `query.dsl.ranking`).
    `source` lists paths of the document to leave out of the results.
    """

    text: str = ""
    filters: Mapping[str, Any] = field(default_factory=dict)
    facets: Sequence[str | FacetRequest] = ()
    sort: str | Sequence[SortKey] = ()
    limit: int = 20
    offset: int = 0
    lenient: bool = False
    zone: str = "UTC"
    facet_size: int = DEFAULT_SIZE
    total_exact: bool = True
    source: Sequence[str] = ()
    cursor: Cursor | None = None
    highlight: bool = False
    suggest: bool = False
    score_boosts: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Spelling:
    """The words to check, in the order of the text, and the body of the search that checks them."""

    words: tuple[Match, ...]
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CompiledSearch:
    """The body for the engine, with what is needed to explain it and to read its answer.

    `clause` is the meaning of the text alone; the filters are in the body only. `cursor` is that of this page, bound to
    the search. A body with a cursor names its point in time and is sent without an index. `spelling` holds the body of
    a second search that checks the spelling of the words, worth sending when the first one found little.
    """

    body: dict[str, Any]
    clause: Clause
    warnings: tuple[QueryProblem, ...]
    facets: tuple[FacetPlan, ...]
    text: str = ""
    cursor: Cursor | None = None
    spelling: Spelling | None = None
