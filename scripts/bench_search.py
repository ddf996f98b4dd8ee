"""Search through the API compared with the same body sent directly to the engine; import; memory; cold start.

Both kinds of search alternate in one process, on one engine with the same records, with the same HTTP client library
(aiohttp, which opensearch-py uses too), so other load on the machine affects both. The engine is the embedded one, or
the one at ASSETRY_OPENSEARCH_URL.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

import aiohttp
import orjson
from opensearchpy import AsyncOpenSearch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from indexer.documents import search_document  # noqa: E402
from mappings.index import index_body  # noqa: E402
from query.compile import compile_search  # noqa: E402
from query.types import Caller, SearchRequest  # noqa: E402
from scripts.benchlib import PREFIX, Timing, asset, fill, service  # noqa: E402
from service.adapters.embedded_search.columns import Columns  # noqa: E402
from service.core.access.keys import SCOPES, Principal  # noqa: E402
from service.core.assets.records import new_record  # noqa: E402
from service.ports.clock import SystemClock  # noqa: E402
from service.ports.store import Body, Record  # noqa: E402
from service.times import timestamp  # noqa: E402

ENGINE = "ASSETRY_OPENSEARCH_URL"
INDEX = "assetry-bench"

EIGHT = "type,module,tags,model,width,created_at,cost.credits_used,file_size"
CHOSEN = '{"tags": ["lake"]}'
QUERIES: dict[str, dict[str, str]] = {
    "everything + 4 facets": {"query": "", "facets": "type,module,tags,model"},
    "two words + 4 facets": {"query": "mountain lake", "facets": "type,module,tags,model"},
    "everything + 8 facets, one selected": {"query": "", "facets": EIGHT, "filters": CHOSEN},
    "two words + 8 facets, one selected": {"query": "mountain lake", "facets": EIGHT, "filters": CHOSEN},
    "seed's image query + 2 facets": {
        "query": "type:image AND (tags:mountain OR tags:lake) AND width:[1024 TO 2048] "
        "AND created_at:[2024-01-01 TO 2024-06-30] AND model:stable-diffusion*",
        "facets": "tags,model",
    },
    "fuzzy + range, no facets": {"query": "mountan~1 width:>1000", "facets": ""},
}


async def _compare(url: str, engine: str, key: str, rounds: int) -> list[tuple[str, Timing, Timing]]:
    caller = Caller("bench", "bench", frozenset({"admin"}))
    results = []
    client = AsyncOpenSearch(hosts=[engine])
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for name, params in QUERIES.items():
            facets = [facet for facet in params["facets"].split(",") if facet]
            filters = json.loads(params.get("filters", "{}"))
            spelled = ENGINE not in os.environ  # of a cluster, spellings are looked up and remembered
            request = SearchRequest(text=params["query"], filters=filters, facets=facets, count_spellings=spelled)
            body = compile_search(request, caller, datetime.now(UTC)).body
            target = f"{url}{PREFIX}/assets/search/advanced?{urlencode(params)}"
            api: list[float] = []
            direct: list[float] = []
            totals = set()
            for number in range(rounds + 20):
                started = time.perf_counter()
                async with session.get(target) as answer:
                    found = json.loads(await answer.read())
                middle = time.perf_counter()
                straight = await client.search(index=INDEX, body=body)
                ended = time.perf_counter()
                totals.add((found["total_count"], straight["hits"]["total"]["value"]))
                if number >= 20:  # the first rounds warm up both
                    api.append((middle - started) * 1000)
                    direct.append((ended - middle) * 1000)
            assert len(totals) == 1, totals
            assert len(set(next(iter(totals)))) == 1, totals
            results.append((name, Timing(api), Timing(direct)))
    await client.close()
    return results


async def search(count: int, rounds: int) -> None:
    """Print the table of searches and the cold start times."""
    with tempfile.TemporaryDirectory() as folder:
        starts = []
        for number in range(5):
            async with service(Path(folder) / f"empty-{number}") as (_, seconds):
                starts.append(seconds)
        data = Path(folder) / "data"
        key = await fill(data, count)
        async with service(data, ASSETRY_INDEX_PREFIX=INDEX) as (url, filled):
            engine = os.environ.get(ENGINE) or json.loads((data / "run" / "engine.json").read_text())["url"]
            results = await _compare(url, engine, key, rounds)
    print(f"\n{count:,} assets, {rounds} rounds each, alternating; milliseconds\n")
    print(
        "| search | API p50 | API p95 | engine alone p50 | engine alone p95 | API overhead at p50 | median of pairs |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, api, direct in results:
        pairs = median(one - other for one, other in zip(api.times, direct.times, strict=True))
        row = (api.at(0.5), api.at(0.95), direct.at(0.5), direct.at(0.95), api.at(0.5) - direct.at(0.5), pairs)
        print(f"| {name} | " + " | ".join(f"{value:.1f}" for value in row) + " |")
    print(f"\nCold start to ready, empty library: median {median(starts):.2f} s, worst of 5 {max(starts):.2f} s")
    print(f"Start to ready with {count:,} assets (full index build): {filled:.2f} s")


def columns(count: int) -> None:
    """Print what the columns of the embedded engine take for each record."""
    rng = random.Random(42)
    who = Principal("bench", "bench", frozenset(SCOPES))
    held = Columns(index_body()["mappings"])
    clock = SystemClock()
    tracemalloc.start()
    for number in range(count):
        body: Body = {**new_record(asset(rng), who, number, clock)}
        record = Record("asset", f"asset_{number}", 1, body, timestamp(clock.now()))
        held.write(record.key, 1, orjson.loads(orjson.dumps(search_document(record))))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"\nColumns of the embedded engine: {taken / count:,.0f} bytes a record, {count:,} records")


def imports(folder: Path, sizes: Sequence[int]) -> None:
    """Print the table of imports: each runs in its own process, with the peak memory reported by the kernel."""
    print("\n| files | seconds | files per second | peak memory of the command, MB |")
    print("|---|---|---|---|")
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    for size in sizes:
        with tempfile.TemporaryDirectory() as place:
            library = Path(place) / "library"
            library.mkdir()
            for number, path in enumerate(paths[:size]):
                shutil.copyfile(path, library / f"{number:06}{path.suffix}")
            _import(library, Path(place) / "data", len(paths[:size]))


def _import(library: Path, data: Path, size: int) -> None:
    """Import in a child of a child process, so that only the peak memory of this import is counted."""
    code = (
        "import resource, subprocess, sys;"
        "out = subprocess.run(sys.argv[1:], capture_output=True, text=True).stdout;"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, out)"
    )
    command = [str(Path(sys.executable).with_name("assetry")), "import", str(library), "--data", str(data), "--json"]
    out = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True).stdout
    peak, _, report = out.partition(" ")
    done = json.loads(report)
    assert done["imported"] == size, done
    print(f"| {size:,} | {done['seconds']} | {done['files_per_second']} | {int(peak) / 1024:.0f} |")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="scripts/bench search", description=__doc__)
    parser.add_argument("--assets", type=int, default=10_000, help="number of records to search")
    parser.add_argument("--rounds", type=int, default=300, help="calls per kind and query")
    parser.add_argument("--drawings", type=Path, default=Path("/usr/share/openclipart/svg"), help="folder to import")
    parser.add_argument("--no-import", action="store_true", help="measure searches only")
    parser.add_argument("--sizes", default="1000,3000,7458", help="comma-separated numbers of files to import")
    chosen = parser.parse_args()
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    columns(chosen.assets)
    asyncio.run(search(chosen.assets, chosen.rounds))
    if chosen.no_import:
        return
    if chosen.drawings.is_dir():
        imports(chosen.drawings, [int(size) for size in chosen.sizes.split(",")])
    else:
        print(f"\nSkipped imports: {chosen.drawings} does not exist (apt-get install openclipart-svg)")
    print(f"\nPeak memory of this benchmark: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
