"""Probes of the engines and of the index, for ``/readyz`` and ``/metrics``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from indexer.status.model import NOBODY, FollowerStatus, State
from service.api.kernel.context import Probe
from service.errors import Unavailable

HALTED = "indexing halted: the engine rejects too many documents; operator action required"

_OPTIONAL_TIMEOUT = 1.5
"""Time limit of the probe of an optional engine, in seconds."""


def index_probe(status: Callable[[], FollowerStatus]) -> Probe:
    """Return the probe of an index: ready once the indexer has caught up, unless it is halted.

    An index without a running indexer is degraded, not unready: searches and writes still work, and taking all
    processes out of a load balancer would stop both.
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
        if (verified := seen.verified) is not None and verified.index == seen.index:
            facts["last_verify"] = {"at": verified.at, "checked": verified.checked, "left": verified.left}
            if verified.left:
                reason = f"the verify of {verified.at} found {verified.left} records that differ from the store"
                facts |= {"degraded": True, "reason": reason, "fix": "assetry index verify --repair"}
        if seen.last_error:
            facts["last_error"] = seen.last_error
        if seen.last_error == NOBODY:
            facts |= {"degraded": True, "reason": NOBODY}
        return facts

    return probe


def optional(probe: Probe) -> Probe:
    """Return the probe of an engine that the service can do without: degraded, not unready, when it is down."""

    async def tried() -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(_OPTIONAL_TIMEOUT):
                return await probe()
        except Unavailable as error:
            return {"ready": True, "degraded": True, "reason": error.message}
        except TimeoutError:
            return {"ready": True, "degraded": True, "reason": f"no response within {_OPTIONAL_TIMEOUT:g} s"}

    return tried
