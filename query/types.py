"""A search before and after compilation: the types shared by the stages of the compiler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from query.clauses import Clause, Match
from query.dsl.sorting import SortKey
from query.errors import QueryProblem
from query.facets.plan import FacetPlan
from query.facets.request import FacetRequest


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller on whose behalf a search runs. The role `admin` sees the fields for administrators."""

    org_id: str
    user_id: str
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in the results of one search.

    `pit` is the engine's id of the point in time, None until one is opened. `after` holds the sort values of the last
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
    """A search request, whichever API it came through.

    `filters` is the JSON object as sent (see `query.filters`), including `sort_by` and `sort_order`. `sort` is a text
    (`-created_at,title`) or a list of keys; it takes precedence over `filters`. `zone` is the IANA name of the time
    zone of dates without one. `facet_size` is the size of facets given by name only. `cursor` is where the page starts,
    instead of `offset`. `highlight` marks matching words; `suggest` prepares a spelling check. `score_boosts` are
    optional boosts: `recency`, `popularity` (see `query.dsl.ranking`). `count_left_out` counts the values
    that facets do not show, and `count_spellings` how they are written, which costs another aggregation each. `source`
    lists document paths to exclude from the results.
    """

    text: str = ""
    filters: Mapping[str, Any] = field(default_factory=dict)
    facets: Sequence[str | FacetRequest] = ()
    sort: str | Sequence[SortKey] = ()
    limit: int = 20
    offset: int = 0
    lenient: bool = False
    zone: str = "UTC"
    facet_size: int | None = None
    total_exact: bool = True
    source: Sequence[str] = ()
    cursor: Cursor | None = None
    highlight: bool = False
    suggest: bool = False
    score_boosts: Sequence[str] = ()
    count_left_out: bool = False
    count_spellings: bool = True


@dataclass(frozen=True, slots=True)
class Spelling:
    """The words to check, in text order, and the body of the search that checks them."""

    words: tuple[Match, ...]
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CompiledSearch:
    """The body for the engine, and what is needed to explain it and to read the response.

    `clause` is the meaning of the text alone; filters are in the body only. `cursor` is the cursor of this page, bound
    to the search. A body with a cursor names its point in time and is sent without an index. `spelling` holds the body
    of a second search that checks the spelling, worth sending if the first one found little.
    """

    body: dict[str, Any]
    clause: Clause
    warnings: tuple[QueryProblem, ...]
    facets: tuple[FacetPlan, ...]
    text: str = ""
    cursor: Cursor | None = None
    spelling: Spelling | None = None
