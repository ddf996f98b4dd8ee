"""Long work of the native API at a large library: its time and memory, and what others who search notice of it.

It serves a library of records (SQLite store) on OpenSearch (the one at ASSETRY_OPENSEARCH_URL, else one that this
starts) and changes the metadata of a tenth of them by a query, undoes that, and exports all of them as CSV, XLSX and
JSON, while another client searches; the p95 of that client is compared with the one while nothing else happens.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.bench_scale import ENGINE, engine_in  # noqa: E402
from scripts.benchlib import PREFIX, Timing  # noqa: E402
from scripts.scalelib.library import Library  # noqa: E402
from scripts.scalelib.measurements import ZIPF  # noqa: E402
from scripts.scalelib.processes import serving  # noqa: E402
from scripts.scalelib.vocabulary import zipf  # noqa: E402

Json = dict[str, Any]
IDLE_SECONDS = 20.0
_LOOK = 0.1


@dataclass
class Others:
    """A client that searches all the while: its times in ms."""

    times: list[float] = field(default_factory=list)

    async def search(self, session: aiohttp.ClientSession, url: str, words: list[str]) -> None:
        """Search for ever, with a pause between two searches."""
        rng = random.Random(3)
        while True:
            started = time.perf_counter()
            params = {"query": rng.choice(words), "facets": "type,tags"}
            async with session.get(f"{url}{PREFIX}/assets/search/advanced", params=params) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()
            self.times.append((time.perf_counter() - started) * 1000)
            await asyncio.sleep(0.02)


async def ask(session: aiohttp.ClientSession, method: str, url: str, **options: Any) -> Json:
    """Return the answer to a request."""
    async with session.request(method, url, **options) as answer:
        found: Json = await answer.json()
        assert answer.status < 300, found
        return found


async def ended(session: aiohttp.ClientSession, base: str, operation_id: str) -> Json:
    """Return an operation at its end."""
    while True:
        found = await ask(session, "GET", f"{base}/operations/{operation_id}")
        if found["status"] in ("completed", "failed", "cancelled"):
            assert found["status"] == "completed", found
            return found
        await asyncio.sleep(_LOOK)


def resident(pid: int) -> float:
    """Return the memory of a process in MB."""
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return 0.0


async def watch(pid: int, peak: list[float]) -> None:
    """Note the most memory that a process has, for ever."""
    while True:
        peak[0] = max(peak[0], resident(pid))
        await asyncio.sleep(0.05)


Work = Callable[[], Awaitable[str]]


async def measured(name: str, pid: int, session: aiohttp.ClientSession, url: str, words: list[str], work: Work) -> str:
    """Return a row of the table."""
    others, peak, before = Others(), [0.0], resident(pid)
    tasks = [
        asyncio.create_task(others.search(session, url, words)),
        asyncio.create_task(watch(pid, peak)),
    ]
    started = time.perf_counter()
    note = await work()
    seconds = time.perf_counter() - started
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(outcome, asyncio.CancelledError), outcome
    p95 = Timing(others.times).at(0.95)
    return f"| {name} | {seconds:.1f} | {before:.0f} → {peak[0]:.0f} | {p95:.0f} | {note} |"


async def run(chosen: argparse.Namespace, folder: Path) -> None:
    """Print the table."""
    vocabulary = zipf(chosen.vocabulary)
    library = Library(folder / f"{ZIPF}-{chosen.records}", chosen.records, vocabulary, ZIPF)
    with engine_in(folder) as engine:
        await library.make(lambda _: None)
        settings = {ENGINE: engine, "ASSETRY_INDEX_PREFIX": f"scale-{library.name}-{library.records}"}
        async with (
            serving(library.data, settings, lambda _: None) as service,
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {library.key}"}) as session,
        ):
            base = f"{service.url}{PREFIX}"
            words = vocabulary.distinct(random.Random(5), 200)
            number = chosen.records // 10
            selection = {"query": f"number:[1 TO {number}]"}
            last: list[str] = []

            async def idle() -> str:
                await asyncio.sleep(IDLE_SECONDS)
                return ""

            async def change() -> str:
                updates = {"tags": {"add": ["measured"]}, "title_prefix": "Measured: "}
                started = await ask(
                    session, "PATCH", f"{base}/assets/bulk/metadata", json={**selection, "updates": updates}
                )
                last[:] = [started["operation_id"]]
                return _counts(await ended(session, base, last[0]))

            async def undo() -> str:
                started = await ask(session, "POST", f"{base}/operations/{last[0]}/undo")
                return _counts(await ended(session, base, started["operation_id"]))

            def export(format_: str) -> Work:
                async def work() -> str:
                    body = {"query": "", "format": format_, "include_stats": True}
                    started = await ask(session, "POST", f"{base}/exports/search", json=body)
                    end = await ended(session, base, started["operation_id"])
                    result = end["result"]
                    return f"{result['file_count']:,} rows, {result['total_size_mb']:,} MB"

                return work

            works: list[tuple[str, Work]] = [
                ("nothing else", idle),
                (f"a change of {number:,} by a query", change),
                ("its undoing", undo),
                *((f"an export as {name}", export(name)) for name in ("csv", "xlsx", "json")),
            ]
            print(f"\n{chosen.records:,} records\n")
            print("| what runs | seconds | memory of the service, MB | p95 of a search beside it, ms | |")
            print("|---|---:|---:|---:|---|")
            for name, work in works:
                print(await measured(name, service.pid, session, service.url, words, work), flush=True)


def _counts(operation: Json) -> str:
    progress = operation["progress"]
    return f"{progress['succeeded']:,} changed, {progress['skipped']:,} skipped, {progress['failed']:,} failed"


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="scripts/bench api", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000, metavar="N")
    parser.add_argument("--vocabulary", type=int, default=50_000, metavar="W", help="words of the library")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the library and the engine's data stay")
    chosen = parser.parse_args()
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory(prefix="assetry-api-") as place:
        Path(place).chmod(0o755)  # the engine may run as another user
        folder: Path = (chosen.keep or Path(place)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        uvloop.run(run(chosen, folder))


if __name__ == "__main__":
    main()
