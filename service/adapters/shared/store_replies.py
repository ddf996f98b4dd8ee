"""The replies port on the store: records of kind ``reply``.

A removed record leaves a tombstone for ever, and one a request would be too many. So what has expired is emptied and
kept for the next: there are never more records than a day had keys.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from dataclasses import replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from service.adapters.shared import liveness
from service.errors import AlreadyExists, Conflict, NotFound, Unavailable
from service.ports.clock import Clock
from service.ports.replies import KEPT, LEASE, Claim, InProgress, KeyReused, StoredReply
from service.ports.store import Change, Range, Record, Store
from service.times import timestamp

KIND = "reply"

EMPTY = ("slot", "fingerprint", "expires_at", "token", "worker", "until", "status", "headers", "text")
"""The fields that an empty record does not have."""


def marked(mark: Claim, fingerprint: str, worker: str, now: datetime, lease: float) -> dict[str, Any]:
    """Return the fields of a mark."""
    return {
        "slot": mark.slot,
        "fingerprint": fingerprint,
        "expires_at": timestamp(now + timedelta(seconds=KEPT)),
        "token": mark.token,
        "worker": worker,
        "until": until(now, lease),
    }


def until(now: datetime, lease: float) -> str:
    """Return when a lease that is given now ends."""
    return timestamp(now + timedelta(seconds=lease))


def replied(reply: StoredReply, now: datetime) -> Change:
    """Return the write that turns a mark into a reply."""
    short = reply.shortened()
    return Change(
        set={
            "status": short.status,
            "headers": dict(short.headers),
            "text": None if short.body is None else short.body.decode(),
            "expires_at": timestamp(now + timedelta(seconds=KEPT)),
        },
        unset=["worker", "until"],
    )


def expired(record: Record, now: datetime) -> bool:
    """Whether the slot is free again."""
    return str(record.body["expires_at"]) <= timestamp(now)


def judged(
    record: Record, fingerprint: str, now: datetime, lease: float, runs: ActiveRequests
) -> StoredReply | InProgress | KeyReused | None:
    """Say what a record means to a request that wants its slot; None: it may be taken over."""
    body = record.body
    if expired(record, now):
        return None
    if body["fingerprint"] != fingerprint:
        return KeyReused()
    if "status" in body:
        text: str | None = body["text"]
        return StoredReply(body["status"], body["headers"], None if text is None else text.encode())
    # An end that is further away than a lease was written by a clock that is wrong, or of a longer lease.
    goes_on = now < datetime.fromisoformat(body["until"]) <= now + timedelta(seconds=2 * max(lease, 0))
    return InProgress() if goes_on and not runs.is_over(body["worker"], body["token"]) else None


class ActiveRequests:
    """The runs of one adapter; ``worker`` is what its marks say who they are of.

    A mark may be there without a run: its write timed out and happened all the same. The process that wrote it knows.
    """

    def __init__(self, name: str) -> None:
        self.worker = liveness.enlist(name)
        self._tokens: set[str] = set()

    def begin(self, token: str) -> None:
        """Count a run as under way; before its mark is written."""
        self._tokens.add(token)

    def end(self, token: str) -> None:
        """Count a run as over. Safe to call twice."""
        self._tokens.discard(token)

    def is_over(self, worker: str, token: str) -> bool:
        """Whether a run certainly goes on no more. False when it cannot be known."""
        return token not in self._tokens if worker == self.worker else liveness.known_dead(worker)

    def close(self) -> None:
        """Let other processes take over what is under way. Safe to call twice."""
        liveness.dismiss(self.worker)
        self._tokens.clear()


log = logging.getLogger(__name__)

SWEEP_SECONDS = 60.0
SWEEP_LIMIT = 500
"""Records that one sweep looks at; a full sweep is followed by the next after a second."""
_TRIES = 10
_REUSES = 3
_TOGETHER = 50


class StoreReplies:
    """Replies in the store; :class:`service.ports.replies.Replies` says what each method promises.

    Enter it to have expired replies swept; close it before the store.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._runs = ActiveRequests(clock.guid())
        self._free: deque[tuple[str, int]] = deque(maxlen=SWEEP_LIMIT)  # emptied records: key and rev
        self._sweeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to sweep."""
        self._sweeper = asyncio.create_task(self._sweep_for_ever(), name="assetry-replies")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    async def close(self) -> None:
        """Stop sweeping, and let other processes take over what is under way here."""
        self._runs.close()
        if self._sweeper is not None:
            sweeper, self._sweeper = self._sweeper, None
            sweeper.cancel()
            await asyncio.wait({sweeper})

    async def begin(
        self, slot: str, fingerprint: str, *, lease: float = LEASE
    ) -> Claim | StoredReply | InProgress | KeyReused:
        """Take the slot for a run, or say why not."""
        mark = Claim(slot, self._clock.guid())
        self._runs.begin(mark.token)
        try:
            begun = await self._begin(mark, fingerprint, lease)
        except BaseException:
            self._runs.end(mark.token)
            raise
        if not isinstance(begun, Claim):
            self._runs.end(mark.token)
        return begun

    async def _begin(self, mark: Claim, fingerprint: str, lease: float) -> Claim | StoredReply | InProgress | KeyReused:
        for _ in range(_TRIES):
            body = marked(mark, fingerprint, self._runs.worker, self._clock.now(), lease)
            try:
                return replace(mark, handle=await self._open(body))
            except AlreadyExists as error:
                if error.index != "slot":
                    raise
            page = await self._store.find(KIND, {"slot": mark.slot}, limit=1)
            if not page.records:
                continue  # it was freed at this moment
            record = page.records[0]
            verdict = judged(record, fingerprint, self._clock.now(), lease, self._runs)
            if verdict is not None:
                return verdict
            if await self._take_over(record, body):
                return replace(mark, handle=record.key, repeated=not expired(record, self._clock.now()))
        raise Unavailable("store", "too many requests want the same key")

    async def renew(self, mark: Claim, *, lease: float = LEASE) -> bool:
        """Give a sign of life."""
        return await self._change(mark, Change(set={"until": until(self._clock.now(), lease)}))

    async def keep(self, mark: Claim, reply: StoredReply) -> bool:
        """Keep the run's reply."""
        try:
            return await self._change(mark, replied(reply, self._clock.now()))
        finally:
            self._runs.end(mark.token)

    async def release(self, mark: Claim, *, forget: bool) -> None:
        """End a run without a reply."""
        now = timestamp(self._clock.now())
        try:
            await self._change(mark, Change(set={"until": now, **({"expires_at": now} if forget else {})}))
        finally:
            self._runs.end(mark.token)

    async def sweep(self, limit: int = SWEEP_LIMIT) -> int:
        """Empty up to ``limit`` expired records; return how many there were. Raises Unavailable."""
        now = timestamp(self._clock.now())
        found = (await self._store.find(KIND, {"expires_at": Range(lte=now)}, limit=limit)).records
        for start in range(0, len(found), _TOGETHER):
            await asyncio.gather(*map(self._empty, found[start : start + _TOGETHER]))
        if not self._free:  # others are left by a process of an earlier time
            left = (await self._store.find(KIND, {"free": True}, limit=limit)).records
            random.shuffle(left)  # so that processes do not all want the same one
            self._free.extend((record.key, record.rev) for record in left)
        return len(found)

    async def _open(self, body: dict[str, Any]) -> str:
        """Write a mark's record and return its key. Raises AlreadyExists for a slot that is taken."""
        for _ in range(_REUSES):
            if not self._free:
                break
            key, rev = self._free.popleft()
            try:
                await self._store.update(KIND, key, Change(set=body, unset=["free"]), expected_rev=rev)
            except (Conflict, NotFound):
                continue  # another process took it
            except AlreadyExists:
                self._free.append((key, rev))
                raise
            return key
        key = f"reply_{self._clock.sid()}"
        await self._store.insert(KIND, key, body)
        return key

    async def _take_over(self, record: Record, body: dict[str, Any]) -> bool:
        change = Change(set=body, unset=[name for name in EMPTY if name not in body])
        try:
            await self._store.update(KIND, record.key, change, expected_rev=record.rev)
        except (Conflict, NotFound):
            return False
        return True

    async def _change(self, mark: Claim, change: Change) -> bool:
        """Write to the mark's record as long as it is this run's."""
        while True:
            try:
                record = await self._store.get(KIND, mark.handle)
                if record.body.get("token") != mark.token:
                    return False
                await self._store.update(KIND, mark.handle, change, expected_rev=record.rev)
            except NotFound:
                return False
            except Conflict:
                continue  # a renewal of its own came between
            return True

    async def _empty(self, record: Record) -> None:
        try:
            emptied = await self._store.update(
                KIND, record.key, Change(set={"free": True}, unset=EMPTY), expected_rev=record.rev
            )
        except (Conflict, NotFound):
            return  # taken again, or swept by another process
        self._free.append((emptied.key, emptied.rev))

    async def _sweep_for_ever(self) -> None:
        while True:
            more = False
            try:
                more = await self.sweep() == SWEEP_LIMIT
            except Unavailable as error:
                log.warning("expired replies cannot be swept: %s", error.message)
            except Exception:  # the sweeper outlives any fault, else replies pile up
                log.exception("expired replies cannot be swept")
            await asyncio.sleep(1.0 if more else SWEEP_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311
