"""``assetry import``."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.progress import Progress

from service import settings
from service.cli.exit_codes import OK, PROBLEMS
from service.cli.output import console, print_json, progress
from service.core.access.keys import SCOPES, Principal
from service.core.assets.imports import ImportOutcome, ImportSummary, Source
from service.errors import InvalidInput
from service.ingest.folder import FoundFile, SkippedPath, walk
from service.runtime.bootstrap import open_base, open_importer


async def import_paths(data: Path | None, org: str, user: str, paths: list[Path], *, as_json: bool, quiet: bool) -> int:
    """Import, report and return the exit code."""
    for path in paths:
        if not path.exists():
            raise InvalidInput(f"The file or folder {path} does not exist.", field="PATH", provided=str(path))
    who = Principal(org, user, frozenset(SCOPES))
    started = time.perf_counter()
    async with open_base(settings.load(data=data)) as base, open_importer(base) as imports:
        with progress(quiet=quiet or as_json) as bar:
            report = _Report(bar, sum(1 for _ in walk(paths)), as_json=as_json)
            summary = await imports.run(who, _sources(walk(paths, report.skipped)), report)
    seconds = time.perf_counter() - started
    _print(summary, report.skips, seconds, as_json=as_json)
    return PROBLEMS if summary.failed else OK


class _Report:
    """Advances the progress bar and reports failed files as they occur."""

    def __init__(self, bar: Progress, total: int, *, as_json: bool) -> None:
        self._bar = bar
        self._task = bar.add_task("importing", total=total)
        self._as_json = as_json
        self.skips: Counter[str] = Counter()

    def skipped(self, found: SkippedPath) -> None:
        """Count a skipped path, and report it if it could not be read."""
        self.skips[found.reason] += 1
        if found.reason == "unreadable" and not self._as_json:
            self._bar.console.print(f"skipped: {found.path}: cannot be read", markup=False, soft_wrap=True)

    def __call__(self, outcome: ImportOutcome) -> None:
        self._bar.advance(self._task)
        if outcome.failed and not self._as_json:
            self._bar.console.print(
                f"failed: {outcome.failed.path}: {outcome.failed.message}", markup=False, soft_wrap=True
            )


def _sources(found: Iterable[FoundFile]) -> Iterator[Source]:
    return (Source(item.path, item.relative) for item in found)


def _print(summary: ImportSummary, skips: Counter[str], seconds: float, *, as_json: bool) -> None:
    rate = summary.seen / seconds if seconds else 0.0
    if as_json:
        print_json(
            {
                "imported": summary.imported,
                "duplicates": summary.duplicates,
                "failed": [{"path": f.path, "reason": f.reason, "message": f.message} for f in summary.failed],
                "skipped": dict(skips),
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
