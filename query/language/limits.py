"""How complex a query may be, and the errors of queries that are too complex.

luqum is quadratic in clauses and recursive in depth, and engines answer 500 or stall on queries that it accepts. The
text is therefore checked before luqum sees it (`query.language.scan`, `query.language.syntax`), and the clauses are
checked again before they are emitted.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from query.errors import QueryError, QueryProblem


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest query that is accepted; all limits are inclusive."""

    characters: int = 4096
    depth: int = 20
    clauses: int = 256
    clause_fields: int = 960  # the engine stops at 1,024, including the terms of filters and its own
    filter_terms: int = 48
    fuzzies: int = 10
    wildcards: int = 8
    wildcard_literals: int = 2
    slop: int = 100
    word_characters: int = 256
    list_values: int = 1024
    boost: int = 100


LIMITS = Limits()

WORDING: dict[str, str] = {
    "characters": "characters",
    "depth": "levels of brackets or of repeated negation",
    "clauses": "words and conditions; a list of values for one field counts once",
    "clause_fields": "words times the fields they are looked up in",
    "filter_terms": "words and values in filters; a list counts once",
    "fuzzies": "fuzzy words",
    "wildcards": "words with wildcards",
    "wildcard_literals": "characters required before the first wildcard of a word",
    "slop": "positions between the words of a phrase",
    "word_characters": "characters in one word",
    "list_values": "values in a list for one field",
    "boost": "the largest boost",
}
assert set(WORDING) == {f.name for f in fields(Limits)}


def limit_problem(name: str, value: int, offset: int, length: int) -> QueryProblem:
    """Return the problem of a query that exceeds the limit `name` with `value`."""
    allowed = getattr(LIMITS, name)
    message = f"The query has {value} {WORDING[name].partition(';')[0]}; at most {allowed} are allowed ({name})."
    return QueryProblem("limit", message, offset, length)


def check_limit(name: str, value: int, offset: int, length: int) -> None:
    """Raise QueryError if `value` exceeds the limit `name`."""
    if value > getattr(LIMITS, name):
        raise QueryError(limit_problem(name, value, offset, length))
