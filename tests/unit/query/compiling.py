"""Shorthands of the query tests: one caller, one time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from query.clauses import Clause
from query.compile import compile_search, compile_text
from query.errors import QueryError, QueryProblem
from query.render import render
from query.types import Caller, CompiledSearch, SearchRequest

NOW = datetime(2024, 3, 31, 12, 34, 56, 789123, tzinfo=UTC)
CALLER = Caller("org_a", "user_1")
ADMIN = Caller("org_a", "user_1", frozenset({"admin"}))


def clause(text: str, caller: Caller = CALLER) -> Clause:
    return compile_text(text, caller, NOW)[0]


def normalised(text: str, caller: Caller = CALLER) -> str:
    return render(clause(text, caller))


def fault(text: str) -> tuple[QueryProblem, str]:
    """The first problem of a text in strict mode, and the part of the text that it points at."""
    with pytest.raises(QueryError) as raised:
        clause(text)
    assert raised.value.field == "query"
    return raised.value.problem, pointed(raised.value.problem, text)


def pointed(problem: QueryProblem, text: str) -> str:
    return text[problem.offset : problem.offset + problem.length]


def lenient(text: str) -> tuple[str, tuple[QueryProblem, ...]]:
    found, warnings = compile_text(text, CALLER, NOW, lenient=True)
    return render(found), warnings


def search(text: str = "", caller: Caller = CALLER, **more: Any) -> CompiledSearch:
    return compile_search(SearchRequest(text=text, **more), caller, NOW)


def names_in(body: Any) -> Iterator[str]:
    """Every key of a body, at any depth."""
    if isinstance(body, dict):
        for key, value in body.items():
            yield key
            yield from names_in(value)
    elif isinstance(body, list):
        for value in body:
            yield from names_in(value)
