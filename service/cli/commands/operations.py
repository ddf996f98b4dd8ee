"""``assetry operations``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from service import settings
from service.cli.output import console, print_json, print_table
from service.core.access.keys import SCOPES, Principal
from service.core.operations.items import Item
from service.core.operations.operations import Operations
from service.errors import InvalidInput
from service.ports.jobs import STATUSES
from service.ports.store import Record
from service.runtime.base import open_existing
from service.runtime.operations import open_jobs


async def show_list(data: Path | None, org: str, status: str | None, limit: int, *, as_json: bool) -> None:
    """List operations, the newest first."""
    if status is not None and status not in STATUSES:
        raise InvalidInput(
            f"There is no status {status!r}.",
            field="--status",
            provided=status,
            expected="one of " + ", ".join(STATUSES),
        )
    async with _opened(data) as operations:
        listed = await operations.list(_caller(org), status=status, limit=limit, after=None)
    if as_json:
        print_json({"operations": [_view(record) for record in listed.records], "total_count": listed.total})
        return
    rows = [
        (record.key, record.body["status"], _share(record), record.body["created_at"], record.body.get("user_id"))
        for record in listed.records
    ]
    print_table(("id", "status", "done", "asked for", "by"), rows, f"{listed.total} operations")


async def show(data: Path | None, org: str, operation_id: str, limit: int, *, as_json: bool) -> None:
    """Show an operation and its failed items."""
    who = _caller(org)
    async with _opened(data) as operations:
        record = await operations.get(who, operation_id)
        failed: list[Item] = []
        after: str | None = None
        while len(failed) < limit:
            page = await operations.items(who, operation_id, status="failed", limit=limit - len(failed), after=after)
            failed += page.items
            if (after := page.after) is None:
                break
    failures = [{"id": item.key, "reason": item.reason, "message": item.message} for item in failed]
    if as_json:
        print_json({**_view(record), "failures": failures})
        return
    for name, value in _view(record).items():
        console().print(f"{name}: {value}", markup=False)
    if failures:
        print_table(("id", "reason", "why"), [tuple(failure.values()) for failure in failures], "failed")


async def cancel(data: Path | None, org: str, operation_id: str, *, as_json: bool) -> None:
    """Ask for an operation's end."""
    async with _opened(data) as operations:
        record = await operations.cancel(_caller(org), operation_id)
    if as_json:
        print_json(_view(record))
        return
    asked = record.body["status"] == "running"
    state = "ends at its next checkpoint" if asked else f"is {record.body['status']}"
    console().print(f"{record.key} {state}", markup=False)


@asynccontextmanager
async def _opened(data: Path | None) -> AsyncIterator[Operations]:
    async with open_existing(settings.load(data=data)) as base, AsyncExitStack() as stack:
        yield (await open_jobs(base, stack)).operations


def _caller(org: str) -> Principal:
    return Principal(org, "cli", frozenset(SCOPES))


def _share(record: Record) -> str:
    reached = record.body["progress"]
    return f"{reached['completed']} of {reached['total']}"


def _view(record: Record) -> dict[str, Any]:
    body = record.body
    names = ("type", "status", "progress", "result", "error", "user_id", "attempts")
    times = ("created_at", "started_at", "completed_at", "expires_at")
    return {"operation_id": record.key, **{name: body.get(name) for name in (*names, *times)}}
