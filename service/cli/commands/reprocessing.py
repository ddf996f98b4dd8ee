"""``assetry reprocess``."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import Progress

from service import settings
from service.cli.exit_codes import OK, PROBLEMS
from service.cli.output import console, print_json, progress
from service.core.access.keys import SCOPES, Principal
from service.core.assets.reprocess import REPROCESS, Reprocessing, ReprocessRequest
from service.core.operations.items import Item
from service.core.operations.operations import Operations
from service.core.search.filters import read_filters
from service.errors import InvalidInput
from service.ports.store import Record
from service.runtime.base import open_existing
from service.runtime.bootstrap import open_reprocessing

SHOWN = 100
"""Failed files that the summary names, at most; ``assetry operations show`` has more."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for, as typed."""

    query: str | None
    filters: str = ""
    resume: str | None = None
    dry_run: bool = False
    as_json: bool = False
    quiet: bool = False

    def request(self) -> ReprocessRequest:
        """Return the request for a new operation. Raises InvalidInput."""
        if self.query is None or self.resume is not None:
            raise InvalidInput(
                "Give either QUERY or --resume.", field="QUERY", expected="a query text; '' means every asset"
            )
        return ReprocessRequest(query=self.query, filters=read_filters(self.filters, "--filters") or None)


async def reprocess(data: Path | None, org: str, options: Options) -> int:
    """Reprocess and report; returns the exit code."""
    who = Principal(org, "cli", frozenset(SCOPES))
    async with open_existing(settings.load(data=data)) as base:
        if options.dry_run:
            async with open_reprocessing(base, works=False) as reprocessing:
                return _print_count(await reprocessing.count(who, options.request()), as_json=options.as_json)
        begun = time.perf_counter()
        interrupted = False
        async with open_reprocessing(base, works=True) as reprocessing:
            record = await _operation(reprocessing, who, options)
            try:
                with progress(quiet=options.quiet or options.as_json) as bar:
                    await _follow(reprocessing.operations, who, record.key, bar)
            except asyncio.CancelledError:
                interrupted = True
        # Behind the end of this process's own run: what is printed is what is saved.
        async with open_reprocessing(base, works=False) as reprocessing:
            record = await reprocessing.operations.get(who, record.key)
            listed = await reprocessing.operations.items(who, record.key, status="failed", limit=SHOWN)
    _print_summary(record, listed.items, time.perf_counter() - begun, as_json=options.as_json)
    if interrupted:
        raise asyncio.CancelledError
    is_well = record.body["status"] == "completed" and not record.body["progress"].get("failed")
    return OK if is_well else PROBLEMS


async def _operation(reprocessing: Reprocessing, who: Principal, options: Options) -> Record:
    if options.resume is None:
        return await reprocessing.start(who, options.request())
    if options.query is not None:
        options.request()
    record = await reprocessing.operations.get(who, options.resume)
    if record.body["type"] != REPROCESS.name:
        raise InvalidInput(
            f"{options.resume} is an operation of the type {record.body['type']}.",
            field="--resume",
            expected="reprocess",
        )
    return record


async def _follow(operations: Operations, who: Principal, operation_id: str, bar: Progress) -> None:
    task = bar.add_task("reading", total=None)
    async for record in operations.follow(who, operation_id):
        reached = record.body["progress"]
        waits = record.body["status"] == "queued" and record.body.get("outages")
        words = f"waiting: {record.body['error']['message']}" if waits else "reading"
        bar.update(task, description=words, completed=reached["completed"], total=reached["total"] or None)


def _print_count(count: int, *, as_json: bool) -> int:
    if as_json:
        print_json({"dry_run": True, "total": count})
    else:
        console().print(f"{count} assets would be read again", markup=False)
    return OK


def _print_summary(record: Record, failed: list[Item], seconds: float, *, as_json: bool) -> None:
    body = record.body
    reached: dict[str, Any] = {"total": 0, "succeeded": 0, "skipped": 0, "failed": 0, **body["progress"]}
    if as_json:
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
        f"{body['status']}: {reached['succeeded']} changed, {reached['skipped']} skipped, {reached['failed']} failed "
        f"of {reached['total']} ({seconds:.1f} s)",
        markup=False,
    )
    if body["error"]:
        console().print(f"error: {body['error']['message']}", markup=False)
    if body["status"] in ("queued", "running"):
        console().print(
            f"It goes on in a running service, or with: assetry reprocess --resume {record.key}\n"
            f"To give it up: assetry operations cancel {record.key}",
            markup=False,
        )
