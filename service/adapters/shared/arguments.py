"""Checks of the arguments of store methods, made before the engine is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from service.adapters.shared.bodies import check_change, check_indexed, encode
from service.errors import InvalidInput, NotFound
from service.ports.store import JOURNALS, KINDS, Body, Change

MAX_COUNTER = 2**53
MAX_IN = 1000
MAX_KEYS = 10_000
MAX_DISCARDED = 1000
MAX_KEY_BYTES = 1024


def check_kind(kind: str) -> None:
    """Raise ValueError for a kind that is not in :data:`service.ports.store.KINDS`."""
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}")


def check_range(name: str, value: int, most: int) -> None:
    """Raise ValueError when ``value`` is not from 1 to ``most``."""
    if not 1 <= value <= most:
        raise ValueError(f"{name} must be between 1 and {most:,}, not {value}")


def is_key(key: str) -> bool:
    """Whether a text can be a record's key: 1 to 1,024 bytes of UTF-8 without U+0000."""
    try:
        return 0 < len(key.encode()) <= MAX_KEY_BYTES and "\0" not in key
    except UnicodeEncodeError:
        return False


def find_key(kind: str, key: str) -> None:
    """Raise NotFound for a text that cannot be a key; some engines reject it even in a query."""
    if not is_key(key):
        raise NotFound(kind, key)


def find_keys(keys: Sequence[str]) -> list[str]:
    """Return the texts that can be keys, without duplicates. Raises ValueError for more than 10,000."""
    if len(keys) > MAX_KEYS:
        raise ValueError(f"get_many takes at most {MAX_KEYS:,} keys, not {len(keys):,}")
    return [key for key in dict.fromkeys(keys) if is_key(key)]


def discarded(kind: str, keys: Sequence[str]) -> list[str]:
    """Return the keys to discard. Raises ValueError for a kind whose records leave tombstones, and over 1,000 keys."""
    if kind not in JOURNALS:
        raise ValueError(f"records of kind {kind!r} are removed, not discarded")
    if len(keys) > MAX_DISCARDED:
        raise ValueError(f"discard takes at most {MAX_DISCARDED:,} keys, not {len(keys):,}")
    return find_keys(keys)


def checked(kind: str, key: str, body: Body) -> bytes:
    """Return a new record's body as JSON text. Raises InvalidInput, TooLarge, and ValueError for an unknown kind."""
    check_kind(kind)
    if not is_key(key):
        raise InvalidInput("A key must be 1 to 1,024 bytes of UTF-8 without U+0000.", field="key", provided=key[:80])
    text = encode(body, kind=kind)
    check_indexed(body, KINDS[kind])
    return text


def checked_many(kind: str, bodies: Mapping[str, Body]) -> dict[str, bytes | InvalidInput]:
    """Return each body as JSON text, or what is wrong with it."""
    texts: dict[str, bytes | InvalidInput] = {}
    for key, body in bodies.items():
        try:
            texts[key] = checked(kind, key, body)
        except InvalidInput as error:
            texts[key] = error
    return texts


def checked_change(kind: str, change: Change) -> Change:
    """Return a deep copy of a change, which the caller cannot alter while it waits. Raises InvalidInput, ValueError."""
    check_change(change)
    values = orjson.loads(encode(change.set, kind=kind))
    return Change(values, tuple(change.unset), dict(change.increment))


def tombstone_body(kind: str, by: Body | None) -> Body:
    """Return what a tombstone holds beside the organization. Raises InvalidInput."""
    return {} if by is None else dict(checked_change(kind, Change(set={"updated_by": by})).set)


def checked_value(path: str, value: Any) -> str | float | bool:
    """Return a value that a path is compared with. Raises InvalidInput for one that no record can hold."""
    match value:
        case bool():
            return value
        case str():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise InvalidInput(f"Cannot compare {path} with text that is not valid Unicode.", field=path) from None
            return value
        case int() if -(2**63) <= value < 2**63:
            return value
        case float() if math.isfinite(value):
            return value
        case _:
            raise InvalidInput(f"Cannot compare {path} with {value!r:.80}.", field=path)


def checked_values(path: str, values: Sequence[Any]) -> list[str | float | bool]:
    """Return a list of values that a path is compared with. Raises InvalidInput for a bad value or more than 1,000."""
    if len(values) > MAX_IN:
        raise InvalidInput(f"Too many values for {path}: {len(values)} (limit {MAX_IN}).", field=path)
    return [checked_value(path, value) for value in values]
