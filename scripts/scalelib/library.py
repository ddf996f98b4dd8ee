"""A library of any number of records in a SQLite store: made once, and continued where an earlier run ended."""

from __future__ import annotations

import random
import string
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from scripts.benchlib import MODELS, MODULES, asset
from scripts.scalelib.vocabulary import Vocabulary
from service.core.access.keys import SCOPES, Principal
from service.core.assets.records import new_record
from service.ports.clock import SystemClock
from service.ports.store import Body
from service.runtime.base import open_base
from service.settings import load

BATCH = 1000
"""Records of a commit. Those of a batch depend only on its place, so a library is the same however often it stopped."""

ORGANIZATION = "bench"
WHO = Principal(ORGANIZATION, ORGANIZATION, frozenset(SCOPES))

_WORDS = 4 + 25 + 18 + 8  # of a title, a description, a prompt, and at most as many tags
_TYPES = (("image", "video", "audio", "text"), (70, 85, 90, 100))
_SIGNS = string.ascii_letters + string.digits
_FROM = datetime(2023, 1, 1, tzinfo=UTC)

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Library:
    """A library: the folder of its data, how many records it has, and the words they are made of."""

    data: Path
    records: int
    vocabulary: Vocabulary
    name: str

    @property
    def key(self) -> str:
        """The API key of the library."""
        return (self.data / "bench-key").read_text()

    async def make(self, progress: Progress) -> None:
        """Write the records that are not there yet, through the store's port; `progress` learns how many are."""
        async with open_base(load(data=self.data)) as base:
            done = await base.store.size("asset")
            if not done:
                first = await base.store.counter("asset", self.records)
                assert first == 1, first
            keep = self.data / "bench-key"
            if not keep.exists():
                keep.touch(mode=0o600)
                key, _ = await base.keys.create(ORGANIZATION, ORGANIZATION, list(SCOPES), "unlimited")
                keep.write_text(key)
            progress(done)
            while done < self.records:
                found = await base.store.insert_many("asset", self.batch(done))
                failed = [outcome for outcome in found.values() if isinstance(outcome, Exception)]
                assert not failed, failed[0]
                done += len(found)
                progress(done)

    def batch(self, start: int) -> dict[str, Body]:
        """Return the records of the batch that begins behind `start` records."""
        rng = random.Random(f"{self.name} {start}")
        count = min(BATCH, self.records - start)
        drawn = self.vocabulary.draw(rng, count * _WORDS)
        template = cast("Body", {**new_record(asset(rng), WHO, 0, SystemClock())})
        made = (record(rng, template, start + 1 + at, drawn[at * _WORDS : (at + 1) * _WORDS]) for at in range(count))
        return {body["id"]: body for body in made}


def record(rng: random.Random, template: Body, number: int, words: list[str]) -> Body:
    """Return a record like `template`, which the service itself put together, but of other words and numbers.

    Checking each by the API's model would take longer than all else about a million records.
    """
    title, description, prompt, tags = words[:4], words[4:29], words[29:47], words[47:]
    tags = list(dict.fromkeys(tags[: rng.randint(2, 8)]))
    pick = rng.random
    moment = _FROM + timedelta(minutes=int(pick() * 60 * 24 * 900))
    return {
        **template,
        "id": f"asset_{number}",
        "number": number,
        "guid": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "sid": "".join(rng.choices(_SIGNS, k=12)),
        "slug": f"asset-{number}",
        "type": rng.choices(_TYPES[0], cum_weights=_TYPES[1])[0],
        "module": MODULES[int(pick() * len(MODULES))],
        "title": " ".join(title).capitalize(),
        "description": " ".join(description),
        "filename": f"{'_'.join(tags[:2])}_{int(pick() * 10**6) + 1}.jpg",
        "tags": tags,
        "created_at": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "cost": {"credits_used": int(pick() * 10), "currency": "USD", "amount": int(pick() * 31) / 100},
        "usage_stats": {**template["usage_stats"], "downloads": int(pick() * 201), "views": int(pick() * 901)},
        "metadata": {
            "width": (512, 768, 1024, 1536, 2048, 4096)[int(pick() * 6)],
            "height": (512, 768, 1024, 1536)[int(pick() * 4)],
            "file_size": 10_000 + int(pick() * 9_000_000),
            "format": "jpg",
            "model": MODELS[int(pick() * len(MODELS))],
            "prompt": " ".join(prompt),
            "steps": 10 + int(pick() * 41),
            "duration": 5 + int(pick() * 296),
        },
    }
