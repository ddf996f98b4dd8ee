"""``assetry index dead-letters`` and ``assetry index resume``."""

from __future__ import annotations

from dataclasses import asdict

from indexer.status.model import State
from service.cli.exit_codes import OK, PROBLEMS
from service.cli.output import console, print_json, print_table
from service.runtime.base import open_existing
from service.runtime.index_admin import clear_halt, open_dead_letters, open_index_admin
from service.runtime.index_report import indexer_state
from service.settings import Settings


async def show(settings: Settings, index: str | None, *, limit: int, as_json: bool) -> int:
    """Print the open dead letters and return the exit code."""
    async with open_existing(settings) as base:
        found = await open_dead_letters(base, index)
    if as_json:
        print_json([asdict(letter) for letter in found])
        return PROBLEMS if found else OK
    if found:
        columns = ("id", "index", "error", "reason", "attempts", "since")
        rows = [(x.asset_id, x.index, x.error_type, x.reason[:200], x.attempts, x.first_at) for x in found[:limit]]
        print_table(columns, rows)
    console().print(f"{len(found)} dead letters", markup=False)
    return PROBLEMS if found else OK


async def retry(settings: Settings, index: str | None, assets: list[str], *, as_json: bool) -> int:
    """Retry dead letters, print the result and return the exit code."""
    async with open_index_admin(settings) as admin:
        done = await admin.retry(index=index, assets=assets or None)
    if as_json:
        print_json({"retried": done.tried, "remaining": done.left})
    else:
        console().print(f"{done.tried} retried, {done.left} remaining", markup=False)
    return PROBLEMS if done.left else OK


async def resume(settings: Settings, *, as_json: bool) -> int:
    """Resume a halted indexer and return the exit code; one that is not halted is left alone."""
    async with open_existing(settings) as base:
        state = await indexer_state(base)
        if halted := state == State.HALTED:
            await clear_halt(base)
    if as_json:
        print_json({"resumed": halted, "state": state})
    elif halted:
        console().print("the indexer resumes within a second or two", markup=False)
    else:
        console().print(f"the indexer is not halted ({state}): there is nothing to resume", markup=False)
    return OK
