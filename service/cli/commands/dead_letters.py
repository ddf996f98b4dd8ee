"""``assetry index dead-letters`` and ``assetry index resume``."""

from __future__ import annotations

from dataclasses import asdict

from service.cli.exit_codes import FOUND, OK
from service.cli.output import console, print_json, print_table
from service.runtime.index_admin import letters, lift_halt, open_index_admin, open_library
from service.settings import Settings


async def show(settings: Settings, index: str | None, *, limit: int, as_json: bool) -> int:
    """Print the open dead letters; returns the exit code."""
    async with open_library(settings) as base:
        found = await letters(base, index)
    if as_json:
        print_json([asdict(letter) for letter in found])
        return FOUND if found else OK
    if found:
        columns = ("id", "index", "error", "reason", "attempts", "since")
        rows = [(x.asset_id, x.index, x.error_type, x.reason[:200], x.attempts, x.first_at) for x in found[:limit]]
        print_table(columns, rows)
    console().print(f"{len(found)} documents are refused", markup=False)
    return FOUND if found else OK


async def retry(settings: Settings, index: str | None, assets: list[str], *, as_json: bool) -> int:
    """Write refused documents again and print what became of them; returns the exit code."""
    async with open_index_admin(settings) as admin:
        done = await admin.retry(index=index, assets=assets or None)
    if as_json:
        print_json(asdict(done))
    else:
        console().print(f"{done.tried} tried again, {done.left} refused still", markup=False)
    return FOUND if done.left else OK


async def resume(settings: Settings, *, as_json: bool) -> int:
    """Have a halted indexer try again; returns the exit code."""
    async with open_library(settings) as base:
        await lift_halt(base)
    if as_json:
        print_json({"resumed": True})
    else:
        console().print("a halted indexer tries again within a second or two", markup=False)
    return OK
