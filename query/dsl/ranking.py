"""Optional score boosts for recency and popularity. Both are off unless a request asks for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from mappings.fields import REGISTRY
from query.dsl.emit import instant
from query.errors import QueryError, QueryProblem

RECENCY_SCALE = "30d"  # an asset of this age gets half the boost of a new one
_CREATED = REGISTRY.get("created_at").path
_USED = REGISTRY.get("usage_stats.downloads").path

Dsl = dict[str, Any]


def _recency(now: datetime) -> Dsl:
    return {"gauss": {_CREATED: {"origin": instant(now), "scale": RECENCY_SCALE, "decay": 0.5}}}


def _popularity(now: datetime) -> Dsl:
    return {"field_value_factor": {"field": _USED, "modifier": "log1p", "missing": 0}}


BOOSTS: dict[str, Callable[[datetime], Dsl]] = {"recency": _recency, "popularity": _popularity}


def check_score_boosts(names: Sequence[str]) -> None:
    """Raise QueryError(field="score_boosts") for an unknown score boost."""
    for name in names:
        if name not in BOOSTS:
            known = " and ".join(BOOSTS)
            problem = QueryProblem("unsupported", f"Unknown score boost {name[:40]}. Use {known}.")
            raise QueryError(problem, field="score_boosts", key=name)


def with_score_boosts(query: Dsl, names: Sequence[str], now: datetime) -> Dsl:
    """Return a query whose scores are multiplied by 1 plus the boosts: recency adds up to 1, popularity log10."""
    functions = [{"weight": 1}, *(BOOSTS[name](now) for name in dict.fromkeys(names))]
    return {"function_score": {"query": query, "functions": functions, "score_mode": "sum", "boost_mode": "multiply"}}
