# ruff: noqa: S608 - the names in the statements are kinds and checked paths; every value is a parameter
"""Conditions, orders and pages as SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.adapters.shared.arguments import checked_value, checked_values
from service.adapters.shared.pages import Cursor
from service.adapters.sqlite.schema import column, json_path
from service.errors import InvalidInput
from service.ports.store import KINDS, Condition, Exists, In, Order, Range

COLUMNS = "key, rev, tombstone, updated_at, body"
"""The columns that every read of records selects, in the order that ``rows.record`` takes."""

_BOUNDS = {"gte": ">=", "gt": ">", "lte": "<=", "lt": "<"}


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL and its parameters."""

    text: str
    values: tuple[Any, ...] = ()
    scattered: bool = False
    """Whether the index returns rows for several values, one value after the other, so not in the order of keys."""


def where_sql(kind: str, where: Mapping[str, Condition]) -> Sql:
    """Return what follows WHERE.

    Raises InvalidInput for a value that no record can hold, ValueError for a malformed path.
    """
    indexed = {path for index in KINDS[kind] for path in index.paths} | {"org_id"}
    parts = [_condition(path, condition, scalar=path in indexed) for path, condition in where.items()]
    return Sql(
        " AND ".join(["tombstone = 0", *(part.text for part in parts)]),
        tuple(value for part in parts for value in part.values),
        any(path in indexed and isinstance(wanted, In) and len(wanted.values) > 1 for path, wanted in where.items()),
    )


def _condition(path: str, condition: Condition, *, scalar: bool) -> Sql:
    match condition:
        case Exists(present):
            return Sql(f"{column(path)} IS {'NOT ' if present else ''}NULL")
        case Range():
            return _range(path, condition)
        case In(values):
            return _any_of(path, values, scalar=scalar)
        case _:
            return _any_of(path, (condition,), scalar=scalar)


def _range(path: str, wanted: Range) -> Sql:
    bounds = [(sign, getattr(wanted, name)) for name, sign in _BOUNDS.items()]
    given = [(sign, checked_value(path, value)) for sign, value in bounds if value is not None]
    types = {_types(value) for _, value in given} or {("text", "integer", "real")}
    if len(types) > 1 or ("true", "false") in types:
        raise InvalidInput(f"The bounds of {path} must be two numbers or two texts.", field=path)
    parts = [f"{column(path)} {sign} ?" for sign, _ in given] or [f"{column(path)} IS NOT NULL"]
    # SQLite sorts every number before every text and reads true as 1, so the type is compared too.
    parts.append(f"json_type(body, '{json_path(path)}') IN {_literals(types.pop())}")
    return Sql(" AND ".join(parts), tuple(value for _, value in given))


def _any_of(path: str, values: Sequence[Any], *, scalar: bool) -> Sql:
    by_type: dict[tuple[str, ...], list[Any]] = {}
    for value in checked_values(path, values):
        by_type.setdefault(_types(value), []).append(value)
    parts = [_typed(path, types, items, scalar=scalar) for types, items in by_type.items()]
    text = " OR ".join(part.text for part in parts) or "FALSE"
    return Sql(f"({text})", tuple(value for part in parts for value in part.values))


def _typed(path: str, types: tuple[str, ...], values: list[Any], *, scalar: bool) -> Sql:
    marks = ", ".join("?" * len(values))
    among = f"= {marks}" if len(values) == 1 else f"IN ({marks})"
    if path == "org_id":  # a separate column, always text; its affinity would turn a number into text
        return Sql(f"org_id {among}", tuple(values)) if types == ("text",) else Sql("FALSE")
    place = json_path(path)
    if scalar:  # written so that an expression index can be used
        return Sql(f"({column(path)} {among} AND json_type(body, '{place}') IN {_literals(types)})", tuple(values))
    return Sql(
        f"(json_type(body, '{place}') <> 'object' AND EXISTS (SELECT 1 FROM json_each(body, '{place}') AS item"
        f" WHERE item.type IN {_literals(types)} AND item.value {among}))",
        tuple(values),
    )


def _types(value: Any) -> tuple[str, ...]:
    """Return SQLite's names of the JSON types that a value can be equal to or compared with."""
    match value:
        case bool():
            return ("true", "false")
        case str():
            return ("text",)
        case _:
            return ("integer", "real")


def _literals(names: Sequence[str]) -> str:
    return "(" + ", ".join(f"'{name}'" for name in names) + ")"


def page_sql(kind: str, where: Sql, order: Order | None, cursor: Cursor | None) -> list[Sql]:
    """Return the statements whose rows, one after the other, make up a page; the last parameter is the limit.

    Ordered by a path there are two: the records with a value there, then those without. So each statement starts at a
    point of an index (keyset pagination), however deep the page.
    """
    if order is None:
        # SQLite prefers reading all records of an organization in the order of keys to sorting the few that an index
        # finds; the unary plus tells it that no index has this order.
        return [_select(kind, "key", where, _behind_key(cursor), "+key" if where.scattered else "key")]
    value = column(order.path)
    missing = _select(kind, "NULL", where, Sql(f"{value} IS NULL"), "key")
    if cursor is not None and cursor.value is None:
        return [_select(kind, "NULL", where, _both(Sql(f"{value} IS NULL"), _behind_key(cursor)), "key")]
    sort = f"{value} {'DESC' if order.descending else 'ASC'}, key"
    start = Sql(f"{value} IS NOT NULL")
    if cursor is not None:
        beyond = "<" if order.descending else ">"
        text = f"{value} {beyond}= ? AND ({value} {beyond} ? OR key > ?)"
        start = Sql(text, (cursor.value, cursor.value, cursor.key))
    return [_select(kind, value, where, start, sort), missing]


def _behind_key(cursor: Cursor | None) -> Sql:
    return Sql("TRUE") if cursor is None else Sql("key > ?", (cursor.key,))


def _both(one: Sql, other: Sql) -> Sql:
    return Sql(f"{one.text} AND {other.text}", one.values + other.values)


def _select(kind: str, value: str, where: Sql, start: Sql, sort: str) -> Sql:
    both = _both(where, start)
    return Sql(f'SELECT {COLUMNS}, {value} FROM "{kind}" WHERE {both.text} ORDER BY {sort} LIMIT ?', both.values)
