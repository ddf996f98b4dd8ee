"""``assetry keys``."""

from __future__ import annotations

from pathlib import Path

from service import settings
from service.cli.output import print_json, print_table
from service.core.access.keys import TIERS, parse_scopes
from service.errors import InvalidInput
from service.runtime.base import open_base, open_existing
from service.times import api_time


async def create(data: Path | None, org: str, user: str, scopes: str, tier: str, *, as_json: bool) -> None:
    """Create a key and print it."""
    for name, value in (("--org", org), ("--user", user)):
        if not value.strip() or len(value) > 256:
            raise InvalidInput(f"{name} must have 1 to 256 characters.", field=name, provided=value)
    if tier not in TIERS:
        raise InvalidInput(f"Unknown tier {tier!r}.", field="--tier", expected=", ".join(TIERS))
    wanted = parse_scopes(scopes)
    async with open_base(settings.load(data=data)) as base:
        key, record = await base.keys.create(org, user, wanted, tier)
    if as_json:
        print_json({"key": key, "id": record.key, "org": org, "user": user, "scopes": wanted, "tier": tier})
        return
    print(key)  # noqa: T201 - alone on standard output, so that $(assetry keys create …) is the key


async def show(data: Path | None, org: str | None, *, as_json: bool) -> None:
    """List keys."""
    async with open_existing(settings.load(data=data)) as base:
        records = await base.keys.list(org)
    rows: list[dict[str, object]] = [
        {
            "id": record.key,
            "hint": record.body["hint"],
            "org": record.body["org_id"],
            "user": record.body["user_id"],
            "scopes": record.body["scopes"],
            "tier": record.body["tier"],
            "created_at": api_time(record.body["created_at"]),
            "revoked_at": api_time(record.body.get("revoked_at")),
        }
        for record in records
    ]
    if as_json:
        print_json(rows)
        return
    columns = ("id", "hint", "org", "user", "scopes", "tier", "created_at", "revoked_at")
    print_table(columns, [[_cell(row[column]) for column in columns] for row in rows])


def _cell(value: object) -> object:
    return " ".join(value) if isinstance(value, list) else value


async def revoke(data: Path | None, key_id: str, *, as_json: bool) -> None:
    """Revoke a key."""
    async with open_existing(settings.load(data=data)) as base:
        record = await base.keys.revoke(key_id)
    if as_json:
        print_json({"id": record.key, "revoked_at": api_time(record.body["revoked_at"])})
        return
    print(f"Revoked {record.key}.")  # noqa: T201
