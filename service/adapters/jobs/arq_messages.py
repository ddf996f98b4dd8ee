"""What of an operation goes through Redis: the names of queues and wake-ups, and their JSON."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson
from arq.constants import expires_extra_ms, job_key_prefix
from arq.jobs import serialize_job
from redis.asyncio import Redis

from service.adapters.jobs.limits import JobLimits
from service.ports.store import Record

FUNCTION = "operation"
"""The one function that arq calls here; its one argument is an operation's id."""

LONG_AGO = 24 * 3600 * 1000
"""Milliseconds before now for which a wake-up without a time is sent: it is due on workers whose clocks are behind."""


def queue(prefix: str, limits: JobLimits, type_: str) -> str:
    """Return the queue of a type: one of its own when its concurrency is limited, so that it holds up no other."""
    return f"{prefix}:jobs:{type_}" if type_ in limits.kinds else f"{prefix}:jobs"


def queues(prefix: str, limits: JobLimits) -> tuple[str, ...]:
    """Return every queue that a worker listens to."""
    return (f"{prefix}:jobs", *(queue(prefix, limits, type_) for type_ in limits.kinds))


def wake_up(prefix: str, operation: Record) -> str:
    """Return the id of an operation's wake-up, another for each time that it is queued.

    So twice is once, and what arq remembers of an earlier wake-up (a worker that died with it in its hands holds it for
    the time-out and 10 s more) stands in no later one's way.
    """
    return f"{prefix}:{operation.key}:{operation.rev}"


async def send(redis: Redis, prefix: str, limits: JobLimits, operations: Iterable[Record], now: datetime) -> None:
    """Put wake-ups into their queues, each for the time when its operation is due; those that are there stay.

    It writes what arq's ``enqueue_job`` writes, in one round trip for all: that one watches a key, and this client
    never gives back a connection that watches while Redis hangs; and it refuses what was due more than a day ago.
    """
    sent = int(now.timestamp() * 1000)
    async with redis.pipeline(transaction=True) as pipe:
        for operation in operations:
            after = operation.body.get("run_after")
            due = max(sent, int(datetime.fromisoformat(after).timestamp() * 1000)) if after else sent - LONG_AGO
            name = wake_up(prefix, operation)
            call = serialize_job(FUNCTION, (operation.key,), {}, None, sent, serializer=dumps)
            pipe.set(job_key_prefix + name, call, px=max(0, due - sent) + expires_extra_ms, nx=True)
            pipe.zadd(queue(prefix, limits, str(operation.body.get("type"))), {name: due}, nx=True)
        await pipe.execute()


def dumps(value: Any) -> bytes:
    """Write what arq sends, as JSON. What is no JSON (arq hands errors over, too) becomes the name of its type."""
    return orjson.dumps(value, default=lambda odd: type(odd).__name__)


def loads(content: bytes) -> dict[str, Any]:
    """Read what arq was sent.

    Whoever can write to Redis can send anything: only a call in JSON with one text for an argument passes, so that
    nothing else is ever looked at. A pickle, arq's own form, could run any code here. Raises ValueError.
    """
    value = orjson.loads(content)  # a JSONDecodeError is a ValueError
    match value:
        case {"f": str(), "a": [str()], "k": {**extra}, "t": None | int(), "et": int()} if not extra:
            return dict(value)
    raise ValueError("This is no wake-up of Assetry.")
