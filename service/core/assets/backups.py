"""Backups: what a permanent delete kept, and how it comes back."""

from __future__ import annotations

from service.core.assets.assets import Assets, BackupBody
from service.core.shared.ids import IdAllocator
from service.core.shared.repository import Repository
from service.model import AssetBody
from service.ports.clock import Clock
from service.ports.store import Order, Record, Store


class Backups:
    """Lists and restores backups."""

    def __init__(self, store: Store, assets: Assets, clock: Clock) -> None:
        self._backups = Repository[BackupBody](store, "backup")
        self._assets = assets
        self._clock = clock
        self._numbers = IdAllocator(store, "asset")

    async def list(self, org_id: str) -> list[Record[BackupBody]]:
        """Return all backups of an organization, the latest first."""
        order = Order("created_at", descending=True)
        return [backup async for backup in self._backups.each({"org_id": org_id}, order=order)]

    async def restore(self, org_id: str, backup_id: str) -> Record[AssetBody]:
        """Make a new asset of a backup: ids are never reused, so it gets a new one. Raises NotFound."""
        backup = await self._backups.get(org_id, backup_id)
        number = await self._numbers.next()
        body: AssetBody = {
            **backup.body["asset"],
            "id": f"asset_{number}",
            "number": number,
            "guid": self._clock.guid(),
            "sid": self._clock.sid(),
            "restored_from": backup.body["asset_id"],
        }
        body.pop("deleted_at", None)
        return await self._assets.insert(body)
