"""Files that no record needs any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.core.operations import Operations
from service.errors import NotFound
from service.ports.clock import Clock
from service.ports.files import Files, original_key
from service.ports.jobs import Progress
from service.ports.store import Record, Store

OPERATION = "files.collect"
GRACE = 3600.0
"""Seconds that a file without a record is kept: an upload of the same content may be under way."""


class Garbage:
    """Deletes a file once its last asset and its last backup are gone."""

    def __init__(self, store: Store, files: Files, operations: Operations, clock: Clock) -> None:
        self._store = store
        self._files = files
        self._operations = operations
        self._clock = clock

    async def collect_later(self, org_id: str, sha256: str) -> None:
        """Have the file looked at after the grace."""
        await self._operations.submit(OPERATION, org_id, {"sha256": sha256}, delay=GRACE)

    async def run(self, operation: Record, progress: Progress) -> Mapping[str, Any]:
        """Delete the operation's file if nothing needs it; a handler of the jobs port. Returns {deleted, reason}."""
        org_id, sha256 = operation.body["org_id"], operation.body["params"]["sha256"]
        await progress(0, 1)
        for kind in ("asset", "backup"):
            if await self._store.count(kind, {"org_id": org_id, "sha256": sha256}):
                return {"deleted": False, "reason": f"a record of kind {kind} needs it"}
        key = original_key(org_id, sha256)
        try:
            stat = await self._files.stat(key)
        except NotFound:
            return {"deleted": False, "reason": "it is gone already"}
        if self._clock.now().timestamp() - stat.modified < GRACE / 2:
            await self.collect_later(org_id, sha256)
            return {"deleted": False, "reason": "it was stored again; looked at later"}
        return {"deleted": await self._files.delete(key), "reason": "nothing needs it"}
