"""The replies port on the store: records of kind ``reply``.

Deleting a record leaves a tombstone forever, and one tombstone per request would be too many. So expired records are
emptied and reused: there are never more records than keys used in one day.
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
from service.ports.store import Change, Order, Range, Record, Store
from service.times import timestamp

KIND = "reply"

EMPTY = ("slot", "fingerprint", "expires_at", "token", "worker", "until", "status", "headers", "text")
"""The fields that an emptied record does not have."""


def claim_fields(claim: Claim, fingerprint: str, worker: str, now: datetime, lease: float) -> dict[str, Any]:
    """Return the fields of a claim."""
    return {
        "slot": claim.slot,
        "fingerprint": fingerprint,
        "expires_at": timestamp(now + timedelta(seconds=KEPT)),
        "token": claim.token,
        "worker": worker,
        "until": lease_end(now, lease),
    }


def lease_end(now: datetime, lease: float) -> str:
    """Return when a lease that starts now ends."""
    return timestamp(now + timedelta(seconds=lease))


def reply_change(reply: StoredReply, now: datetime) -> Change:
    """Return the change that turns a claim into a reply."""
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
    """Whether the slot has expired and is free again."""
    return str(record.body["expires_at"]) <= timestamp(now)


def blocker_of(
    record: Record, fingerprint: str, now: datetime, lease: float, runs: ActiveRequests
) -> StoredReply | InProgress | KeyReused | None:
    """Return what prevents a request from claiming this record's slot; None if the slot may be taken over."""
    body = record.body
    if expired(record, now):
        return None
    if body["fingerprint"] != fingerprint:
        return KeyReused()
    if "status" in body:
        text: str | None = body["text"]
        return StoredReply(body["status"], body["headers"], None if text is None else text.encode())
    # An end more than a lease away was written by a wrong clock, or with a longer lease.
    in_progress = now < datetime.fromisoformat(body["until"]) <= now + timedelta(seconds=2 * max(lease, 0))
    return InProgress() if in_progress and not runs.is_over(body["worker"], body["token"]) else None


class ActiveRequests:
    """The runs in progress of one adapter; its claims carry ``worker`` as their owner.

    A claim may exist without a run: its write timed out but succeeded all the same. The process that wrote it knows.
    """

    def __init__(self, name: str) -> None:
        self.worker = liveness.enlist(name)
        self._tokens: set[str] = set()

    def begin(self, token: str) -> None:
        """Register a run as in progress; call it before its claim is written."""
        self._tokens.add(token)

    def end(self, token: str) -> None:
        """Register a run as finished. Safe to call twice."""
        self._tokens.discard(token)

    def is_over(self, worker: str, token: str) -> bool:
        """Whether a run is certainly over. False if that cannot be known."""
        return token not in self._tokens if worker == self.worker else liveness.known_dead(worker)

    def close(self) -> None:
        """Let other processes take over the runs in progress. Safe to call twice."""
        liveness.dismiss(self.worker)
        self._tokens.clear()


log = logging.getLogger(__name__)

SWEEP_SECONDS = 60.0
SWEEP_LIMIT = 500
"""Records examined by one sweep; after a full sweep, the next one follows after a second."""
_TRIES = 10
_REUSES = 3
_CONCURRENT = 50


class StoreReplies:
    """Replies in the store; :class:`service.ports.replies.Replies` states what each method promises.

    Use it as a context manager to have expired replies swept; close it before the store.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._runs = ActiveRequests(clock.guid())
        self._free: deque[tuple[str, int]] = deque(maxlen=SWEEP_LIMIT)  # emptied records: key and rev
        self._sweeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start sweeping."""
        self._sweeper = asyncio.create_task(self._sweep_for_ever(), name="assetry-replies")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    async def close(self) -> None:
        """Stop sweeping, and let other processes take over the runs in progress here."""
        self._runs.close()
        if self._sweeper is not None:
            sweeper, self._sweeper = self._sweeper, None
            sweeper.cancel()
            await asyncio.wait({sweeper})

    async def begin(
        self, slot: str, fingerprint: str, *, lease: float = LEASE
    ) -> Claim | StoredReply | InProgress | KeyReused:
        """Claim the slot for a run, or return why not."""
        claim = Claim(slot, self._clock.guid())
        self._runs.begin(claim.token)
        try:
            begun = await self._begin(claim, fingerprint, lease)
        except BaseException:
            self._runs.end(claim.token)
            raise
        if not isinstance(begun, Claim):
            self._runs.end(claim.token)
        return begun

    async def _begin(
        self, claim: Claim, fingerprint: str, lease: float
    ) -> Claim | StoredReply | InProgress | KeyReused:
        for _ in range(_TRIES):
            body = claim_fields(claim, fingerprint, self._runs.worker, self._clock.now(), lease)
            try:
                return replace(claim, handle=await self._open(body))
            except AlreadyExists as error:
                if error.index != "slot":
                    raise
            page = await self._store.find(KIND, {"slot": claim.slot}, limit=1)
            if not page.records:
                continue  # it was freed just now
            record = page.records[0]
            blocker = blocker_of(record, fingerprint, self._clock.now(), lease, self._runs)
            if blocker is not None:
                return blocker
            if await self._take_over(record, body):
                return replace(claim, handle=record.key, repeated=not expired(record, self._clock.now()))
        raise Unavailable("store", "too many requests are using the same idempotency key")

    async def renew(self, claim: Claim, *, lease: float = LEASE) -> bool:
        """Extend the lease."""
        return await self._change(claim, Change(set={"until": lease_end(self._clock.now(), lease)}))

    async def keep(self, claim: Claim, reply: StoredReply) -> bool:
        """Keep the run's reply."""
        try:
            return await self._change(claim, reply_change(reply, self._clock.now()))
        finally:
            self._runs.end(claim.token)

    async def release(self, claim: Claim, *, forget: bool) -> None:
        """End a run without a reply."""
        now = timestamp(self._clock.now())
        try:
            await self._change(claim, Change(set={"until": now, **({"expires_at": now} if forget else {})}))
        finally:
            self._runs.end(claim.token)

    async def sweep(self, limit: int = SWEEP_LIMIT) -> int:
        """Empty up to ``limit`` expired records; return how many there were. Raises Unavailable."""
        now = timestamp(self._clock.now())
        # In the order of an index: in that of keys, a look for the few that expired would read all that did not.
        by_expiry = Order("expires_at")
        found = (await self._store.find(KIND, {"expires_at": Range(lte=now)}, order=by_expiry, limit=limit)).records
        for start in range(0, len(found), _CONCURRENT):
            await asyncio.gather(*map(self._empty, found[start : start + _CONCURRENT]))
        if not self._free:  # reuse those that an earlier process left
            left = (await self._store.find(KIND, {"free": True}, limit=limit)).records
            random.shuffle(left)  # so that processes do not compete for the same one
            self._free.extend((record.key, record.rev) for record in left)
        return len(found)

    async def _open(self, body: dict[str, Any]) -> str:
        """Write a claim's record and return its key. Raises AlreadyExists if the slot is taken."""
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

    async def _change(self, claim: Claim, change: Change) -> bool:
        """Write to the claim's record as long as it belongs to this run."""
        while True:
            try:
                record = await self._store.get(KIND, claim.handle)
                if record.body.get("token") != claim.token:
                    return False
                await self._store.update(KIND, claim.handle, change, expected_rev=record.rev)
            except NotFound:
                return False
            except Conflict:
                continue  # this run renewed its lease in between
            return True

    async def _empty(self, record: Record) -> None:
        try:
            emptied = await self._store.update(
                KIND, record.key, Change(set={"free": True}, unset=EMPTY), expected_rev=record.rev
            )
        except (Conflict, NotFound):
            return  # claimed again, or swept by another process
        self._free.append((emptied.key, emptied.rev))

    async def _sweep_for_ever(self) -> None:
        while True:
            more = False
            try:
                more = await self.sweep() == SWEEP_LIMIT
            except Unavailable as error:
                log.warning("cannot sweep expired replies: %s", error.message)
            except Exception:  # the sweeper must survive any fault, or replies would pile up
                log.exception("cannot sweep expired replies")
            await asyncio.sleep(1.0 if more else SWEEP_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311
