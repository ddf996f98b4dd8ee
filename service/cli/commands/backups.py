"""``assetry backups``."""

from __future__ import annotations

from pathlib import Path

from service import settings
from service.cli.output import print_json, print_table
from service.runtime.base import open_existing
from service.runtime.bootstrap import open_backups
from service.times import api_time


async def show(data: Path | None, org: str, *, as_json: bool) -> None:
    """List backups."""
    async with open_existing(settings.load(data=data)) as base, open_backups(base) as backups:
        records = await backups.list(org)
    rows = [
        {
            "id": record.key,
            "asset_id": record.body["asset_id"],
            "title": record.body["asset"].get("title"),
            "created_at": api_time(record.body["created_at"]),
        }
        for record in records
    ]
    if as_json:
        print_json(rows)
        return
    print_table(("id", "asset_id", "title", "created_at"), [tuple(row.values()) for row in rows])


async def restore(data: Path | None, org: str, backup_id: str, *, as_json: bool) -> None:
    """Restore a backup."""
    async with open_existing(settings.load(data=data)) as base, open_backups(base) as backups:
        record = await backups.restore(org, backup_id)
    if as_json:
        print_json({"id": record.key, "restored_from": record.body["restored_from"]})
        return
    print(f"Restored {record.body['restored_from']} as {record.key}.")  # noqa: T201
