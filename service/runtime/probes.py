"""What a process says of its engines and of its index, for ``/readyz`` and ``/metrics``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from indexer.status.model import NOBODY, FollowerStatus, State
from service.api.kernel.context import Probe
from service.errors import Unavailable

HALTED = "indexing halted: the engine refuses too many documents, and an operator must look"

_PATIENCE = 1.5
"""Seconds that an engine has which the service can do without."""


def index_probe(status: Callable[[], FollowerStatus]) -> Probe:
    """Return the probe of an index: ready when it was caught up with once, and is not halted.

    An index that nobody feeds at the moment is degraded, not unready: searches answer from what it holds and writes go
    on, while taking all processes out of a load balancer would end both.
    """

    async def probe() -> Mapping[str, Any]:
        seen = status()
        facts: dict[str, Any] = {
            "state": str(seen.state),
            "ready": seen.caught_up and seen.state is not State.HALTED,
            "index": seen.index,
            "indexed": seen.indexed,
            "total": seen.total,
            "lag_seconds": round(seen.lag_seconds, 3),
            "rate": round(seen.rate, 1),
            "dead_letters": seen.dead_letters,
        }
        if seen.outdated:
            facts |= {"outdated": True, "fix": "assetry index reindex"}
        if seen.rebuild is not None:
            facts["reindex"] = asdict(seen.rebuild)
        if seen.reconciling is not None:
            facts["reconciling"] = {"index": seen.reconciling.index, "checked": seen.reconciling.checked}
        if seen.state is State.HALTED:
            facts |= {"reason": HALTED, "fix": "assetry index dead-letters list, then assetry index resume"}
        if seen.last_error:
            facts["last_error"] = seen.last_error
        if seen.last_error == NOBODY:
            facts |= {"degraded": True, "reason": NOBODY}
        return facts

    return probe


def dispensable(probe: Probe) -> Probe:
    """Return the probe of an engine without which the service goes on, if less well: degraded when it is away."""

    async def tried() -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await probe()
        except Unavailable as error:
            return {"ready": True, "degraded": True, "reason": error.message}
        except TimeoutError:
            return {"ready": True, "degraded": True, "reason": f"no answer within {_PATIENCE:g} s"}

    return tried
