"""Backups: what a permanent delete kept, and how it comes back."""

from __future__ import annotations

from typing import Any

from service.core.assets.assets import Assets
from service.core.shared.ids import IdAllocator
from service.errors import NotFound
from service.ports.clock import Clock
from service.ports.store import Order, Record, Store


class Backups:
    """Lists and restores backups."""

    def __init__(self, store: Store, assets: Assets, clock: Clock) -> None:
        self._store = store
        self._assets = assets
        self._clock = clock
        self._numbers = IdAllocator(store, "asset")

    async def list(self, org_id: str) -> list[Record]:
        """Return all backups of an organization, the latest first."""
        found: list[Record] = []
        after: str | None = None
        while True:
            order = Order("created_at", descending=True)
            page = await self._store.find("backup", {"org_id": org_id}, order=order, limit=1000, after=after)
            found += page.records
            if (after := page.after) is None:
                return found

    async def restore(self, org_id: str, backup_id: str) -> Record:
        """Make a new asset of a backup: ids are never reused, so it gets a new one. Raises NotFound."""
        backup = await self._store.get("backup", backup_id)
        if backup.org_id != org_id:
            raise NotFound("backup", backup_id)
        number = await self._numbers.next()
        body: dict[str, Any] = {
            **backup.body["asset"],
            "id": f"asset_{number}",
            "number": number,
            "guid": self._clock.guid(),
            "sid": self._clock.sid(),
            "restored_from": backup.body["asset_id"],
        }
        body.pop("deleted_at", None)
        return await self._assets.insert(body)
