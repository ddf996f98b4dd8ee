"""Query text to clauses and warnings."""

from __future__ import annotations

import re
from collections.abc import Set

from query.clauses import Clause, Nothing
from query.errors import QueryError, QueryProblem
from query.language.dates import Clock
from query.language.parse import Parsed, parse
from query.language.resolve import resolve
from query.language.scan import Kind

MAX_WARNINGS = 20
_SURROGATE = re.compile("[\ud800-\udfff]")
_OPERATOR = re.compile(r"[!-/:-@\[-^`{-~“”„‟«»]|\b(?:AND|OR|NOT)\b")
_LOWER_CASE = frozenset({"and", "or", "not"})


def read_text(text: str, roles: Set[str], clock: Clock, *, lenient: bool) -> tuple[Clause, tuple[QueryProblem, ...]]:
    """Return the typed clauses of a query text, and warnings. Raises QueryError with a span inside the text."""
    if not text.isascii():
        text = _SURROGATE.sub("\ufffd", text)  # lone surrogates cannot be sent to the engine
    found: list[QueryProblem] = []
    report = found.append if lenient else _raise
    try:
        parsed = parse(text, report)
    except QueryError as error:
        if not lenient:
            raise
        found.append(error.problem)
        parsed = parse(_OPERATOR.sub(lambda match: " " * len(match[0]), text), report)
    clause = resolve(parsed, roles, clock, report, lenient=lenient)
    if isinstance(clause, Nothing):
        found.append(QueryProblem("no_words", "There is nothing to look for: the text has no words.", *clause.span))
    found.extend(_hints(parsed))
    return clause, tuple(dict.fromkeys(found))[:MAX_WARNINGS]


def _raise(problem: QueryProblem) -> None:
    raise QueryError(problem)


def _hints(parsed: Parsed) -> list[QueryProblem]:
    """Return hints for lower-case `and`, `or` and `not` between words."""
    tokens = parsed.tokens
    return [
        QueryProblem(
            "lowercase_operator",
            f"{token.text} was searched as a word. For the operator, write {token.text.upper()}.",
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
