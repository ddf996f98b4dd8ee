"""The cursor of a page of records: where the page ended, as opaque text."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import orjson

from service.errors import InvalidInput
from service.ports.store import Order


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended: the value that it was ordered by (None if past the last value) and the key."""

    value: Any
    key: str


def write_cursor(order: Order | None, cursor: Cursor) -> str:
    """Return the opaque ``after`` of a page: URL-safe, and bound to its order."""
    text = orjson.dumps([_order_name(order), cursor.value, cursor.key])
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def read_cursor(order: Order | None, after: str | None) -> Cursor | None:
    """Read what :func:`write_cursor` wrote. Raises InvalidInput when it is malformed or belongs to another order."""
    if after is None:
        return None
    try:
        name, value, key = orjson.loads(
            base64.b64decode(after.encode() + b"=" * (-len(after) % 4), b"-_", validate=True)
        )
    except (ValueError, TypeError, binascii.Error):
        name = value = key = None
    if name != _order_name(order) or not _is_storable(key, value):
        raise InvalidInput("This cursor does not belong to a page in this order.", field="after", provided=after[:80])
    return Cursor(value, key)


def _is_storable(key: object, value: object) -> bool:
    """Say whether a key and a value could be a record's: whoever forges a cursor must not reach an engine's limits."""
    texts = [text for text in (key, value) if isinstance(text, str)]
    if not isinstance(key, str) or any("\0" in text for text in texts):
        return False
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return value is None or isinstance(value, str | float)


def _order_name(order: Order | None) -> str:
    return "" if order is None else f"{'-' if order.descending else ''}{order.path}"
