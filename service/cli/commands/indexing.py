"""``assetry index verify | reindex | rollback | purge``."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta

import typer
from rich.progress import Progress

from indexer.reindex.result import ReindexProgress, ReindexResult
from indexer.verify.drift import VerifyReport
from service.cli.exit_codes import OK, PROBLEMS
from service.cli.output import console, print_json, print_table, progress
from service.runtime.index_admin import open_index_admin
from service.settings import Settings

REPORT_WAIT_AFTER = 10.0
"""Seconds of waiting after which the reason is printed if no progress bar is shown."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for cyclic garbage rarely until the block ends, and never among what is there already.

    Millions of records are parsed, and all of them are freed by their counts: a quarter of the time went into looks at
    them for cycles.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def verify(settings: Settings, index: str | None, *, repair: bool, bodies: bool, as_json: bool) -> int:
    """Compare the index with the store, print the differences and return the exit code."""
    with rare_collections(), progress(quiet=as_json) as bar:
        async with open_index_admin(settings, writes=repair) as admin:
            task = bar.add_task("verifying", total=await admin.base.store.size("asset"))

            async def watch(report: VerifyReport, key: str | None) -> None:
                bar.update(task, completed=report.checked, total=max(report.checked, bar.tasks[task].total or 0))

            report = await admin.verify(index=index, repair=repair, bodies=bodies, on_progress=watch)
    if as_json:
        print_json(report.as_json())
    else:
        show(report, repair=repair)
    return OK if report.clean else PROBLEMS


def show(report: VerifyReport, *, repair: bool) -> None:
    """Print a human-readable report."""
    out = console()
    if report.examples:
        rows = [(d.key, d.drift, d.expected, d.held) for d in report.examples]
        print_table(("id", "difference", "expected version", "version in the index"), rows)
    if report.differences > len(report.examples):
        out.print(f"… and {report.differences - len(report.examples)} more", markup=False)
    found = ", ".join(f"{count} {drift}" for drift, count in report.found.items() if count) or "no differences"
    fixed = f"; {report.repaired} repaired, {report.left} left" if repair and report.differences else ""
    out.print(f"{report.index}: {report.checked} compared in {report.seconds:.1f} s: {found}{fixed}", markup=False)
    if report.dead_letters:
        out.print(f"{report.dead_letters} dead letters; to list them: assetry index dead-letters list", markup=False)
    if report.pending:
        out.print(
            f"{report.pending} changes are waiting, and no indexer is running; to start one: assetry index follow",
            markup=False,
        )
    if report.differences and not repair:
        out.print("to fix the differences: assetry index verify --repair", markup=False)


async def reindex(settings: Settings, *, accept_dead_letters: bool, as_json: bool) -> int:
    """Reindex, print the result and return the exit code."""
    with rare_collections(), progress(quiet=as_json) as bar:
        async with open_index_admin(settings) as admin:
            outcome = await admin.reindex(accept_dead_letters=accept_dead_letters, on_progress=Bar(bar))
    return _report_outcome(outcome, "searches now use", as_json=as_json)


async def rollback(settings: Settings, *, verified: bool, as_json: bool) -> int:
    """Roll back, print the result and return the exit code."""
    with rare_collections(), progress(quiet=as_json) as bar:
        async with open_index_admin(settings) as admin:
            outcome = await admin.rollback(verify=verified, on_progress=Bar(bar))
    return _report_outcome(outcome, "searches are back on", as_json=as_json)


async def purge(settings: Settings, *, tombstone_days: int, unfinished: bool, as_json: bool) -> int:
    """Purge, print what was deleted and return the exit code."""
    with progress(quiet=as_json) as bar:
        # A purge only frees space, so it must also work when a full disk blocks writes.
        async with open_index_admin(settings, writes=False) as admin:
            age = timedelta(days=tombstone_days)
            purged = await admin.purge(tombstones=age, unfinished=unfinished, on_progress=Bar(bar))
    if as_json:
        print_json(asdict(purged))
    else:
        names = ", ".join(purged.indexes) or "no index"
        line = f"deleted: {names}; {purged.dead_letters} dead letters; {purged.tombstones} tombstones"
        console().print(line, markup=False)
    return OK


class Bar:
    """Shows the progress of a reindex: a bar for stages with a known total, and what it is waiting for.

    Without a visible bar (in a script or scheduler), a wait longer than :data:`REPORT_WAIT_AFTER` is reported once on
    standard error, since it may last until an operator acts.
    """

    def __init__(self, bar: Progress, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._bar = bar
        self._task = bar.add_task("starting", total=None)
        self._monotonic = monotonic
        self._waits_since: float | None = None
        self._reported = ""

    def __call__(self, progress: ReindexProgress) -> None:
        """Show the current progress."""
        words = f"{progress.stage}, waiting: {progress.waits}" if progress.waits else str(progress.stage)
        if not progress.waits:
            self._waits_since = None
        elif self._waits_since is None:
            self._waits_since = self._monotonic()
        elif (
            self._bar.disable and words != self._reported and self._monotonic() - self._waits_since >= REPORT_WAIT_AFTER
        ):
            self._reported = words
            typer.echo(words, err=True)
        self._bar.update(self._task, description=words, completed=progress.done, total=progress.total or None)


def _report_outcome(outcome: ReindexResult, words: str, *, as_json: bool) -> int:
    if as_json:
        report = None if outcome.report is None else outcome.report.as_json()
        body = {"swapped": outcome.swapped, "index": outcome.index, "reason": outcome.reason}
        print_json({**body, "dead_letters": outcome.dead_letters, "report": report})
    elif outcome.swapped:
        note = f" ({outcome.reason})" if outcome.reason else ""
        console().print(f"{words} {outcome.index}{note}", markup=False)
        console().print("the previous index is kept up to date until `assetry index purge`", markup=False)
    else:
        if outcome.report is not None:
            show(outcome.report, repair=False)
        console().print(f"not swapped: {outcome.reason}", markup=False)
    return OK if outcome.swapped else PROBLEMS
