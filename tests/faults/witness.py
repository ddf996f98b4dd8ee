"""A witness that looks at an indexer all the time: whether what it claims is true, and whether anything goes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from indexer.follow import checkpoint
from service.errors import HistoryLost, Unavailable
from service.ports.search import Rejected, SearchEngine
from service.ports.store import Store
from tests.faults.ledger import Entry, Ledger, found_by

LOOK = 0.05
"""Seconds between two looks."""


@dataclass
class Witness:
    """What was seen so far. ``claims`` counts how often something was said to be searchable, and was looked up."""

    store: Store
    engine: SearchEngine
    alias: str
    ledger: Ledger
    claims: int = 0
    looks: int = 0
    wrong: list[str] = field(default_factory=list)
    _versions: dict[str, dict[str, int]] = field(default_factory=dict)
    _passed: str | None = None
    _fence: int = 0

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look until the block ends. Raises AssertionError then if anything was wrong."""
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            self._ending = True
            await task
        assert not self.wrong, self.wrong[:5]

    _ending = False

    async def _watch(self) -> None:
        self._ending = False
        while not self._ending:
            written = dict(self.ledger.entries)
            mark = await self.store.barrier()
            while not self._ending and not await self._claimed(mark):
                await asyncio.sleep(LOOK)
            if not self._ending:
                await self._believe(written)

    async def _claimed(self, mark: str) -> bool:
        """Look at the record of the lease; whether it says that searches see all up to a mark."""
        body = await checkpoint.load(self.store, self.alias)
        self.looks += 1
        token, fence = body.get("token"), body.get("fence", 0)
        if fence < self._fence:
            self.wrong.append(f"the fence fell from {self._fence} to {fence}")
        self._fence = fence
        if self._passed is not None and not self.store.passed(token or "", self._passed):
            self.wrong.append(f"the token went back to {token}; it had passed {self._passed}")
        if token is not None and self.store.passed(token, mark):
            self._passed = mark
        with contextlib.suppress(Unavailable, Rejected):
            await self._look_at_versions()
        searchable = (body.get("status") or {}).get("searchable")
        with contextlib.suppress(HistoryLost):
            return searchable is not None and self.store.passed(searchable, mark)
        return False

    async def _believe(self, written: dict[str, Entry]) -> None:
        """Search, and see whether everything that was written then is there."""
        try:
            found = await found_by(self.engine, self.alias)
        except (Unavailable, Rejected):
            return
        self.claims += 1
        for key, entry in written.items():
            shown = found.get(key)
            if entry.poisoned or key in self.ledger.doubtful:
                continue
            if entry.title is None and shown is not None:
                self.wrong.append(f"{key} is shown at {shown[0]}; it was removed at {entry.rev}")
            elif entry.title is not None and (shown is None or shown[0] < entry.rev):
                now = self.ledger.entries[key]
                if shown is None and now.title is None:
                    continue  # removed since
                self.wrong.append(
                    f"{key} is shown at {shown and shown[0]}, not at {entry.rev}, though that was claimed"
                )

    async def _look_at_versions(self) -> None:
        """No document's version falls, in no index."""
        keys = list(self.ledger.entries)[-200:]
        for index in await self.engine.resolve_alias(self.alias):
            known = self._versions.setdefault(f"{index}:{await self.engine.identity(index)}", {})
            for key, held in (await self.engine.versions(index, keys)).items():
                if held < known.get(key, 0):
                    self.wrong.append(f"{key} fell from {known[key]} to {held} in {index}")
                known[key] = held
