"""``assetry import``."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.progress import Progress

from service import settings
from service.cli.exit_codes import OK, PROBLEMS
from service.cli.output import console, print_json, progress
from service.core.access.keys import SCOPES, Principal
from service.core.assets.imports import Failed, ImportOutcome, ImportSummary, Source
from service.errors import InvalidInput
from service.ingest.folder import FoundFile, SkippedPath, walk
from service.printable import readable
from service.runtime.base import open_base
from service.runtime.bootstrap import open_importer


async def import_paths(data: Path | None, org: str, user: str, paths: list[Path], *, as_json: bool, quiet: bool) -> int:
    """Import, report and return the exit code. If it is cancelled, what was imported until then is reported first."""
    await asyncio.to_thread(_check_exist, paths)
    who = Principal(org, user, frozenset(SCOPES))
    started = time.perf_counter()
    async with open_base(settings.load(data=data)) as base, open_importer(base) as imports:
        with progress(quiet=quiet or as_json) as bar:
            report = _Report(bar, as_json=as_json)
            interrupted = False
            try:
                report.expect(await asyncio.to_thread(_count, paths))
                await imports.run(who, _sources(walk(paths, report.skipped)), report)
            except asyncio.CancelledError:
                interrupted = True
    _print(report, time.perf_counter() - started, interrupted=interrupted, as_json=as_json)
    if interrupted:
        raise asyncio.CancelledError
    return PROBLEMS if report.summary.failed else OK


def _check_exist(paths: Iterable[Path]) -> None:
    """Raise InvalidInput for a path that does not exist, before anything is imported: it is mistyped."""
    for path in paths:
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            shown = readable(path)
            raise InvalidInput(f"The file or folder {shown} does not exist.", field="PATH", provided=shown) from None
        except OSError:
            continue  # it may exist; the walk reports what is wrong


def _count(paths: Sequence[Path]) -> int:
    return sum(1 for _ in walk(paths))


class _Report:
    """Advances the progress bar and reports failed files as they occur."""

    def __init__(self, bar: Progress, *, as_json: bool) -> None:
        self._bar = bar
        self._task = bar.add_task("importing", total=None)
        self._as_json = as_json
        self.skips: Counter[str] = Counter()
        self.summary = ImportSummary()

    def expect(self, total: int) -> None:
        """Show how many files there are."""
        self._bar.update(self._task, total=total)

    def skipped(self, found: SkippedPath) -> None:
        """Count a path that is left out. What was named on the command line, or cannot be read, has failed."""
        if found.reason != "unreadable" and not found.given:
            self.skips[found.reason] += 1
            return
        path = readable(found.path)
        message = f"cannot be read: {found.message}" if found.message else "is neither a file nor a folder"
        self._failed(Failed(path, found.reason, message))
        self.summary.failed.append(Failed(path, found.reason, message))

    def __call__(self, outcome: ImportOutcome) -> None:
        self._bar.advance(self._task)
        self.summary.add(outcome)
        if outcome.failed:
            self._failed(outcome.failed)

    def _failed(self, failed: Failed) -> None:
        if not self._as_json:
            self._bar.console.print(f"failed: {failed.path}: {failed.message}", markup=False, soft_wrap=True)


def _sources(found: Iterable[FoundFile]) -> Iterator[Source]:
    return (Source(item.path, item.relative) for item in found)


def _print(report: _Report, seconds: float, *, interrupted: bool, as_json: bool) -> None:
    summary, skips = report.summary, report.skips
    rate = summary.seen / seconds if seconds else 0.0
    if as_json:
        print_json(
            {
                "imported": summary.imported,
                "duplicates": summary.duplicates,
                "failed": [{"path": f.path, "reason": f.reason, "message": f.message} for f in summary.failed],
                "skipped": dict(skips),
                "interrupted": interrupted,
                "seconds": round(seconds, 2),
                "files_per_second": round(rate, 1),
            }
        )
        return
    console().print(
        f"{summary.imported} imported, {summary.duplicates} already present, {len(summary.failed)} failed "
        f"({seconds:.1f} s, {rate:.0f} files/s)",
        markup=False,
    )
    if skips:
        words = ", ".join(f"{count} {reason}" for reason, count in skips.most_common())
        console().print(f"skipped: {words}", markup=False)
    if interrupted:
        console().print("Interrupted: run the same command again to import the rest.", markup=False)
