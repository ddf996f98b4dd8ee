"""Conditions, orders and pages as MongoDB filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.adapters.shared.arguments import checked_value, checked_values
from service.adapters.shared.bodies import check_path, many_paths, scalar_paths
from service.adapters.shared.pages import Cursor
from service.errors import InvalidInput
from service.ports.store import KINDS, Condition, Exists, In, Index, Order, Range

Filter = dict[str, Any]

SCALARS = ("number", "string", "bool")
"""The types that can be compared and sorted, in MongoDB's sort order."""

_BOUNDS = {"gte": "$gte", "gt": "$gt", "lte": "$lte", "lt": "$lt"}
_NEVER: Filter = {"_id": {"$in": []}}
_LIVE: Filter = {"tombstone": False}


@dataclass(frozen=True, slots=True)
class Part:
    """One range of an index: the filter and the sort. ``path`` is what its cursors hold a value of; None: nothing."""

    filter: Filter
    sort: list[tuple[str, int]]
    path: str | None = None


def field(path: str) -> str:
    """Return the document field of a path in the body. Raises ValueError for a malformed path."""
    return f"body.{check_path(path)}"


def index_field(path: str) -> str:
    """Return the indexed field of a path: ``org_id`` has a field of its own, which is always present."""
    return "org" if path == "org_id" else field(path)


def unique_field(index: Index) -> str:
    """Return the field of a unique index's last path: a copy that is present only if the path has a value."""
    return f"unique.{index.name}"


def where_filter(kind: str, where: Mapping[str, Condition]) -> Filter:
    """Return the filter for live records that meet every condition.

    Raises InvalidInput for a value that no record can hold, ValueError for a malformed path.
    """
    scalar, many = scalar_paths(KINDS[kind]) | {"org_id"}, many_paths(KINDS[kind])
    unique = {index.paths[-1]: unique_field(index) for index in KINDS[kind] if index.unique}
    parts = [_LIVE]
    for path, condition in where.items():
        name = field(path)
        if path in unique and not isinstance(condition, Exists):
            name = unique[path]
        elif path == "org_id" and isinstance(condition, Range) and (condition.gt or condition.gte):
            name = index_field(path)  # its lower bound leaves out the records of no organization
        if path in many:
            parts.append(_one_of_many(path, name, condition))
        else:
            parts.append(_condition(path, name, condition, scalar=path in scalar))
    return _all(parts)


def _one_of_many(path: str, name: str, condition: Condition) -> Filter:
    """Return a condition on a path of many values: as it is, for the server looks into each element of a list."""
    match condition:
        case Range():
            raise ValueError(f"{path} has many values: they are not found by a range")
        case Exists(present):
            some: Filter = {"$or": [_typed(name, kind) for kind in SCALARS]}
            return some if present else {"$nor": [some]}
        case In(values):
            return _any_of(path, name, checked_values(path, values), scalar=True)
        case _:
            return _any_of(path, name, [checked_value(path, condition)], scalar=True)


def _condition(path: str, name: str, condition: Condition, *, scalar: bool) -> Filter:
    match condition:
        case Exists(present):
            return _there(path, scalar=scalar) if present else _missing(path, scalar=scalar)
        case Range():
            return _range(path, name, condition, scalar=scalar)
        case In(values):
            return _any_of(path, name, checked_values(path, values), scalar=scalar)
        case _:
            return _any_of(path, name, [checked_value(path, condition)], scalar=scalar)


def _there(path: str, *, scalar: bool) -> Filter:
    name = field(path)
    if scalar:
        return {name: {"$exists": True, "$ne": None}}
    # A list counts as present, even one that contains null, which the other half would leave out.
    value: Filter = {"$or": [_typed(name, "array"), {"$nor": [_typed(name, "null")]}]}
    return _through_objects(path, _all([{name: {"$exists": True}}, value]))


def _missing(path: str, *, scalar: bool) -> Filter:
    """Return the condition that nothing is there; for an indexed field one that can use the index, unlike ``$nor``."""
    if scalar and "." not in path:
        return {field(path): {"$eq": None}}
    return {"$nor": [_there(path, scalar=scalar)]}


def _range(path: str, name: str, wanted: Range, *, scalar: bool) -> Filter:
    bounds = {sign: getattr(wanted, each) for each, sign in _BOUNDS.items()}
    given = {sign: checked_value(path, value) for sign, value in bounds.items() if value is not None}
    types = {_type(value) for value in given.values()}
    if len(types) > 1 or "bool" in types:
        raise InvalidInput(f"The bounds of {path} must be two numbers or two texts.", field=path)
    inside: Filter = {name: given}  # the server compares within one type only
    if not given:
        inside = {"$or": [_typed(name, "number"), _typed(name, "string")]}
    return (
        inside if scalar else _through_objects(path, _all([inside, _no_list(name), {"$nor": [_typed(name, "bool")]}]))
    )


def _any_of(path: str, name: str, values: list[Any], *, scalar: bool) -> Filter:
    if not values:
        return _NEVER
    among = values[0] if len(values) == 1 else {"$in": values}
    if path == "org_id" and "" not in values:
        return {"org": among}
    equal: Filter = {name: among}
    return equal if scalar else _through_objects(path, _all([equal, *_exact(name, values)]))


def _exact(name: str, values: Sequence[Any]) -> list[Filter]:
    """Return the condition that tells 1 from true on servers that do not (those that store JSON in SQL)."""
    types = {_type(value) for value in values} & {"number", "bool"}
    if len(types) != 1:
        return []
    wanted = _typed(name, "bool") if types == {"bool"} else {"$nor": [_typed(name, "bool")]}
    return [{"$or": [_typed(name, "array"), wanted]}]


def _through_objects(path: str, condition: Filter) -> Filter:
    """Require that no list is on the path: MongoDB would look into each of its elements."""
    names = path.split(".")
    parents = [field(".".join(names[:length])) for length in range(1, len(names))]
    return _all([*map(_no_list, parents), condition])


def _no_list(name: str) -> Filter:
    return {"$nor": [_typed(name, "array")]}


def _typed(name: str, kind: str) -> Filter:
    return {name: {"$type": kind}}


def _type(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case str():
            return "string"
        case _:
            return "number"


def _all(parts: list[Filter]) -> Filter:
    return parts[0] if len(parts) == 1 else {"$and": parts}


def page_parts(kind: str, where: Mapping[str, Condition], order: Order | None, cursor: Cursor | None) -> list[Part]:
    """Return the index ranges whose documents, one range after the other, make up a page.

    Ordered by a path there are two: the records with a value to sort by, then those without. So each range starts at a
    point of an index (keyset pagination), however deep the page. Raises what :func:`where_filter` does.
    """
    matches = where_filter(kind, where)
    key = "key" if where else "_id"  # the indexes of paths end with the copy
    if order is None:
        return [Part(_all([matches, *_behind_key(key, cursor)]), [(key, 1)])]
    if order.path in many_paths(KINDS[kind]):
        raise ValueError(f"{order.path} has many values: there is no order by it")
    name = index_field(order.path)
    scalar = order.path in scalar_paths(KINDS[kind]) or order.path == "org_id"
    sortable = _there(order.path, scalar=True) if scalar else _of_types(order.path, SCALARS)
    lacking = _missing(order.path, scalar=True) if scalar else {"$nor": [sortable]}
    missing = _all([matches, lacking])
    if cursor is not None and cursor.value is None:
        return [Part(_all([missing, *_behind_key(key, cursor)]), [(key, 1)])]
    # The key rises in both directions, which no index read backwards provides: a descending index does (see Index).
    sort = [(name, -1 if order.descending else 1), ("key", 1)]
    ways = [sortable] if cursor is None else _behind_value(order, name, cursor)
    walks = [Part(_all([matches, way]), sort, order.path) for way in ways]
    return [*walks, Part(missing, [(key, 1)])]


def _of_types(path: str, types: Sequence[str]) -> Filter:
    name = field(path)
    return _through_objects(path, _all([{"$or": [_typed(name, kind) for kind in types]}, _no_list(name)]))


def _behind_key(key: str, cursor: Cursor | None) -> list[Filter]:
    return [] if cursor is None else [{key: {"$gt": cursor.key}}]


def _behind_value(order: Order, name: str, cursor: Cursor) -> list[Filter]:
    """Return the range of the rest of the cursor's type, bounded by its value, and the range of the later types."""
    own = SCALARS.index(_type(cursor.value))
    later = SCALARS[:own] if order.descending else SCALARS[own + 1 :]
    beyond = "$lt" if order.descending else "$gt"
    rest: Filter = {"$or": [{name: {beyond: cursor.value}}, {"key": {"$gt": cursor.key}}]}
    bound: Filter = {name: {f"{beyond}e": cursor.value}}
    walk = _through_objects(order.path, _all([bound, rest, _no_list(field(order.path))]))
    return [walk, _of_types(order.path, later)] if later else [walk]
