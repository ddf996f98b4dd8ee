"""What can be wrong with a search request, as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

# The reasons that a problem can have, with what each means. `docs/ref-query-syntax.md` shows this table.
REASONS: dict[str, str] = {
    "syntax": "The text cannot be read: a bracket or quote is missing, an operator has nothing to work on.",
    "unknown_field": "No field has this name, or you may not use it.",
    "wrong_type": "The value is not of the field's type.",
    "wrong_range": "The lower bound of a range is above the upper one.",
    "wildcard": "A wildcard stands where it is not allowed.",
    "unsupported": "The operator does not work with this field, or is switched off.",
    "boost": "A boost is not a number above 0 and up to 100.",
    "fuzzy": "A fuzziness is not 0 to 2 edits, nor a similarity below 1.",
    "limit": "The text is larger or more complicated than allowed.",
    "cursor": "The cursor was not made by this service, or for another search.",
    "lowercase_operator": "A hint: `and`, `or` and `not` are words; the operators are written in capitals.",
}


@dataclass(frozen=True, slots=True)
class QueryProblem:
    """One problem of a query.

    `reason` is a key of `REASONS`. `offset` and `length` are in characters of the text as sent, and always lie within
    it. `message` says where the problem is and how to fix it; `suggestion` is a text to put in place of the span.
    """

    reason: str
    message: str
    offset: int = 0
    length: int = 0
    suggestion: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the problem as the JSON object that error details carry."""
        return asdict(self)


class QueryError(Exception):
    """A search request that cannot be compiled.

    `field` says which part is at fault: query, filters, facets, sort, limit, offset, cursor or score_boosts. `key`
    is the name inside of it (the key of `filters`, the facet), empty for the query text.
    """

    def __init__(self, problem: QueryProblem, *more: QueryProblem, field: str = "query", key: str = "") -> None:
        super().__init__(problem.message)
        self.problems: tuple[QueryProblem, ...] = (problem, *more)
        self.field = field
        self.key = key

    @property
    def problem(self) -> QueryProblem:
        """The first problem."""
        return self.problems[0]


class BadValue(ValueError):
    """A value that does not fit its field; whoever knows its place turns it into a QueryError."""

    def __init__(self, reason: str, message: str, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.suggestion = suggestion

    def at(self, offset: int, length: int) -> QueryProblem:
        """Return the problem of this value at its place in the text."""
        return QueryProblem(self.reason, self.message, offset, length, self.suggestion)
