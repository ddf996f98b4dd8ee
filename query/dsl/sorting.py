"""Sort keys: from text to the engine's `sort`, which always ends in a unique key."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

from mappings.fields import REGISTRY, Field, FieldType
from query.errors import QueryError, QueryProblem

RELEVANCE = "relevance"
TIEBREAKER = "number"
MAX_KEYS = 5
_SCORE = frozenset({RELEVANCE, "score", "_score"})
_ORDERS = ("asc", "desc")
_HIGHEST_FIRST = frozenset({FieldType.INTEGER, FieldType.FLOAT, FieldType.DATE})
_SAME_ORDER = {"id": TIEBREAKER, "asset_id": TIEBREAKER}  # in numeric order: asset_9 before asset_10


@dataclass(frozen=True, slots=True)
class SortKey:
    """One sort key: the name of a field (or `relevance`) and its order, `asc` or `desc`.

    Without an order, relevance, numbers and dates sort highest first and everything else from A to Z.
    """

    field: str
    order: str | None = None


def parse_sort(text: str) -> list[SortKey]:
    """Parse a text such as `-created_at,title` or `title:asc,downloads:desc`; without a sign the order is ascending."""
    keys: list[SortKey] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, colon, order = part.partition(":")
        sign = part[0] if part[0] in "+-" else ""
        name = name.removeprefix(sign).strip()
        if not colon:
            order = "desc" if sign == "-" or (not sign and name.lower() in _SCORE) else "asc"
        keys.append(SortKey(name, order.strip()))
    return keys


def sort_body(
    sort: str | Sequence[SortKey], roles: Set[str], *, scored: bool, field: str = "sort"
) -> list[dict[str, Any]]:
    """Return the engine's `sort` for sort keys or their text form; `field` names the parameter in errors.

    Without keys, results sort by relevance if the query has words that score, otherwise newest first. Records without
    a value come last in either order. Raises QueryError for unknown or unsortable fields and invalid orders.
    """
    keys = parse_sort(sort) if isinstance(sort, str) else list(sort)
    if len(keys) > MAX_KEYS:
        raise _error(f"At most {MAX_KEYS} sort keys are allowed, not {len(keys)}.", "limit", field)
    body: list[dict[str, Any]] = []
    seen: set[str] = set()
    for key in keys:
        path, entry = _entry(key, roles, scored=scored, field=field)
        if path not in seen:
            seen.add(path)
            body.append(entry)
    if not body:
        seen, body = _default(scored=scored)
    if TIEBREAKER not in seen:
        body.append({TIEBREAKER: {"order": next(iter(body[0].values()))["order"]}})
    return body


def _default(*, scored: bool) -> tuple[set[str], list[dict[str, Any]]]:
    if scored:
        return {"_score"}, [{"_score": {"order": "desc"}}]
    path, body = _newest(None)
    return {path}, [body]


def _entry(key: SortKey, roles: Set[str], *, scored: bool, field: str) -> tuple[str, dict[str, Any]]:
    name = key.field.lower()
    order = key.order.lower() if key.order is not None else None
    if order not in (*_ORDERS, None):
        raise _error(f"The sort order of {key.field[:60]} must be asc or desc, not {order[:40]}.", "wrong_type", field)
    if name in _SCORE:
        # Without words all scores are equal, and people expect the newest first.
        return ("_score", {"_score": {"order": order or "desc"}}) if scored else _newest(order)
    found = REGISTRY.resolve(_SAME_ORDER.get(name, key.field), roles)
    if found is None or not found.sortable or found.keyword_path is None:
        raise _unsortable(key.field, found, roles, field)
    return found.keyword_path, _by(found, order or ("desc" if found.type in _HIGHEST_FIRST else "asc"))


def _newest(order: str | None) -> tuple[str, dict[str, Any]]:
    return "created_at", _by(REGISTRY.get("created_at"), order or "desc")


def _by(found: Field, order: str) -> dict[str, Any]:
    return {found.keyword_path or found.path: {"order": order, "missing": "_last"}}


def _unsortable(name: str, found: Field | None, roles: Set[str], field: str) -> QueryError:
    names = [n for f in REGISTRY.sortable(roles) for n in (f.name, *f.aliases)] + [RELEVANCE]
    near = REGISTRY.near(name, roles, among=names)
    message = f"Results cannot be sorted by {name[:60]}." if found else f"Unknown sort field {name[:60]}."
    if near:
        message += f" Did you mean {' or '.join(near)}?"
    return _error(message, "unsupported" if found else "unknown_field", field, near[0] if near else None)


def _error(message: str, reason: str, field: str, suggestion: str | None = None) -> QueryError:
    return QueryError(QueryProblem(reason, message, suggestion=suggestion), field=field)
