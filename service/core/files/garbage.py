"""Files that no record needs any more.

Two may meet here: one deletes a file since no record needs it, and another stores equal content and then writes its
record. What is put anew counts as new and is left alone, but between the look at its age and the delete there is a
moment, and with an engine that is slow a long one. So who is about to store a file calls :func:`spare` first: the
store decides which of the two comes first, and the file that is put is of after the delete.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import timedelta

from service.core.operations.context import OperationContext
from service.core.operations.operations import Operations
from service.core.operations.registry import OperationType, Parameters, Result
from service.errors import Conflict, NotFound, Unavailable
from service.ports.clock import Clock
from service.ports.files import Files, original_key, space_of
from service.ports.store import Change, Condition, In, Store, each_record
from service.times import timestamp

GRACE = 3600.0
"""Seconds that a file without a record is kept: an upload of the same content may be under way."""

_PATIENCE = 30.0  # seconds that an upload waits for the end of a delete
_LOOK = 0.05  # seconds between two looks whether it has ended


class Collect(Parameters):
    """The file to look at, by its hash."""

    sha256: str


class Collected(Result):
    """What became of the file, and why."""

    deleted: bool
    reason: str


COLLECT = OperationType("files.collect", Collect, Collected, concurrency=1, keep_seconds=86_400)
"""Files that no asset needs are few, and nobody waits for their end: one at once keeps nothing else waiting."""


class Garbage:
    """Deletes a file once its last asset and its last backup are gone."""

    def __init__(self, store: Store, files: Files, operations: Operations, clock: Clock) -> None:
        self._store = store
        self._files = files
        self._operations = operations
        self._clock = clock

    async def collect_later(self, org_id: str, sha256: str) -> None:
        """Have the file looked at after the grace."""
        await self._operations.submit(COLLECT, org_id, Collect(sha256=sha256), delay=GRACE)

    async def run(self, context: OperationContext[Collect]) -> Collected:
        """Delete the operation's file if nothing needs it."""
        org_id, sha256 = context.org_id, context.parameters.sha256
        await context.report(0, 1)
        for kind in ("asset", "backup"):
            if await self._store.count(kind, {"org_id": org_id, "sha256": sha256}):
                return Collected(deleted=False, reason=f"a record of kind {kind} needs it")
        key = original_key(space_of(org_id), sha256)
        try:
            stat = await self._files.stat(key)
        except NotFound:
            return Collected(deleted=False, reason="it is gone already")
        if self._clock.now().timestamp() - stat.modified < GRACE / 2:
            await self.collect_later(org_id, sha256)
            return Collected(deleted=False, reason="it was stored again; looked at later")
        return Collected(deleted=await self._files.delete(key), reason="nothing needs it")


async def spare(store: Store, clock: Clock, org_id: str, hashes: Collection[str]) -> None:
    """Have files left alone that are about to be stored, by their hashes (1,000 at most), for half the grace at least.

    What is to be collected by then is put off; what is being collected is waited for. Raises Unavailable.
    """
    try:
        async with asyncio.timeout(_PATIENCE):
            while not await _is_spared(store, clock, org_id, hashes):
                await asyncio.sleep(_LOOK)
    except TimeoutError:
        raise Unavailable("files", "equal content is just being deleted, and that takes long") from None


async def _is_spared(store: Store, clock: Clock, org_id: str, hashes: Collection[str]) -> bool:
    where: dict[str, Condition] = {
        "org_id": org_id,
        "params.sha256": In(sorted(hashes)),
        "type": COLLECT.name,
        "status": In(["queued", "running"]),
    }
    now, spared = clock.now(), True
    async for operation in each_record(store, "operation", where):
        if operation.body["status"] == "running":
            spared = False
        elif (operation.body["run_after"] or "") < timestamp(now + timedelta(seconds=GRACE / 2)):
            later = Change(set={"run_after": timestamp(now + timedelta(seconds=GRACE))})
            try:
                await store.update("operation", operation.key, later, expected_rev=operation.rev)
            except (Conflict, NotFound):  # it begins just now
                spared = False
    return spared
