"""Shared code of the search benchmarks: records to search, the service as a process, and timings."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

from service.core.access.keys import SCOPES, Principal
from service.core.assets.records import new_record
from service.model import AssetCreate
from service.ports.store import Body
from service.runtime.base import open_base
from service.settings import load

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "/v1/asset-library"
WORDS = (
    "mountain lake forest sunset river valley meadow ocean harbour city skyline portrait studio brand campaign poster "
    "spring autumn winter summer red blue golden quiet ancient modern abstract pattern texture detail aerial night "
    "landscape marketing educational tutorial"
).split()
MODELS = ("stable-diffusion-xl", "stable-diffusion-1.5", "dalle-3", "midjourney")
MODULES = ("image_studio", "video_studio", "story_writer", "blog_writer")


@dataclass(frozen=True)
class Timing:
    """The durations of one kind of call, in milliseconds."""

    times: list[float]

    def at(self, share: float) -> float:
        """Return the duration that this share of the calls did not exceed (a percentile)."""
        return sorted(self.times)[min(len(self.times) - 1, int(len(self.times) * share))]


def asset(rng: random.Random) -> AssetCreate:
    """Return an asset of random words and numbers."""
    tags = rng.sample(WORDS, rng.randint(2, 8))
    moment = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(minutes=rng.randint(0, 60 * 24 * 900))
    return AssetCreate.model_validate(
        {
            "type": rng.choices(("image", "video", "audio", "text"), (70, 15, 5, 10))[0],
            "module": rng.choice(MODULES),
            "title": " ".join(rng.sample(WORDS, 4)).capitalize(),
            "description": " ".join(rng.choices(WORDS, k=25)),
            "filename": f"{'_'.join(tags[:2])}_{rng.randint(1, 10**6)}.jpg",
            "tags": tags,
            "created_at": moment.isoformat(),
            "cost": {"credits_used": rng.randint(0, 9), "amount": rng.randint(0, 30) / 100},
            "usage_stats": {"downloads": rng.randint(0, 200), "views": rng.randint(0, 900)},
            "metadata": {
                "width": rng.choice((512, 768, 1024, 1536, 2048, 4096)),
                "height": rng.choice((512, 768, 1024, 1536)),
                "file_size": rng.randint(10_000, 9_000_000),
                "format": "jpg",
                "model": rng.choice(MODELS),
                "prompt": " ".join(rng.choices(WORDS, k=18)),
                "steps": rng.randint(10, 50),
                "duration": rng.randint(5, 300),
            },
        }
    )


async def fill(data: Path, count: int) -> str:
    """Write the records and create a key; return the key."""
    rng = random.Random(42)
    who = Principal("bench", "bench", frozenset(SCOPES))
    async with open_base(load(data=data)) as base:
        first = await base.store.counter("asset", count)
        for start in range(0, count, 1000):
            bodies: dict[str, Body] = {}
            for number in range(first + start, first + min(start + 1000, count)):
                body = new_record(asset(rng), who, number, base.clock)
                bodies[body["id"]] = {**body, "slug": f"asset-{number}"}
            await base.store.insert_many("asset", bodies)
        key, _ = await base.keys.create("bench", "bench", list(SCOPES), "unlimited")
    return key


@asynccontextmanager
async def service(data: Path, **settings: str) -> AsyncIterator[tuple[str, float]]:
    """Run ``assetry serve`` with ``settings`` as environment variables; once ready, yield its URL and the seconds."""
    command = [sys.executable, "-m", "service", "serve", "--data", str(data), "--port", "0"]
    started = time.perf_counter()
    environment = {**os.environ, "ASSETRY_LOG_LEVEL": "error", **settings}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)  # noqa: ASYNC220
    assert process.stdout is not None
    try:
        url = (await asyncio.to_thread(process.stdout.readline)).split()[-1]
        async with aiohttp.ClientSession() as session:
            while True:
                async with session.get(f"{url}/readyz") as answer:
                    if answer.status == 200:
                        break
                await asyncio.sleep(0.01)
        yield url, time.perf_counter() - started
    finally:
        process.terminate()
        process.wait()
