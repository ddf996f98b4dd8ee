# ruff: noqa: S608 - the names in the statements are kinds and checked paths; every value is a parameter
"""Conditions, orders and pages as SQL."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from service.adapters.shared.arguments import checked_value, checked_values
from service.adapters.shared.bodies import many_paths, scalar_paths
from service.adapters.shared.pages import Cursor
from service.adapters.sqlite.schema import column, entries_sql, json_path, many_table
from service.errors import InvalidInput
from service.ports.store import KINDS, Condition, Exists, In, Order, Range

COLUMNS = "key, rev, tombstone, updated_at, body"
"""The columns that every read of records selects, in the order that ``rows.record`` takes."""

K = TypeVar("K", bound=Hashable)

_BOUNDS = {"gte": ">=", "gt": ">", "lte": "<=", "lt": "<"}


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL and its parameters."""

    text: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Where:
    """What follows FROM and WHERE, and the name of the key there, by which pages go.

    ``scattered`` says that an index has the rows in several places, one for each of several values: not in the order of
    keys.
    """

    source: str
    text: str
    values: tuple[Any, ...] = ()
    key: str = "key"
    scattered: bool = False


def where_sql(kind: str, where: Mapping[str, Condition]) -> Where:
    """Return where the records are that meet every condition.

    A condition on one value of a ``many`` index leads: the walk goes along its rows, in the order of keys. Raises
    InvalidInput for a value that no record can hold, ValueError for a malformed path and a range of many values.
    """
    indexed, many = scalar_paths(KINDS[kind]) | {"org_id"}, many_paths(KINDS[kind])
    leading = next((path for path, wanted in where.items() if path in many and _is_one_value(wanted)), None)
    parts = [Sql("tombstone = 0")]
    for path, condition in where.items():
        if path not in many:
            parts.append(_condition(path, condition, scalar=path in indexed))
        elif path == leading:
            parts += _rows(path, condition, where.get("org_id"))
        else:
            parts.append(_any_row(kind, path, condition, where.get("org_id"), led=leading is not None))
    several = [path for path, wanted in where.items() if isinstance(wanted, In) and len(wanted.values) > 1]
    return Where(
        f'"{kind}"' if leading is None else f'"{many_table(kind)}" CROSS JOIN "{kind}" ON key = owner',
        " AND ".join(part.text for part in parts),
        tuple(value for part in parts for value in part.values),
        "key" if leading is None else "owner",
        leading is None and any(path in indexed or path in many for path in several),
    )


def _is_one_value(condition: Condition) -> bool:
    if isinstance(condition, In):
        return len(condition.values) == 1
    return not isinstance(condition, (Range, Exists))


def _rows(path: str, condition: Condition, org: Condition | None) -> list[Sql]:
    """Return the conditions, one for each type of value, by which the rows of a ``many`` index are found."""
    values = checked_values(path, condition.values if isinstance(condition, In) else (condition,))
    within = Sql(" AND org = ?", (org,)) if isinstance(org, str) else Sql("")
    return [
        Sql(f"path = '{path}' AND type = '{name}' AND value {_among(items)}{within.text}", (*items, *within.values))
        for name, items in _by_type(values, _row_type).items()
    ]


def _any_row(kind: str, path: str, condition: Condition, org: Condition | None, *, led: bool) -> Sql:
    """Return the condition that a record has a row in a ``many`` index; ``led``: records are looked at one by one."""
    match condition:
        case Range():
            raise ValueError(f"{path} has many values: they are not found by a range")
        case Exists(present):  # no index has the order of keys for it: the body says it as soon
            values = entries_sql(path, f'"{kind}"')
            return Sql(f"{'' if present else 'NOT '}EXISTS ({values})")
    found = _rows(path, condition, org)
    if not found:
        return Sql("FALSE")
    # Within the subquery the names of the table's columns are its own; "key" and "org_id" are the record's.
    what, mine = ("1", " AND org = ifnull(org_id, '') AND owner = key") if led else ("owner", "")
    rows = " UNION ALL ".join(f'SELECT {what} FROM "{many_table(kind)}" WHERE {each.text}{mine}' for each in found)
    return Sql(
        f"EXISTS ({rows})" if led else f"key IN ({rows})", tuple(value for each in found for value in each.values)
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
    by_type = _by_type(checked_values(path, values), _types)
    parts = [_typed(path, types, items, scalar=scalar) for types, items in by_type.items()]
    text = " OR ".join(part.text for part in parts) or "FALSE"
    return Sql(f"({text})", tuple(value for part in parts for value in part.values))


def _typed(path: str, types: tuple[str, ...], values: list[Any], *, scalar: bool) -> Sql:
    among = _among(values)
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


def _by_type(values: Sequence[Any], type_of: Callable[[Any], K]) -> dict[K, list[Any]]:
    by_type: dict[K, list[Any]] = {}
    for value in values:
        by_type.setdefault(type_of(value), []).append(value)
    return by_type


def _among(values: Sequence[Any]) -> str:
    return "= ?" if len(values) == 1 else f"IN ({', '.join('?' * len(values))})"


def _row_type(value: Any) -> str:
    """Return what the rows of ``many`` indexes say of a value's type."""
    match value:
        case bool():
            return "bool"
        case str():
            return "text"
        case _:
            return "number"


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


def page_sql(kind: str, conditions: Mapping[str, Condition], order: Order | None, cursor: Cursor | None) -> list[Sql]:
    """Return the statements whose rows, one after the other, make up a page; the last parameter is the limit.

    Ordered by a path there are two: the records with a value there, then those without, unless a condition leaves those
    out. So each statement starts at a
    point of an index (keyset pagination), however deep the page. Raises ValueError for an order by many values.
    """
    where = where_sql(kind, conditions)
    behind = Sql("TRUE") if cursor is None else Sql(f"{where.key} > ?", (cursor.key,))
    if order is None:
        # SQLite prefers reading all records of an organization in the order of keys to sorting the few that an index
        # finds; the unary plus tells it that no index has this order.
        return [_select(where.key, where, behind, "+key" if where.scattered else where.key)]
    if order.path in many_paths(KINDS[kind]):
        raise ValueError(f"{order.path} has many values: there is no order by it")
    value = column(order.path)
    asked = conditions.get(order.path)
    has_missing = asked is None or (isinstance(asked, Exists) and not asked.present)
    lacking = Sql(f"{value} IS NULL")
    missing = _select("NULL", where, lacking, where.key)
    if cursor is not None and cursor.value is None:
        return [_select("NULL", where, Sql(f"{lacking.text} AND {behind.text}", behind.values), where.key)]
    sort = f"{value} {'DESC' if order.descending else 'ASC'}, key"
    start = Sql(f"{value} IS NOT NULL")
    if cursor is not None:
        beyond = "<" if order.descending else ">"
        text = f"{value} {beyond}= ? AND ({value} {beyond} ? OR key > ?)"
        start = Sql(text, (cursor.value, cursor.value, cursor.key))
    present = _select(value, where, start, sort)
    return [present, missing] if has_missing else [present]


def _select(value: str, where: Where, start: Sql, sort: str) -> Sql:
    text = f"SELECT {COLUMNS}, {value} FROM {where.source} WHERE {where.text} AND {start.text} ORDER BY {sort} LIMIT ?"
    return Sql(text, where.values + start.values)
