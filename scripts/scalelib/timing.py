"""Calls through the API beside the same bodies sent straight to the engine, timed alternately."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import aiohttp
from opensearchpy import AsyncOpenSearch

from query.compile import compile_search
from query.completion import FieldCompletion, completion
from query.cursors import KEEP_ALIVE
from query.types import Caller, SearchRequest
from scripts.benchlib import PREFIX
from scripts.scalelib.library import ORGANIZATION, Library
from scripts.scalelib.processes import Service
from service.core.search.bodies import parted

Json = dict[str, Any]
CALLER = Caller(ORGANIZATION, ORGANIZATION, frozenset({"admin"}))
WARM = 3
"""Calls of each kind that are not counted."""


@dataclass(frozen=True)
class Bench:
    """What a measurement works with: a library that is being served, and the engine behind it."""

    library: Library
    service: Service
    session: aiohttp.ClientSession
    engine: AsyncOpenSearch
    alias: str
    settings: Mapping[str, str]
    rounds: int
    build: float | None
    """Records that were indexed per second; None if the index was there."""

    async def get(self, path: str, **params: Any) -> Json:
        """Return the answer to a request of the native API."""
        target = f"{self.service.url}{PREFIX}/{path}?{urlencode(params)}"
        async with self.session.get(target) as answer:
            content = await answer.read()
            assert answer.status == 200, content
        found: Json = json.loads(content)
        return found

    async def ask(self, *bodies: Json | None) -> list[Json]:
        """Return the engine's answers to bodies that are sent at the same time."""
        calls = [self.engine.search(index=None if "pit" in body else self.alias, body=body) for body in bodies if body]
        return list(await asyncio.gather(*calls))

    async def forget(self) -> None:
        """Clear the engine's caches of answers and of queries, not what it has loaded of the fields."""
        await self.engine.indices.clear_cache(index=self.alias, params={"request": "true", "query": "true"})


@dataclass(frozen=True)
class Figures:
    """What was measured: samples through the API (or of the service), and straight from the engine if it is asked."""

    api: list[float]
    engine: list[float] = field(default_factory=list)
    note: str = ""


Call = Callable[[int], Awaitable[Any]]


async def alternating(bench: Bench, api: Call, engine: Call, *, fresh: bool) -> Figures:
    """Return the milliseconds of both kinds of calls; `fresh` clears the engine's caches before each."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(WARM + bench.rounds):
        for kind, call in zip(times, (api, engine), strict=True):
            if fresh:
                await bench.forget()
            started = time.perf_counter()
            await call(number)
            if number >= WARM:
                kind.append((time.perf_counter() - started) * 1000)
    return Figures(*times)


async def search(bench: Bench, texts: Sequence[str], facets: Sequence[str], *, fresh: bool) -> Figures:
    """Time searches for the texts in turn."""
    now = datetime.now(UTC)
    # As the service asks a cluster: spellings are looked up apart, and remembered.
    requests = [SearchRequest(text=text, facets=facets, count_spellings=False) for text in texts]
    bodies = [
        parted(compile_search(request, CALLER, now).body, totals=not _expands(request.text)) for request in requests
    ]
    counts: list[int] = []

    async def api(number: int) -> None:
        text = texts[number % len(texts)]
        counts.append((await bench.get("assets/search/advanced", query=text, facets=",".join(facets)))["total_count"])

    async def engine(number: int) -> None:
        found = await bench.ask(*bodies[number % len(bodies)])
        assert found[-1]["hits"]["total"]["value"] == counts[-1], (found[-1]["hits"], counts[-1])

    figures = await alternating(bench, api, engine, fresh=fresh)
    middle = sorted(counts)[len(counts) // 2]
    return Figures(figures.api, figures.engine, f"{middle:,} found" + (" (median)" if len(texts) > 1 else ""))


def _expands(text: str) -> bool:
    """Whether the service sends a text in one body, as it looks words up."""
    return "*" in text or "~" in text


async def zipf_search(bench: Bench, facets: Sequence[str]) -> Figures:
    """Time searches for words drawn as often as they are in the records, each once."""
    words = bench.library.vocabulary.distinct(random.Random(7), WARM + bench.rounds)
    return await search(bench, words, facets, fresh=True)


async def suggest(bench: Bench, text: str) -> Figures:
    """Time what someone gets who types `text`."""
    place = completion(text, len(text), CALLER.roles)
    now = datetime.now(UTC)
    if isinstance(place, FieldCompletion):
        assert place.words is not None
        compiled = place.words.search(CALLER, now)
    else:
        compiled = place.search(CALLER, now)
    assert compiled is not None
    body = compiled.body
    found: list[int] = []

    async def api(number: int) -> None:
        found.append(len((await bench.get("suggest", q=text))["suggestions"]))

    figures = await alternating(bench, api, lambda number: bench.ask(body), fresh=True)
    return Figures(figures.api, figures.engine, f"{found[-1]} proposals")


async def first_page(bench: Bench) -> Figures:
    """Time the first page of a walk over everything by cursor."""
    body = compile_search(SearchRequest(), CALLER, datetime.now(UTC)).body
    plain = {name: value for name, value in body.items() if name != "from"}

    async def engine(number: int) -> None:
        pit = (await bench.engine.create_pit(index=bench.alias, params={"keep_alive": KEEP_ALIVE}))["pit_id"]
        await bench.ask(*parted({**plain, "pit": {"id": pit, "keep_alive": KEEP_ALIVE}}, totals=True))

    return await alternating(
        bench, lambda number: bench.get("assets/search/advanced", query="", cursor="*", facets=""), engine, fresh=True
    )
