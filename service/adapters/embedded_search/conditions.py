"""Conditions of a query on columns: which documents meet them, without asking the engine.

A condition on exact values (equal, one of, between, present, and their combinations) is read off the columns; one on
words, places or nested objects is :class:`Unsupported`, and the engine's to answer.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from service.adapters.embedded_search.column import Column, NumberColumn, Rows, Unreadable
from service.adapters.embedded_search.columns import Columns
from service.ports.search import Json


class Unsupported(Exception):
    """The columns cannot answer this."""


def select(columns: Columns, rows: Rows, query: Json) -> Rows:
    """Return those of the rows that a query matches. Raises Unsupported."""
    if len(query) != 1:
        raise Unsupported("not one query")
    [(kind, body)] = query.items()
    rule = _RULES.get(kind)
    if rule is None:
        raise Unsupported(kind)
    return rule(columns, rows, body)


def _all(columns: Columns, rows: Rows, body: Any) -> Rows:
    return rows


def _bool(columns: Columns, rows: Rows, body: Any) -> Rows:
    if not set(body) <= {"filter", "must", "must_not", "should", "minimum_should_match"}:
        raise Unsupported("bool")
    for clause in (*_clauses(body, "filter"), *_clauses(body, "must")):
        rows = select(columns, rows, clause)
    for clause in _clauses(body, "must_not"):
        out = set(select(columns, rows, clause).numbers)
        if out:
            rows = Rows([row for row in rows.numbers if row not in out])
    options = _clauses(body, "should")
    needed = body.get("minimum_should_match", 0 if "must" in body or "filter" in body else 1)
    if options and needed:
        if needed != 1:
            raise Unsupported("minimum_should_match")
        rows = Rows(sorted({row for option in options for row in select(columns, rows, option).numbers}))
    return rows


def _clauses(body: Json, name: str) -> Sequence[Json]:
    found = body.get(name, ())
    return [found] if isinstance(found, dict) else found


def _term(columns: Columns, rows: Rows, body: Any) -> Rows:
    path, value = _leaf(body)
    return _equal(columns, rows, path, [value["value"] if isinstance(value, Mapping) else value])


def _terms(columns: Columns, rows: Rows, body: Any) -> Rows:
    path, values = _leaf(body)
    if not isinstance(values, list):
        raise Unsupported("terms")
    return _equal(columns, rows, path, values)


def _equal(columns: Columns, rows: Rows, path: str, values: Sequence[Any]) -> Rows:
    column = _known(columns, path)
    try:
        codes = frozenset(code for value in values if (code := column.code(value)) is not None)
    except Unreadable as error:
        raise Unsupported(path) from error
    return Rows(column.having(rows, codes))


def _exists(columns: Columns, rows: Rows, body: Any) -> Rows:
    return Rows(_known(columns, body["field"]).having(rows, None))


def _range(columns: Columns, rows: Rows, body: Any) -> Rows:
    path, bounds = _leaf(body)
    column = _known(columns, path)
    if not isinstance(column, NumberColumn) or not set(bounds) <= set(_COMPARE):
        raise Unsupported("range")
    try:
        tests = [(_COMPARE[name], column.code(bound)) for name, bound in bounds.items()]
    except Unreadable as error:
        raise Unsupported(path) from error
    return Rows(column.between(rows, lambda code: all(holds(code, bound) for holds, bound in tests)))


def _leaf(body: Any) -> tuple[str, Any]:
    if len(body) != 1:
        raise Unsupported("not one field")
    [(path, value)] = body.items()
    return path, value


def _known(columns: Columns, path: str) -> Column:
    column = columns.column(path)
    if column is None:
        raise Unsupported(path)
    return column


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_RULES: Mapping[str, Callable[[Columns, Rows, Any], Rows]] = {
    "match_all": _all,
    "bool": _bool,
    "term": _term,
    "terms": _terms,
    "exists": _exists,
    "range": _range,
}
