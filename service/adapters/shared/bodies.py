"""Record bodies: validation, JSON encoding, and applying changes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import orjson

from service.errors import InvalidInput, TooLarge
from service.ports.store import MAX_BODY_BYTES, MAX_MANY, Body, Change, Index

MAX_DEPTH = 100
"""Levels of lists and objects in a body (MongoDB's limit; SQLite's and orjson's are higher)."""

PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*")
"""A dotted path: names of Assetry's own fields, so it can be used in an engine's query unescaped."""


def check_path(path: str) -> str:
    """Return ``path``. Raises ValueError unless it is a dotted path of names."""
    if not PATH.fullmatch(path):
        raise ValueError(f"{path!r} is not a dotted path of field names")
    return path


def encode(body: Mapping[str, Any], *, kind: str) -> bytes:
    """Return a body as UTF-8 JSON. Raises InvalidInput and TooLarge as :data:`~service.ports.store.Body` says."""
    _check_value(body, "", 0)
    text = dump(body, kind=kind)
    if b"\\u0000" in text:
        _refuse_nul(body, "")
    return text


def dump(body: Mapping[str, Any], *, kind: str) -> bytes:
    """Return a body with valid values as UTF-8 JSON. Raises TooLarge, and InvalidInput for a bad org_id."""
    try:
        text = orjson.dumps(body)
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise InvalidInput(f"Cannot write the {kind} as JSON: {error}.") from error
    if len(text) > MAX_BODY_BYTES:
        raise TooLarge(f"The {kind} is {len(text):,} bytes long as JSON; the limit is {MAX_BODY_BYTES:,} bytes.")
    org_id = body.get("org_id")
    if org_id is not None and not isinstance(org_id, str):
        raise InvalidInput("org_id must be text.", field="org_id", provided=org_id)
    return text


def scalar_paths(indexes: tuple[Index, ...]) -> frozenset[str]:
    """Return the indexed paths that hold one value each."""
    return frozenset(path for index in indexes for path in (index.paths[:-1] if index.many else index.paths))


def many_paths(indexes: tuple[Index, ...]) -> tuple[str, ...]:
    """Return the paths of indexes over many values, each once."""
    return tuple(dict.fromkeys(index.paths[-1] for index in indexes if index.many))


def check_indexed(body: Mapping[str, Any], indexes: tuple[Index, ...]) -> None:
    """Raise InvalidInput when an indexed path holds what :class:`~service.ports.store.Index` does not allow."""
    for index in indexes:
        if index.many:
            _check_many(body, index.paths[-1])
        for path in index.paths[:-1] if index.many else index.paths:
            value = lookup(body, path)
            if isinstance(value, (list, tuple, dict)):
                raise InvalidInput(f"{path} must be a single value, not {type(value).__name__}.", field=path)


def _check_many(body: Mapping[str, Any], path: str) -> None:
    values = set()
    for value in _values(body, path.split("."), path, listed=False):
        if isinstance(value, (list, tuple, dict)):
            raise InvalidInput(f"{path} must be a list of values, without {type(value).__name__}s.", field=path)
        if value is not None:
            values.add((isinstance(value, bool), value))
    if len(values) > MAX_MANY:
        raise InvalidInput(f"{path} has {len(values):,} different values; the limit is {MAX_MANY:,}.", field=path)


def _values(value: Any, names: list[str], path: str, *, listed: bool) -> Iterator[Any]:
    """Yield what is at the rest of a path, through one list at most. Raises InvalidInput for another on the way."""
    if isinstance(value, (list, tuple)):
        if listed:
            raise InvalidInput(f"{path} goes through a list in a list.", field=path)
        for item in value:
            yield from _values(item, names, path, listed=True)
    elif not names:
        yield value
    elif isinstance(value, Mapping):
        yield from _values(value.get(names[0]), names[1:], path, listed=listed)
    elif listed and value is not None:
        raise InvalidInput(f"{path} goes through a list of what is no object.", field=path)


def lookup(body: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, or None if there is none."""
    value: Any = body
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def check_change(change: Change) -> None:
    """Raise ValueError when a change names a field twice or a malformed path."""
    names = [*change.set, *change.unset]
    if any("." in check_path(name) for name in names):
        raise ValueError("set and unset take top-level fields only")
    paths = sorted([*names, *map(check_path, change.increment)])
    for one, other in pairwise(paths):
        if other == one or other.startswith(f"{one}."):
            raise ValueError(f"{one!r} and {other!r} overlap in the same change")


def applied(body: Body, change: Change) -> Body:
    """Return ``body`` with ``change`` applied; ``body`` itself may be modified.

    Raises InvalidInput for an increment of a value that is not a number, or beyond the range of numbers.
    """
    body.update(change.set)
    for name in change.unset:
        body.pop(name, None)
    for path, amount in change.increment.items():
        _increment(body, path, amount)
    return body


def _increment(body: Body, path: str, amount: float) -> None:
    *parents, last = path.split(".")
    target: Any = body
    for name in parents:
        if target.get(name) is None:
            target[name] = {}
        target = target[name]
        if not isinstance(target, dict):
            raise InvalidInput(f"Cannot increment {path}: {name} is not an object.", field=path)
    value = 0 if target.get(last) is None else target[last]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidInput(f"Cannot increment {path}: it is not a number.", field=path, provided=value)
    target[last] = value + amount
    _check_value(target[last], path, 0)


def _check_value(value: Any, path: str, depth: int) -> None:
    match value:
        case None | bool() | str():
            return
        case int():
            if not -(2**63) <= value < 2**63:
                raise InvalidInput(f"{path} does not fit in a 64-bit integer.", field=path, provided=value)
        case float():
            if not math.isfinite(value):
                raise InvalidInput(f"{path} must be a finite number.", field=path, provided=str(value))
        case dict():
            _check_depth(path, depth)
            for name, item in value.items():
                if not isinstance(name, str):
                    raise InvalidInput(
                        f"{path or 'The body'} has the key {name!r}; keys must be text.", field=path or None
                    )
                _check_value(item, f"{path}.{name}" if path else name, depth + 1)
        case list() | tuple():
            _check_depth(path, depth)
            for item in value:
                _check_value(item, path, depth + 1)
        case _:
            raise InvalidInput(
                f"{path or 'The body'} is a {type(value).__name__}, which JSON cannot represent.", field=path or None
            )


def _check_depth(path: str, depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise InvalidInput(f"{path[:80]} is nested more than {MAX_DEPTH} levels deep.", field=path[:80])


def _refuse_nul(value: Any, path: str) -> None:
    # Only called when the JSON text shows an escaped NUL, which may also be an escaped backslash before "u0000".
    match value:
        case str() if "\0" in value:
            raise InvalidInput(f"{path} must not contain the character NUL (U+0000).", field=path)
        case dict():
            for name, item in value.items():
                _refuse_nul(name, path or "A key")
                _refuse_nul(item, f"{path}.{name}" if path else name)
        case list() | tuple():
            for item in value:
                _refuse_nul(item, path)
