"""``assetry index verify | reindex | rollback | purge``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta

import typer
from rich.progress import Progress

from indexer.reindex.result import ReindexProgress, ReindexResult
from indexer.verify.drift import VerifyReport
from service.cli.exit_codes import FOUND, OK
from service.cli.output import console, print_json, print_table, progress
from service.runtime.index_admin import open_index_admin
from service.settings import Settings

SAID_AFTER = 10.0
"""Seconds that something is waited for before it is said where no bar is shown."""


async def verify(settings: Settings, index: str | None, *, repair: bool, bodies: bool, as_json: bool) -> int:
    """Compare the index with the store and print what differs; returns the exit code."""
    with progress(quiet=as_json) as bar:
        async with open_index_admin(settings, writes=repair) as admin:
            task = bar.add_task("verifying", total=await admin.base.store.size("asset"))

            async def watch(report: VerifyReport, key: str | None) -> None:
                bar.update(task, completed=report.checked, total=max(report.checked, bar.tasks[task].total or 0))

            report = await admin.verify(index=index, repair=repair, bodies=bodies, on_progress=watch)
    if as_json:
        print_json(report.as_json())
    else:
        show(report, repair=repair)
    return OK if report.clean else FOUND


def show(report: VerifyReport, *, repair: bool) -> None:
    """Print a report for people."""
    out = console()
    if report.examples:
        rows = [(d.key, d.drift, d.expected, d.held) for d in report.examples]
        print_table(("id", "difference", "version expected", "in the index"), rows)
    if report.differences > len(report.examples):
        out.print(f"… and {report.differences - len(report.examples)} more", markup=False)
    found = ", ".join(f"{count} {drift}" for drift, count in report.found.items() if count) or "nothing differs"
    fixed = f"; {report.repaired} repaired, {report.left} left" if repair and report.differences else ""
    out.print(f"{report.index}: {report.checked} compared in {report.seconds:.1f} s: {found}{fixed}", markup=False)
    if report.dead_letters:
        out.print(f"{report.dead_letters} are refused by the engine: assetry index dead-letters list", markup=False)
    if report.pending:
        out.print(f"{report.pending} wait for an indexer, and none follows: assetry index follow", markup=False)
    if report.differences and not repair:
        out.print("to fix it: assetry index verify --repair", markup=False)


async def reindex(settings: Settings, *, accept_dead_letters: bool, as_json: bool) -> int:
    """Reindex and print how it ended; returns the exit code."""
    with progress(quiet=as_json) as bar:
        async with open_index_admin(settings) as admin:
            outcome = await admin.reindex(accept_dead_letters=accept_dead_letters, on_progress=Bar(bar))
    return _ended(outcome, "searches see", as_json=as_json)


async def rollback(settings: Settings, *, verified: bool, as_json: bool) -> int:
    """Roll back and print how it ended; returns the exit code."""
    with progress(quiet=as_json) as bar:
        async with open_index_admin(settings) as admin:
            outcome = await admin.rollback(verify=verified, on_progress=Bar(bar))
    return _ended(outcome, "searches see again", as_json=as_json)


async def purge(settings: Settings, *, tombstone_days: int, unfinished: bool, as_json: bool) -> int:
    """Purge and print what was deleted; returns the exit code."""
    with progress(quiet=as_json) as bar:
        # It takes nothing but room: also where a full disk lets nobody write.
        async with open_index_admin(settings, writes=False) as admin:
            age = timedelta(days=tombstone_days)
            purged = await admin.purge(tombstones=age, unfinished=unfinished, on_progress=Bar(bar))
    if as_json:
        print_json(asdict(purged))
    else:
        names = ", ".join(purged.indexes) or "no index"
        line = f"deleted: {names}; {purged.dead_letters} dead letters; {purged.tombstones} documents of removed assets"
        console().print(line, markup=False)
    return OK


class Bar:
    """Shows what a reindex says: a bar for each stage that counts, and in words what it waits for.

    Where no bar is shown (a script, a scheduler) what is waited for longer than :data:`SAID_AFTER` is one line on
    standard error: it may wait for an operator, for ever.
    """

    def __init__(self, bar: Progress, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._bar = bar
        self._task = bar.add_task("starting", total=None)
        self._monotonic = monotonic
        self._waits_since: float | None = None
        self._said = ""

    def __call__(self, told: ReindexProgress) -> None:
        """Show one word."""
        words = f"{told.stage}, waits for {told.waits}" if told.waits else str(told.stage)
        if not told.waits:
            self._waits_since = None
        elif self._waits_since is None:
            self._waits_since = self._monotonic()
        elif self._bar.disable and words != self._said and self._monotonic() - self._waits_since >= SAID_AFTER:
            self._said = words
            typer.echo(words, err=True)
        self._bar.update(self._task, description=words, completed=told.done, total=told.total or None)


def _ended(outcome: ReindexResult, words: str, *, as_json: bool) -> int:
    if as_json:
        report = None if outcome.report is None else outcome.report.as_json()
        body = {"swapped": outcome.swapped, "index": outcome.index, "reason": outcome.reason}
        print_json({**body, "dead_letters": outcome.dead_letters, "report": report})
    elif outcome.swapped:
        note = f" ({outcome.reason})" if outcome.reason else ""
        console().print(f"{words} {outcome.index}{note}", markup=False)
        console().print("the index before is fed until `assetry index purge`", markup=False)
    else:
        if outcome.report is not None:
            show(outcome.report, repair=False)
        console().print(f"not swapped: {outcome.reason}", markup=False)
    return OK if outcome.swapped else FOUND
