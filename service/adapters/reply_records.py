"""A kept reply as a record of the store.

A record is one of three: the mark of a run (``token``, ``worker``, ``until``), a reply (``status``, ``headers``,
``text``), or empty (``free``). The first two name their ``slot``, the request's ``fingerprint`` and ``expires_at``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from service.adapters.reply_runs import Runs
from service.ports.replies import KEPT, Busy, Kept, Mark, Other
from service.ports.store import Change, Record
from service.times import timestamp

KIND = "reply"

EMPTY = ("slot", "fingerprint", "expires_at", "token", "worker", "until", "status", "headers", "text")
"""The fields that an empty record does not have."""


def marked(mark: Mark, fingerprint: str, worker: str, now: datetime, lease: float) -> dict[str, Any]:
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


def replied(reply: Kept, now: datetime) -> Change:
    """Return the write that turns a mark into a reply."""
    short = reply.shortened()
    return Change(
        set={
            "status": short.status,
            "headers": dict(short.headers),
            "text": short.body,
            "expires_at": timestamp(now + timedelta(seconds=KEPT)),
        },
        unset=["worker", "until"],
    )


def expired(record: Record, now: datetime) -> bool:
    """Whether the slot is free again."""
    return str(record.body["expires_at"]) <= timestamp(now)


def judged(record: Record, fingerprint: str, now: datetime, lease: float, runs: Runs) -> Kept | Busy | Other | None:
    """Say what a record means to a request that wants its slot; None: it may be taken over."""
    body = record.body
    if expired(record, now):
        return None
    if body["fingerprint"] != fingerprint:
        return Other()
    if "status" in body:
        return Kept(body["status"], body["headers"], body["text"])
    # An end that is further away than a lease was written by a clock that is wrong, or of a longer lease.
    goes_on = now < datetime.fromisoformat(body["until"]) <= now + timedelta(seconds=2 * max(lease, 0))
    return Busy() if goes_on and not runs.is_over(body["worker"], body["token"]) else None
