"""The checkpoint of an alias, kept in the lease's record: how far which indexes have followed the feed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from indexer.bulk.dead_letters import KIND as LETTER
from indexer.bulk.dead_letters import listed
from indexer.follow.reconcile import Repairs
from indexer.indexes.physical import Indexes
from indexer.indexes.plan import Plans
from service.ports.search import SearchEngine
from service.ports.store import Body, Store, find_record, upsert

log = logging.getLogger(__name__)

KIND = "checkpoint"


def lease_key(alias: str) -> str:
    """Return the key of an alias's lease and checkpoint, a record of kind ``checkpoint``."""
    return f"follow-{alias}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Every change up to ``token`` is acknowledged by each of ``indexes`` (name → identity), or a dead letter there.

    ``acked_gen`` is the plan generation that the leader works by; ``repairs`` is what is left of a reconcile.
    """

    token: str | None
    indexes: Mapping[str, str]
    acked_gen: int
    repairs: Repairs | None

    @classmethod
    def read(cls, body: Body) -> Self:
        """Parse a record; a new record gives an empty checkpoint."""
        return cls(
            body.get("token"),
            body.get("indexes", {}),
            body.get("acked_gen", 0),
            Repairs.read(body.get("reconciling")),
        )


async def load(store: Store, alias: str) -> Body:
    """Return the record of an alias's lease, {} if there is none yet; for observers. Raises Unavailable."""
    record = await find_record(store, KIND, lease_key(alias))
    return {} if record is None else record.body


async def inherited(store: Store, engine: SearchEngine, indexes: Indexes, plans: Plans) -> Body:
    """Return the content of a new record: taken from the record of an earlier release, or {} if there is none.

    That release used the alias as key, and held {index, build, token, building}. Its index and dead letters are taken
    over; its token is valid if the index is still the one that it belongs to.
    """
    record = await find_record(store, KIND, indexes.alias)
    old = {} if record is None else record.body
    name, token = old.get("index"), old.get("token")
    if name is None or token is None:
        return {}
    described = await indexes.described(name)
    identity = await engine.identity(name)
    if identity is None or described.build != old.get("build"):
        return {}
    left = old.get("building")
    making = None if left is None else await indexes.described(left)
    await plans.change(lambda plan: replace(plan, live=described, making=making) if plan.live is None else plan)
    await _take_letters(store, indexes.alias, name)
    log.info("took over the index %s from an earlier release", name)
    return {"token": token, "indexes": {name: identity}}


async def _take_letters(store: Store, alias: str, index: str) -> None:
    """Move the open dead letters of an alias to the physical index that rejected the documents."""
    letters = [letter async for letter in listed(store, alias)]
    for letter in letters:
        fields: Body = {
            "index": index,
            "asset_id": letter.asset_id,
            "version": letter.version,
            "error_type": letter.error_type,
            "reason": letter.reason,
            "attempts": letter.attempts,
            "first_at": letter.first_at,
            "last_at": letter.last_at,
            "open": True,
        }
        await upsert(store, LETTER, f"{index}:{letter.asset_id}", fields)
        await upsert(store, LETTER, f"{alias}:{letter.asset_id}", {"open": False})
