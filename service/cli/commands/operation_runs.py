"""An operation as a command runs it: started, followed with a progress bar, and told of at its end.

Ctrl-C ends the command and not the operation, which goes on in a running service, or where the command says.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import Progress

from service import settings
from service.cli.exit_codes import OK, PROBLEMS
from service.cli.output import console, print_json, progress
from service.core.access.keys import SCOPES, Principal
from service.core.operations.items import Item
from service.core.operations.operations import Operations
from service.ports.store import Record
from service.runtime.base import open_existing
from service.runtime.bootstrap import open_long_work
from service.runtime.operations import LongWork

SHOWN = 100
"""Failed items that the summary names, at most; ``assetry operations show`` has more."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How a run is shown: ``doing`` and ``done`` say what becomes of an item.

    ``resume`` is how an interrupted one goes on, with ``{}`` where the operation's id stands.
    """

    doing: str
    done: str = "changed"
    resume: str = "assetry operations resume {}"
    as_json: bool = False
    quiet: bool = False


def caller(org: str) -> Principal:
    """Return who a command acts as."""
    return Principal(org, "cli", frozenset(SCOPES))


async def run_operation(
    data: Path | None, org: str, start: Callable[[LongWork, Principal], Awaitable[Record]], shown: Shown
) -> int:
    """Start an operation, work on it until its end, and report; returns the exit code."""
    who = caller(org)
    async with open_existing(settings.load(data=data)) as base:
        begun = time.perf_counter()
        interrupted = False
        async with open_long_work(base, works=True) as work:
            record = await start(work, who)
            try:
                with progress(quiet=shown.quiet or shown.as_json) as bar:
                    await _follow(work.operations, who, record.key, bar, shown.doing)
            except asyncio.CancelledError:
                interrupted = True
        # Behind the end of this process's own run: what is printed is what is saved.
        async with open_long_work(base, works=False) as work:
            record = await work.operations.get(who, record.key)
            listed = await work.operations.items(who, record.key, status="failed", limit=SHOWN)
    _print_summary(record, listed.items, time.perf_counter() - begun, shown)
    if interrupted:
        raise asyncio.CancelledError
    is_well = record.body["status"] == "completed" and not record.body["progress"].get("failed")
    return OK if is_well else PROBLEMS


async def _follow(operations: Operations, who: Principal, operation_id: str, bar: Progress, doing: str) -> None:
    task = bar.add_task(doing, total=None)
    async for record in operations.follow(who, operation_id):
        reached = record.body["progress"]
        waits = record.body["status"] == "queued" and record.body.get("outages")
        words = f"waiting: {record.body['error']['message']}" if waits else doing
        bar.update(task, description=words, completed=reached["completed"], total=reached["total"] or None)


def _print_summary(record: Record, failed: list[Item], seconds: float, shown: Shown) -> None:
    body = record.body
    reached: dict[str, Any] = {"total": 0, "succeeded": 0, "skipped": 0, "failed": 0, **body["progress"]}
    if shown.as_json:
        print_json(
            {
                "operation_id": record.key,
                "status": body["status"],
                **{name: reached[name] for name in ("total", "succeeded", "skipped", "failed")},
                "error": body["error"],
                "failures": [{"id": item.key, "reason": item.reason, "message": item.message} for item in failed],
                "seconds": round(seconds, 2),
            }
        )
        return
    for item in failed:
        console().print(f"failed: {item.key}: {item.message}", markup=False)
    console().print(
        f"{body['status']}: {reached['succeeded']} {shown.done}, {reached['skipped']} skipped, "
        f"{reached['failed']} failed of {reached['total']} ({seconds:.1f} s)",
        markup=False,
    )
    if body["error"]:
        console().print(f"error: {body['error']['message']}", markup=False)
    if body["status"] in ("queued", "running"):
        console().print(
            f"It goes on in a running service, or with: {shown.resume.format(record.key)}\n"
            f"To give it up: assetry operations cancel {record.key}",
            markup=False,
        )
    elif reached["succeeded"] and body["type"] != "reprocess":
        console().print(f"To undo it: assetry operations undo {record.key}", markup=False)
