"""A client that writes, changes and removes assets, and keeps a ledger of all that was acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.errors import Unavailable
from service.ports.search import SearchEngine
from service.ports.store import Change, Record, Store

LANES = 4
"""Writers at once; no key is in the hands of two."""
PACE = 0.02
"""Seconds between two writes of one of them: a load, not a flood."""
TIRING = 1000
"""Writes after which the pace halves, then thirds: what has to follow them on a slow machine is to come to an end."""
RESTS = 0.1
"""How likely a write is the last one to its asset: a later one would hide that the index missed it."""
MOST = 400
"""Assets that are written to at once: a slow machine is not to have more to do than a fast one."""
POISON = "once upon a time"
"""A date that no index takes."""
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """The last acknowledged write to an asset: its rev, its title (None: it was removed), whether no index takes it."""

    rev: int
    title: str | None
    poisoned: bool = False


@dataclass
class Ledger:
    """What was acknowledged, by key. ``poison`` is the share of new assets that no index takes, until they are fixed.

    Whose write was not answered is ``doubtful``: nothing is known of it, and nothing more is written to it.
    """

    store: Store
    seed: int
    poison: float = 0.0
    entries: dict[str, Entry] = field(default_factory=dict)
    count: int = 0
    """How many writes were acknowledged."""
    doubtful: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._number = 0
        self._rested: set[str] = set()
        self._words = 0

    @property
    def poisoned(self) -> set[str]:
        """The assets that are to be dead letters."""
        return {key for key, entry in self.entries.items() if entry.poisoned}

    @property
    def live(self) -> dict[str, Entry]:
        """What searches are to see."""
        return {key: entry for key, entry in self.entries.items() if entry.title is not None and not entry.poisoned}

    async def fill(self, count: int) -> None:
        """Insert assets, several at once."""
        lanes = [self._fill(range(lane, count, LANES), lane) for lane in range(LANES)]
        await asyncio.gather(*lanes)

    async def _fill(self, numbers: range, lane: int) -> None:
        for _ in numbers:
            await self._insert(lane)

    async def write(self, count: int) -> None:
        """Do so many writes of all kinds, several at once."""
        await asyncio.gather(*(self._write_some(lane, count // LANES) for lane in range(LANES)))

    async def _write_some(self, lane: int, count: int) -> None:
        for _ in range(count):
            await self._any(lane)

    @contextlib.asynccontextmanager
    async def writing(self, pace: float = PACE) -> AsyncIterator[None]:
        """Write all the time until the block ends."""
        tasks = [asyncio.create_task(self._for_ever(lane, pace)) for lane in range(LANES)]
        try:
            yield
        finally:
            self._stopped = True
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    raise outcome

    _stopped = False

    async def _for_ever(self, lane: int, pace: float) -> None:
        self._stopped = False
        while not self._stopped:
            await self._any(lane)
            await asyncio.sleep(pace * (1 + self.count // TIRING))

    # --- one write

    async def _any(self, lane: int) -> None:
        """Do one write of some kind to some asset of a lane."""
        mine = [key for key in self._of(lane) if self.entries[key].title is not None]
        what = self._random.random()
        if not mine or (what < 0.3 and len(mine) < MOST // LANES):
            await self._insert(lane)
        elif what < 0.9:
            await self._update(self._random.choice(mine))
        else:
            await self._remove(self._random.choice(mine))

    def _of(self, lane: int) -> list[str]:
        """Return the keys of a lane that may be written to."""
        left = self.doubtful | self._rested
        return [key for key in self.entries if int(key[6:]) % LANES == lane and key not in left]

    async def _insert(self, lane: int) -> None:
        self._number += 1
        number = self._number * LANES + lane
        key, poisoned = f"asset_{number}", self._random.random() < self.poison
        body: dict[str, Any] = {
            "org_id": "acme",
            "number": number,
            "guid": f"guid-{number}",
            "sid": f"sid-{number}",
            "title": self._title(),
        }
        if poisoned:
            body["created_at"] = POISON
        async with self._acknowledged(key):
            record = await self.store.insert("asset", key, body)
            self.entries[key] = Entry(record.rev, body["title"], poisoned)

    async def fix(self) -> None:
        """Give every poisoned asset a date that indexes take."""
        for key in self.poisoned - self.doubtful:
            await self._update(key, fixed=True)

    async def remove(self, key: str) -> None:
        """Remove an asset."""
        await self._remove(key)

    async def _update(self, key: str, *, fixed: bool = False) -> None:
        """Change a title; a poisoned asset is fixed half of the time."""
        title, poisoned = self._title(), self.entries[key].poisoned
        fixed = fixed or (poisoned and self._random.random() < 0.5)
        change = Change(set={"title": title, **({"created_at": "2024-05-06T07:08:09.000Z"} if fixed else {})})
        async with self._acknowledged(key):
            record = await self.store.update("asset", key, change)
            self.entries[key] = Entry(record.rev, title, poisoned and not fixed)

    async def _remove(self, key: str) -> None:
        async with self._acknowledged(key):
            record = await self.store.remove("asset", key)
            self.entries[key] = Entry(record.rev, None)

    @contextlib.asynccontextmanager
    async def _acknowledged(self, key: str) -> AsyncIterator[None]:
        try:
            yield
            self.count += 1
            if self._random.random() < RESTS:
                self._rested.add(key)
        except Unavailable:
            self.doubtful.add(key)

    def _title(self) -> str:
        self._words += 1
        return f"title {self._words} of {self.seed}"

    # --- the judgement

    async def check(self, engine: SearchEngine, alias: str) -> None:
        """Store and searches show what was acknowledged: nothing less, nothing older, nothing else."""
        records = await self._records()
        lost = {key: entry for key, entry in self._certain().items() if not _holds(records.get(key), entry)}
        assert not lost, f"the store lost acknowledged writes: {lost}"
        found = await found_by(engine, alias)
        shown = {key: source["title"] for key, (_, source) in found.items() if key not in self.doubtful}
        due = {key: entry.title for key, entry in self.live.items() if key not in self.doubtful}
        assert shown == due, _difference(shown, due)
        behind = {key: (held, records[key].rev) for key, (held, _) in found.items() if held != records[key].rev}
        assert not behind, f"other versions than the store's: {behind}"

    def _certain(self) -> dict[str, Entry]:
        return {key: entry for key, entry in self.entries.items() if key not in self.doubtful}

    async def _records(self) -> dict[str, Record]:
        records: dict[str, Record] = {}
        after: str | None = None
        while page := await self.store.scan("asset", after=after, limit=_PAGE):
            records.update((record.key, record) for record in page)
            after = page[-1].key
        return records


async def found_by(engine: SearchEngine, alias: str) -> dict[str, tuple[int, Mapping[str, Any]]]:
    """Return (version, source) of each asset that searches show."""
    found: dict[str, tuple[int, Mapping[str, Any]]] = {}
    body: dict[str, Any] = {
        "query": {"match_all": {}},
        "sort": [{"asset_id": "asc"}],
        "size": _PAGE,
        "version": True,
        "_source": ["title"],
    }
    while hits := (await engine.search(alias, body))["hits"]["hits"]:
        found.update((hit["_id"], (hit["_version"], hit["_source"])) for hit in hits)
        body["search_after"] = hits[-1]["sort"]
    return found


def _holds(record: Record | None, entry: Entry) -> bool:
    """Whether a record is at an acknowledged write, or (raised by a repair, its content the same) past it."""
    if record is None or record.rev < entry.rev:
        return False
    return record.tombstone if entry.title is None else record.body.get("title") == entry.title


def _difference(shown: Mapping[str, str | None], due: Mapping[str, str | None]) -> str:
    lacking = {key: due[key] for key in due.keys() - shown.keys()}
    foreign = {key: shown[key] for key in shown.keys() - due.keys()}
    other = {key: (shown[key], due[key]) for key in shown.keys() & due.keys() if shown[key] != due[key]}
    return f"searches lack {lacking}, show what is not {foreign}, show another state (shown, due) {other}"
