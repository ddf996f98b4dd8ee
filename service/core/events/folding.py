"""Usage events become ``usage_stats`` of assets: one write an asset and window, and none twice.

A *window* is a set of usage records that no earlier one held. Which ones is written down before anything is added, in
the checkpoint; so whoever folds a window, and however often after a crash, adds the same counts. The write that adds
them to an asset also notes the window's number in ``usage_window`` of the asset, on condition of the rev at which it
was read: an asset that bears the number has got its counts. When all assets have, the records are marked with the
number, and the checkpoint is cleared. Several processes may fold at once: they do the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from service.core.events.usage import KIND, Use
from service.core.shared.authorship import USAGE_WINDOW, signed
from service.errors import AlreadyExists, Conflict, NotFound
from service.ports.clock import Clock
from service.ports.store import Change, Record, Store
from service.times import timestamp

log = logging.getLogger(__name__)

CHECKPOINT = "usage-fold"
COUNTED: Mapping[str, str] = {
    Use.VIEW: "usage_stats.views",
    Use.DOWNLOAD: "usage_stats.downloads",
    Use.SHARE: "usage_stats.shares",
}
"""What is added where. A favourite is not: ``favorites`` is exact already, written with ``favorited_by``."""

RECORDS = 500
"""Usage records of one window at most; what is over waits for the next."""

_PAGE = 50
"""Usage records read at once: 25,000 events at most."""
_ASSETS = 500
"""Assets read at once."""
_AT_ONCE = 8
"""Assets written at once."""
_ATTEMPTS = 20

Counts = Counter[tuple[str, str, str]]
"""How much is to be added, by (organization, asset, path)."""


class UsageFolder:
    """Folds windows of usage events into assets. ``interval``: how far apart windows are at least."""

    def __init__(self, store: Store, clock: Clock, *, interval: timedelta, records: int = RECORDS) -> None:
        self._store = store
        self._clock = clock
        self._interval = interval
        self._records = records

    async def run(self) -> int:
        """Finish the window under way, or begin the next if it is time; return how many assets were written.

        Raises Unavailable and Conflict; what is left is finished next time.
        """
        checkpoint = await self._checkpoint()
        if not checkpoint.body["records"]:
            opened = await self._open(checkpoint)
            if opened is None:
                return 0
            checkpoint = opened
        number, keys = checkpoint.body["window"], checkpoint.body["records"]
        written = await self._add(number, await self._count(keys))
        for key in keys:
            try:
                await self._store.update(KIND, key, Change(set={"window": number}))
            except NotFound:  # it was old enough to be dropped
                log.debug("the usage record %s is gone", key)
        try:
            await self._store.update("checkpoint", CHECKPOINT, Change(set={"records": []}), expected_rev=checkpoint.rev)
        except Conflict:  # another process was faster
            log.debug("the window %s was closed by another process", number)
        return written

    async def sweep(self, keep: timedelta) -> int:
        """Drop records that are folded and older than ``keep``; return how many went. Raises Unavailable."""
        limit = timestamp(self._clock.now() - keep)
        dropped, after = 0, None
        while page := await self._store.scan(KIND, after=after, limit=_PAGE):
            old = [record.key for record in page if record.body["at"] < limit and record.body["window"]]
            await self._store.discard(KIND, old)
            dropped += len(old)
            after = page[-1].key
            if page[-1].body["at"] >= limit:
                break
        return dropped

    async def _checkpoint(self) -> Record:
        try:
            return await self._store.get("checkpoint", CHECKPOINT)
        except NotFound:
            try:
                return await self._store.insert("checkpoint", CHECKPOINT, {"window": 0, "records": [], "at": ""})
            except AlreadyExists:  # another process was faster
                return await self._store.get("checkpoint", CHECKPOINT)

    async def _open(self, checkpoint: Record) -> Record | None:
        """Write down what the next window holds; None if it is not time, there is nothing, or another was faster."""
        now, last = self._clock.now(), checkpoint.body["at"]
        if last and datetime.fromisoformat(last) <= now < datetime.fromisoformat(last) + self._interval:
            return None
        keys: list[str] = []
        after: str | None = None
        while len(keys) < self._records:
            page = await self._store.find(KIND, {"window": 0}, limit=_PAGE, after=after)
            keys += [record.key for record in page.records]
            if (after := page.after) is None:
                break
        if not keys:
            return None
        window = {"window": checkpoint.body["window"] + 1, "records": keys[: self._records], "at": timestamp(now)}
        try:
            return await self._store.update("checkpoint", CHECKPOINT, Change(set=window), expected_rev=checkpoint.rev)
        except Conflict:
            return None

    async def _count(self, keys: Sequence[str]) -> Counts:
        counts: Counts = Counter()
        for first in range(0, len(keys), _PAGE):
            page = keys[first : first + _PAGE]
            found = await self._store.get_many(KIND, page)
            for key in page:
                record = found.get(key) or await self._newest(key)
                for event in () if record is None else record.body["events"]:
                    if (path := COUNTED.get(event["type"])) and (asset_id := event.get("asset_id")):
                        counts[event["org_id"], asset_id, path] += 1
        return counts

    async def _newest(self, key: str) -> Record | None:
        """Return a record that many are read without: one that was just written, or dropped."""
        try:
            return await self._store.get(KIND, key)
        except NotFound:
            return None

    async def _add(self, number: int, counts: Counts) -> int:
        """Add the counts of a window to the assets that have not got them yet."""
        steps: dict[tuple[str, str], dict[str, int]] = {}
        for (org_id, asset_id, path), count in counts.items():
            steps.setdefault((org_id, asset_id), {})[path] = count
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(record: Record, step: Mapping[str, int]) -> bool:
            async with slots:
                return await self._write(record, number, step)

        written = 0
        wanted = list(steps)
        for first in range(0, len(wanted), _ASSETS):
            page = wanted[first : first + _ASSETS]
            found = await self._store.get_many("asset", [asset_id for _, asset_id in page])
            tasks = [
                one(record, steps[org_id, asset_id])
                for org_id, asset_id in page
                if (record := found.get(asset_id)) is not None and record.org_id == org_id
            ]
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)  # none is left running behind an error
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
                written += outcome
        return written

    async def _write(self, record: Record, number: int, step: Mapping[str, int]) -> bool:
        """Add to an asset, unless it has got what this window adds; whether it was written. Raises Conflict."""
        change = signed(Change(set={USAGE_WINDOW: number}, increment=step))
        for attempt in range(_ATTEMPTS):
            if record.body.get(USAGE_WINDOW, 0) >= number:
                return False
            try:
                await self._store.update("asset", record.key, change, expected_rev=record.rev)
            except Conflict:
                if attempt == _ATTEMPTS - 1:
                    raise
            except NotFound:
                return False
            else:
                return True
            try:
                record = await self._store.get("asset", record.key)
            except NotFound:
                return False
        raise AssertionError("unreachable: the loop returns or raises")
