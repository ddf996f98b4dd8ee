"""Errors of a search request, as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

# The reasons that a problem can have, with what each means. This table is part of `docs/ref-query-syntax.md`.
REASONS: dict[str, str] = {
    "syntax": "The text cannot be parsed: a bracket or quotation mark is missing, or an operator has no operand.",
    "unknown_field": "No field has this name, or you are not allowed to use it.",
    "wrong_type": "The value does not have the field's type.",
    "wrong_range": "The lower bound of a range is above its upper bound.",
    "wildcard": "A wildcard is used where it is not allowed.",
    "unsupported": "The operator is not supported for this field, or is disabled.",
    "boost": "A boost is not a number greater than 0 and at most 100.",
    "fuzzy": "A fuzziness is neither 0, 1 or 2 edits nor a similarity below 1.",
    "limit": "The query is larger or more complex than allowed.",
    "cursor": "The cursor was not issued by this service, or belongs to another search.",
    "no_words": "A hint: the text has no word, number, emoji or other sign to look for, so it matches nothing.",
    "lowercase_operator": "A hint: lower-case `and`, `or` and `not` are words; operators are written in capitals.",
}


@dataclass(frozen=True, slots=True)
class QueryProblem:
    """One problem of a query.

    `reason` is a key of `REASONS`. `offset` and `length` are in characters of the text as sent and always lie within
    it. `message` says where the problem is and how to fix it; `suggestion` is a replacement for the span.
    """

    reason: str
    message: str
    offset: int = 0
    length: int = 0
    suggestion: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the problem as the JSON object used in error details."""
        return asdict(self)


class QueryError(Exception):
    """A search request that cannot be compiled.

    `field` names the part at fault: query, filters, facets, sort, limit, offset, cursor or score_boosts. `key` is the
    name inside that part (the key in `filters`, the facet) and empty for the query text.
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
    """A value that does not fit its field; code that knows its position turns it into a QueryError."""

    def __init__(self, reason: str, message: str, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.suggestion = suggestion

    def problem_at(self, offset: int, length: int) -> QueryProblem:
        """Return this error as a problem at a position in the text."""
        return QueryProblem(self.reason, self.message, offset, length, self.suggestion)
