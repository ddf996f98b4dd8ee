"""The cost of the query language: compiling compared with luqum's parse; the API with the same DSL sent directly.

The engine is a real OpenSearch: the one at ASSETRY_TEST_OPENSEARCH_URL, or one started by `scripts/engines`. The kinds
of calls alternate, so other load on the machine affects all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import luqum.thread
import uvloop
from opensearchpy import AsyncOpenSearch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from query.compile import compile_search  # noqa: E402
from query.dsl.words import BARE_FIELDS  # noqa: E402
from query.errors import QueryError  # noqa: E402
from query.language.parse import clear_cache  # noqa: E402
from query.types import Caller, SearchRequest  # noqa: E402
from scripts.benchlib import PREFIX, Timing, fill, service  # noqa: E402
from scripts.enginelib.table import ENGINES  # noqa: E402
from tests.unit.query.attacks import ATTACKS  # noqa: E402
from tests.unit.query.strings import strings  # noqa: E402

Json = dict[str, Any]

COMPLEX = (
    (
        "type:image AND (tags:mountain OR tags:landscape) AND width:[1024 TO 2048] "
        "AND created_at:[2024-01-01 TO 2024-01-31] AND model:stable-diffusion*"
    ),
    "type:video AND module:video_studio AND duration:[30 TO 120] AND tags:(educational OR tutorial)",
    (
        "(module:image_studio OR module:video_studio) AND (tags:marketing OR tags:brand) "
        "AND created_at:[2024-01-15 TO 2024-01-31]"
    ),
    "cost.amount:[0.01 TO 0.10] AND usage_stats.downloads:>5",
)
"""The four complex queries in the specification of the API."""

DATES = "created_at:[2024-01-01 TO 2024-06-30]"
CALLER = Caller("bench", "bench", frozenset({"admin"}))
ALIAS = "bench-query"
STEP = 100  # records per page while walking to the depth
WARM = 20  # rounds that are not counted


@dataclass(frozen=True)
class Case:
    """One search; `native` is the same query for `query_string`, None if it cannot express it."""

    name: str
    text: str
    facets: tuple[str, ...] = ()
    native: str | None = None


CASES = (
    Case("word", "mountain", native="mountain"),
    Case("phrase", '"mountain lake"', native='"mountain lake"'),
    Case("fuzzy", "mountian~1", native="mountian~1"),
    Case(
        "range + 4 facets",
        f"width:[1024 TO 2048] {DATES}",
        ("type", "module", "tags", "model"),
        native="metadata.width:[1024 TO 2048] AND created_at:[2024-01-01 TO 2024-06-30]",
    ),
)


def _table(*rows: tuple[str, ...]) -> None:
    for at, row in enumerate(rows):
        print(f"| {' | '.join(row)} |")
        if at == 0:
            print("|" + "---|" * len(row))


def _now() -> datetime:
    return datetime.now(UTC)


# Compiling ------------------------------------------------------------------------------------------------------------


def _best(work: Callable[[], object], rounds: int = 400) -> float:
    """Return the median duration of one call in microseconds, after warming up."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter_ns()
        work()
        times.append((time.perf_counter_ns() - started) / 1000)
    return Timing(times[rounds // 4 :]).at(0.5)


async def compiling(client: AsyncOpenSearch, records: int) -> None:
    """Print the compile times of the four complex queries, compared with a bare parse and the engine's response."""
    head = ("query", "first compile, µs", "luqum parse alone, µs", "times", "compile again, µs", "engine's answer, ms")
    rows: list[tuple[str, ...]] = [(*head, "share", "answer with empty caches, ms", "share of a first compile")]
    now = _now()
    for number, text in enumerate(COMPLEX, 1):
        request = SearchRequest(text=text)

        def fresh_compile(request: SearchRequest = request) -> None:
            clear_cache()
            compile_search(request, CALLER, now)

        first = _best(fresh_compile)
        again = _best(lambda request=request: compile_search(request, CALLER, now))  # type: ignore[misc]
        parsed = _best(lambda text=text: luqum.thread.parse(text))  # type: ignore[misc]
        body = compile_search(request, CALLER, now).body
        answers = await _rounds([lambda body=body: client.search(index=ALIAS, body=body)], 200)  # type: ignore[misc]
        answer, fresh = answers[0].at(0.5), await _uncached(client, body)
        cells = [f"{first:.0f}", f"{parsed:.0f}", f"{first / parsed:.2f}", f"{again:.0f}"]
        cells += [f"{answer:.2f}", f"{again / 1000 / answer:.1%}", f"{fresh:.2f}", f"{first / 1000 / fresh:.1%}"]
        rows.append((f"complex {number}", *cells))
    print(f"\nCompiling; {records:,} records in the engine, medians\n")
    _table(*rows)


async def _uncached(client: AsyncOpenSearch, body: Json) -> float:
    """Return the median response time in milliseconds without the engine's caches."""
    times = []
    for _ in range(30):
        await client.indices.clear_cache(index=ALIAS)
        started = time.perf_counter()
        await client.search(index=ALIAS, body=body)
        times.append((time.perf_counter() - started) * 1000)
    return Timing(times).at(0.5)


async def _rounds(calls: list[Callable[[], Awaitable[Any]]], rounds: int) -> list[Timing]:
    """Return the durations of each kind of call in milliseconds; the kinds alternate."""
    times: list[list[float]] = [[] for _ in calls]
    for number in range(rounds + WARM):
        for at, call in enumerate(calls):
            started = time.perf_counter()
            await call()
            if number >= WARM:
                times[at].append((time.perf_counter() - started) * 1000)
    return [Timing(found) for found in times]


def hostile(count: int) -> None:
    """Print which hostile and generated texts take the most processor time to compile, in either mode.

    One that seems slow is timed again and the best counts, so that a collection of garbage is not held against it.
    """
    texts = (*ATTACKS, *islice(strings(seed=4000), count))
    times = sorted(((_worst(text), text) for text in texts), reverse=True)
    print(f"\nThe slowest of {len(texts):,} hostile and generated texts, first compile, processor time\n")
    rows = ((f"`{text[:50]!r}`", f"{len(text):,}", f"{took * 1000:.1f}") for took, text in times[:5])
    _table(("text", "characters", "ms"), *rows)


def _worst(text: str) -> float:
    return max(min(_seconds(text, lenient) for _ in range(3)) for lenient in (False, True))


def _seconds(text: str, lenient: bool) -> float:
    clear_cache()
    started = time.thread_time()
    with suppress(QueryError):
        compile_search(SearchRequest(text=text, lenient=lenient), CALLER, _now())
    return time.thread_time() - started


# Searching ------------------------------------------------------------------------------------------------------------


def _native(case: Case, body: Json) -> Json:
    """Return the body with the same page, order and facets, but with a `query_string` query."""
    said = {"query_string": {"query": case.native, "fields": list(BARE_FIELDS), "default_operator": "AND"}}
    held = {"filter": [{"term": {"org_id": CALLER.org_id}}], "must_not": [{"exists": {"field": "deleted_at"}}]}
    return {**body, "query": {"bool": {"must": [said], **held}}}


async def searching(session: aiohttp.ClientSession, url: str, client: AsyncOpenSearch, rounds: int) -> list[list[str]]:
    """Return the rows of the table of searches."""
    rows = []
    for case in CASES:
        request = SearchRequest(text=case.text, facets=case.facets, count_spellings=False)
        body = compile_search(request, CALLER, _now()).body
        target = _url(url, query=case.text, facets=",".join(case.facets))
        found = await _get(session, target)
        straight = await client.search(index=ALIAS, body=body)
        assert found["total_count"] == straight["hits"]["total"]["value"], (case, found["total_count"])
        native = _native(case, body)
        calls: list[Callable[[], Awaitable[Any]]] = [
            lambda target=target: _get(session, target),  # type: ignore[misc]
            lambda body=body: client.search(index=ALIAS, body=body),  # type: ignore[misc]
            lambda native=native: client.search(index=ALIAS, body=native),  # type: ignore[misc]
        ]
        rows.append([f"{case.name} ({found['total_count']:,} found)", *_shown(await _rounds(calls, rounds))])
    return rows


async def deep(
    session: aiohttp.ClientSession, url: str, client: AsyncOpenSearch, rounds: int, depth: int
) -> list[list[str]]:
    """Return the rows for pages at a depth beyond the reach of offsets."""
    cursor, rows = "*", []
    for _ in range(depth // STEP):
        cursor = (await _get(session, _url(url, query="", limit=STEP, cursor=cursor, facets="")))["next_cursor"]
    pit = (await client.create_pit(index=ALIAS, params={"keep_alive": "5m"}))["pit_id"]
    walk = {**_from_pit(pit, STEP), "_source": False, "track_total_hits": False}
    for _ in range(depth // STEP):
        walk["search_after"] = (await client.search(body=walk))["hits"]["hits"][-1]["sort"]
    for size in (20, STEP):
        target = _url(url, query="", limit=size, cursor=cursor, facets="")
        body = {**_from_pit(pit, size), "search_after": walk["search_after"]}
        shown, straight = await _get(session, target), await client.search(body=body)
        assert [found["id"] for found in shown["results"]] == [hit["_source"]["id"] for hit in straight["hits"]["hits"]]
        calls: list[Callable[[], Awaitable[Any]]] = [
            lambda target=target: _get(session, target),  # type: ignore[misc]
            lambda body=body: client.search(body=body),  # type: ignore[misc]
        ]
        rows.append([f"{size} by cursor behind {depth:,}", *_shown(await _rounds(calls, rounds)), "–", "–"])
    await client.delete_pit(body={"pit_id": [pit]})
    return rows


def _from_pit(pit: str, size: int) -> Json:
    body = compile_search(SearchRequest(limit=size), CALLER, _now()).body
    return {name: part for name, part in body.items() if name != "from"} | {"pit": {"id": pit, "keep_alive": "5m"}}


def _shown(timings: list[Timing]) -> list[str]:
    api, straight = timings[0], timings[1]
    cells = [f"{api.at(0.5):.1f}", f"{api.at(0.95):.1f}", f"{straight.at(0.5):.1f}", f"{straight.at(0.95):.1f}"]
    cells.append(f"{api.at(0.5) - straight.at(0.5):.1f}")
    return cells + [f"{timing.at(share):.1f}" for timing in timings[2:] for share in (0.5, 0.95)]


def _url(url: str, **params: Any) -> str:
    return f"{url}{PREFIX}/assets/search/advanced?{urlencode(params)}"


async def _get(session: aiohttp.ClientSession, target: str) -> Json:
    async with session.get(target) as answer:
        content = await answer.read()
        assert answer.status == 200, content
        found: Json = json.loads(content)
    return found


# Throughput -----------------------------------------------------------------------------------------------------------


async def throughput(
    session: aiohttp.ClientSession, url: str, client: AsyncOpenSearch, connections: int, seconds: float
) -> None:
    """Print searches per second of one API process and of opensearch-py alone, at this number of connections."""
    body = compile_search(SearchRequest(text="mountain"), CALLER, _now()).body
    target = _url(url, query="mountain", facets="")

    async def through_api() -> None:
        async with session.get(target) as answer:
            await answer.read()
            assert answer.status == 200

    best = {"api": 0.0, "alone": 0.0}
    for _ in range(3):  # alternating; the best of three excludes short load on the machine
        best["api"] = max(best["api"], await _rate(through_api, connections, seconds))
        best["alone"] = max(
            best["alone"], await _rate(lambda: client.search(index=ALIAS, body=body), connections, seconds)
        )
    print(f"\nSearches per second at {connections} connections, best of three runs of {seconds:.0f} s\n")
    _table(
        ("one API process", "opensearch-py alone", "ratio"),
        (f"{best['api']:.0f}", f"{best['alone']:.0f}", f"{best['api'] / best['alone']:.2f}"),
    )


async def _rate(call: Callable[[], Awaitable[Any]], connections: int, seconds: float) -> float:
    done = 0
    end = time.perf_counter() + seconds

    async def work() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await call()
            done += 1

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(connections)))
    return done / (time.perf_counter() - started)


# All of it ------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _client(engine: str) -> AsyncIterator[AsyncOpenSearch]:
    client = AsyncOpenSearch(hosts=[engine], pool_maxsize=64, timeout=60)
    try:
        yield client
    finally:
        await client.indices.delete(index=f"{ALIAS}-*", params={"ignore": "404"})
        await client.close()


async def measure(chosen: argparse.Namespace) -> None:
    """Print the tables."""
    engine = ENGINES["opensearch"].up()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        key = await fill(data, chosen.records)
        async with _client(engine) as client:
            settings = {"ASSETRY_OPENSEARCH_URL": engine, "ASSETRY_INDEX_PREFIX": ALIAS}
            async with service(data, **settings) as (url, seconds):
                print(f"Start to ready with {chosen.records:,} records (full index build): {seconds:.1f} s")
                await client.indices.forcemerge(index=ALIAS, params={"max_num_segments": "1"})
                async with aiohttp.ClientSession(
                    headers={"Authorization": f"Bearer {key}"}, connector=aiohttp.TCPConnector(limit=64)
                ) as session:
                    await compiling(client, chosen.records)
                    rows = await searching(session, url, client, chosen.rounds)
                    rows += await deep(session, url, client, chosen.rounds, chosen.depth)
                    print(f"\n{chosen.records:,} records, {chosen.rounds} rounds each, alternating; milliseconds\n")
                    head = ("search", "API p50", "API p95", "same DSL p50", "same DSL p95", "API overhead at p50")
                    _table((*head, "query_string p50", "query_string p95"), *(tuple(row) for row in rows))
                    await throughput(session, url, client, chosen.connections, chosen.seconds)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="scripts/bench query", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000, help="number of records to search")
    parser.add_argument("--rounds", type=int, default=200, help="calls per kind and query")
    parser.add_argument("--depth", type=int, default=50_000, help="hits before the page fetched by cursor")
    parser.add_argument("--connections", type=int, default=16, help="concurrent searches")
    parser.add_argument("--seconds", type=float, default=8, help="duration of each throughput run, in seconds")
    parser.add_argument("--texts", type=int, metavar="N", help="time hostile texts and N generated ones; no engine")
    chosen = parser.parse_args()
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    if chosen.texts is not None:
        hostile(chosen.texts)
        return
    uvloop.run(measure(chosen))


if __name__ == "__main__":
    main()
