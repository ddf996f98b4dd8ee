"""How Assetry grows: what people wait for, at 10,000, 100,000 and 1,000,000 records, the API beside the engine alone.

For each size it makes two libraries in SQLite stores: one whose words come from a large vocabulary by Zipf's law, and
one of the 35 words of the other benchmarks, each of which is in most records (the worst case). Assetry's own indexer
feeds an OpenSearch (the one at ASSETRY_OPENSEARCH_URL, else one that this starts), and a service process answers. With
--keep, all of it stays in a folder: another run goes on where the last one ended, and measures again without building.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import uvloop
from opensearchpy import AsyncOpenSearch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.enginelib.engine import started  # noqa: E402
from scripts.enginelib.table import ENGINES  # noqa: E402
from scripts.scalelib.library import Library  # noqa: E402
from scripts.scalelib.measurements import FEW, MEASUREMENTS, ZIPF  # noqa: E402
from scripts.scalelib.plot import svg  # noqa: E402
from scripts.scalelib.processes import serving  # noqa: E402
from scripts.scalelib.results import Results  # noqa: E402
from scripts.scalelib.timing import Bench  # noqa: E402
from scripts.scalelib.vocabulary import Vocabulary, few, zipf  # noqa: E402

ENGINE = "ASSETRY_OPENSEARCH_URL"
PATIENCE = 1800.0
"""Seconds until an engine with large indexes must respond, on a machine that does other things as well."""


@contextmanager
def engine_in(folder: Path) -> Iterator[str]:
    """Give the URL of the engine: the one that is set, or one that runs until the block ends and keeps its data."""
    given = os.environ.get(ENGINE)
    if given:
        yield given
        return
    engine, place = ENGINES["opensearch"], folder / "opensearch"
    engine.obtain()
    place.mkdir(mode=0o755, exist_ok=True)
    daemon, url = started(engine.kind, place, PATIENCE)
    try:
        yield url
    finally:
        daemon.end()


@asynccontextmanager
async def served(library: Library, url: str, bar: Progress, rounds: int) -> AsyncIterator[Bench]:
    """Make a library and its index as far as they are not there, and serve it."""
    task = bar.add_task(f"{library.records:,} {library.name}: records", total=library.records)
    await library.make(lambda done: bar.update(task, completed=done))
    bar.update(task, description=f"{library.records:,} {library.name}: index")
    alias = f"scale-{library.name}-{library.records}"
    settings = {ENGINE: url, "ASSETRY_INDEX_PREFIX": alias}
    began, built = library.data / "bench-began", library.data / "bench-built.json"
    whole = not began.exists()  # the first start builds the index; one that was broken off says nothing of the time
    began.touch()
    async with serving(library.data, settings, lambda done: bar.update(task, completed=done)) as service:
        if whole:
            built.write_text(json.dumps(library.records / service.seconds))
        bar.remove_task(task)
        client = AsyncOpenSearch(hosts=[url], timeout=120)
        try:
            await _merged(client, alias)
            async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {library.key}"}) as session:
                rate = json.loads(built.read_text()) if built.exists() else None
                yield Bench(library, service, session, client, alias, settings, rounds, rate)
        finally:
            await client.close()


async def _merged(client: AsyncOpenSearch, alias: str) -> None:
    """Wait until the engine merges nothing any more, which would take its time from the searches."""
    while (await client.indices.stats(index=alias, metric="merge"))["_all"]["total"]["merges"]["current"]:
        await asyncio.sleep(0.5)


async def measure(chosen: argparse.Namespace, folder: Path, bar: Progress) -> Results:
    """Measure at every size."""
    path = folder / "results.json"
    results = Results.load(path)
    words: Mapping[str, Vocabulary] = {FEW: few(), ZIPF: zipf(chosen.vocabulary)}
    with engine_in(folder) as url:
        for size in chosen.sizes:
            for name, vocabulary in words.items():
                rows = [one for one in MEASUREMENTS if one.library == name and chosen.only in one.name]
                if not rows:
                    continue
                library = Library(folder / f"{name}-{size}", size, vocabulary, name)
                async with served(library, url, bar, chosen.rounds) as bench:
                    if chosen.build:
                        continue
                    task = bar.add_task("", total=len(rows))
                    for row in rows:
                        bar.update(task, description=f"{size:,} {name}: {row.name}")
                        results.add(size, row, await row.take(bench))
                        results.save(path)
                        bar.advance(task)
                    bar.remove_task(task)
    return results


def drawn(results: Results) -> str:
    """Return the picture of how the times grow."""
    lines = {}
    for one in MEASUREMENTS:
        line = [(size, value) for size in results.sizes if (value := results.at(size, one.name))]
        if one.unit == "ms" and line:
            lines[one.name.replace("`", "")] = line
    return svg(lines, across="records", up="p50, ms")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="scripts/bench scale", description=__doc__)
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--records", type=int, metavar="N", help="one size")
    sizes.add_argument("--sizes", default="10000,100000,1000000", help="comma-separated numbers of records")
    parser.add_argument("--vocabulary", type=int, default=50_000, metavar="W", help="words of the Zipf library")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the libraries and the engine's data stay")
    parser.add_argument("--rounds", type=int, default=50, help="searches of each kind")
    parser.add_argument("--only", default="", metavar="TEXT", help="measurements with this in their names")
    parser.add_argument("--build", action="store_true", help="make the libraries and indexes, and measure nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the plot of the growth as an SVG")
    chosen = parser.parse_args()
    chosen.sizes = [chosen.records] if chosen.records else [int(size) for size in chosen.sizes.split(",")]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with tempfile.TemporaryDirectory(prefix="assetry-scale-") as place:
        Path(place).chmod(0o755)  # the engine may run as another user
        folder: Path = (chosen.keep or Path(place)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            results = uvloop.run(measure(chosen, folder, bar))
    if chosen.build:
        return
    if chosen.plot:
        chosen.plot.parent.mkdir(parents=True, exist_ok=True)
        chosen.plot.write_text(drawn(results))
    if chosen.json:
        print(json.dumps(results.summary(), indent=1))
        return
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for size in results.sizes:
        print(f"\n{size:,} records, {chosen.vocabulary:,} words or 35\n\n{results.table(size)}")
    print(f"\nGrowth, p50\n\n{results.growth()}")


if __name__ == "__main__":
    main()
