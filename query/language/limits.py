"""How complicated a query may be, and the errors of those that are more.

luqum is quadratic in clauses and recursive in depth, and engines answer 500 or stall on what it lets through: the text
is measured before luqum sees it (`query.language.scan`, `query.language.syntax`),
the clauses again before they are emitted.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from query.errors import QueryError, QueryProblem


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest query that is accepted; each number is inclusive."""

    characters: int = 4096
    depth: int = 20
    clauses: int = 256
    clause_fields: int = 960  # the engine stops at 1,024, the filters' terms and its own included
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
    "clauses": "words and conditions; the values of a list of one field count once",
    "clause_fields": "words times the fields that they are looked up in",
    "filter_terms": "words and values in filters; a list counts once",
    "fuzzies": "fuzzy words",
    "wildcards": "words with wildcards",
    "wildcard_literals": "signs before the first wildcard of a word, at least",
    "slop": "words between those of a phrase",
    "word_characters": "characters in one word",
    "list_values": "values in a list of one field",
    "boost": "the largest boost",
}
assert set(WORDING) == {f.name for f in fields(Limits)}


def over(name: str, value: int, offset: int, length: int) -> QueryProblem:
    """Return the problem of a query whose `name` is `value`, past the limit."""
    allowed = getattr(LIMITS, name)
    message = f"The query has {value} {WORDING[name].partition(';')[0]}; at most {allowed} are allowed ({name})."
    return QueryProblem("limit", message, offset, length)


def require(name: str, value: int, offset: int, length: int) -> None:
    """Raise QueryError when `value` is past the limit called `name`."""
    if value > getattr(LIMITS, name):
        raise QueryError(over(name, value, offset, length))
