"""arq's queues of wake-ups: what is put into them, and who takes it out. The one module that imports arq."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any

import orjson
from arq.connections import ArqRedis
from arq.constants import abort_jobs_ss, expires_extra_ms, in_progress_key_prefix, job_key_prefix
from arq.jobs import serialize_job
from arq.worker import Worker, func
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from service.adapters.jobs.limits import JobLimits
from service.adapters.redis.client import translate
from service.broadcast_event import BroadcastEvent, wait
from service.ports.store import Record

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1
"""How often a queue is looked at: the time to the begin of an operation is half of it on average."""
WAKE_UP_SECONDS = 10
"""How long taking a wake-up may last: reading the operation and claiming it, not its run."""
PICKED = 100
"""Wake-ups that are looked at in one poll, at most."""
LONGEST_BACKOFF = 5.0

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


def connected(pool: BlockingConnectionPool, queue_name: str) -> ArqRedis:
    """Return arq's client over a pool of connections; a queue that a call does not name is ``queue_name``."""
    # arq tells of every job as it comes and goes; what matters of an operation is in its record.
    logging.getLogger("arq").setLevel(logging.WARNING)
    return ArqRedis(pool, dumps, loads, queue_name)


async def touch(client: Redis, name: str) -> None:
    """Write and delete what arq does with a wake-up of this name, to see whether Redis allows it."""
    await client.set(job_key_prefix + name, b"1", ex=10)
    await client.delete(job_key_prefix + name)
    await client.zrem(abort_jobs_ss, name)  # arq does so behind every wake-up


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


WakeUp = Callable[[str], Awaitable[None]]
"""Sees to the operation of this id; returns as soon as it runs, or does not. It never fails."""


class QueueWorker(Worker):
    """arq's worker, taking no more from its queue than there is room for, so that others can have the rest.

    arq carries wake-ups, not runs: a job of arq's ends when its operation has been claimed. So nothing that runs needs
    Redis, and arq's time-outs, retries and results, which know nothing of the operation's record, have no say.
    ``room()`` says how many more wake-ups may be taken now, ``heard()`` is called whenever Redis answered.
    """

    def __init__(
        self, pool: ArqRedis, queue: str, wake_up: WakeUp, room: Callable[[], int], heard: Callable[[], None]
    ) -> None:
        async def operation(ctx: dict[Any, Any], *args: Any, **kwargs: Any) -> None:
            await wake_up(*args)  # one id: what is read from Redis is checked by then

        super().__init__(
            functions=[func(operation, name=FUNCTION)],
            queue_name=queue,
            redis_pool=pool,
            handle_signals=False,
            max_jobs=PICKED,
            queue_read_limit=PICKED,
            job_timeout=WAKE_UP_SECONDS,
            poll_delay=POLL_SECONDS,
            keep_result=0,
            max_tries=1,
            retry_jobs=False,
            job_serializer=dumps,
            job_deserializer=loads,
            log_results=False,
        )
        self._room = room
        self._heard = heard

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        """Take wake-ups as long as there is room; one of an operation that is done takes none."""
        self._heard()
        for job_id in job_ids:
            while self._room() <= 0:
                under_way = [task for task in self.tasks.values() if not task.done()]
                if not under_way:
                    return
                await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            try:
                name = job_id.decode()
            except UnicodeDecodeError:  # nobody but a stranger wrote this; left there it would come first for ever
                await self.pool.zrem(self.queue_name, job_id)
                log.warning("what is no wake-up was thrown away from the queue %s", self.queue_name)
            else:
                await self._take(name)

    async def _take(self, job_id: str) -> None:
        """Take one wake-up, unless another worker has it.

        As arq's own ``start_jobs``, but without watching a key: while Redis hangs, this client never gives back a
        connection that watches.
        """
        self.job_counter += 1
        try:
            async with self.pool.pipeline(transaction=True) as pipe:
                pipe.set(in_progress_key_prefix + job_id, b"1", px=int(self.in_progress_timeout_s * 1000), nx=True)
                pipe.zscore(self.queue_name, job_id)
                taken, score = await pipe.execute()
            if taken and score is None:  # it was done and removed in between
                await self.pool.delete(in_progress_key_prefix + job_id)
        except BaseException:
            self.job_counter -= 1
            raise
        if not taken or score is None:
            self.job_counter -= 1
            return
        when = int(score) if math.isfinite(score) else 0  # a stranger's may be -inf
        task = self.tasks[job_id] = asyncio.create_task(self.run_job(job_id, when))
        task.add_done_callback(self._taken)

    def _taken(self, _: asyncio.Task[None]) -> None:
        self.job_counter -= 1

    def finish(self) -> None:
        """Let :meth:`main` return behind the poll under way, without taking more."""
        self.burst, self.max_burst_jobs = True, 0


class Listener:
    """Listens to one queue for as long as Redis is there, and again when it is back."""

    def __init__(self, make: Callable[[Callable[[], None]], QueueWorker], changed: Callable[[], None]) -> None:
        self._make = make
        self._changed = changed
        self._lane: QueueWorker | None = None
        self._task: asyncio.Task[None] | None = None
        self._stop = BroadcastEvent()
        self._stopping = False
        self._hears: bool | None = None  # None before the first answer

    @property
    def deaf(self) -> bool:
        """Whether Redis did not answer when it was last asked."""
        return self._hears is False

    @property
    def taking(self) -> int:
        """How many wake-ups are being taken: their operations are not claimed yet, or just now."""
        return self._lane.job_counter if self._lane is not None else 0

    def start(self) -> None:
        """Begin to listen."""
        self._stopping = False
        self._task = asyncio.create_task(self._listen(), name="assetry-wake-ups")

    async def stop(self) -> None:
        """Stop listening, behind what is being taken. Safe to call twice."""
        self._stopping = True
        self._stop.set()
        if self._lane is not None:
            self._lane.finish()
        if self._task is not None:
            task, self._task = self._task, None
            await task

    async def _listen(self) -> None:
        delay = POLL_SECONDS
        while not self._stopping:
            stop = self._stop.next()
            lane = self._lane = self._make(lambda: self._note(hears=True))
            try:
                await lane.main()
            except (RedisError, OSError) as error:
                delay = POLL_SECONDS if self._hears else delay
                self._lost(translate(error).message)
            except Exception:  # whatever ends arq's worker, another takes its place
                log.exception("a worker of arq ended")
                self._lost("a fault")
            finally:
                # What it had taken goes on by itself; with Redis gone it may fail to say that it is done.
                await asyncio.gather(*lane.tasks.values(), return_exceptions=True)
            if not self._stopping:
                await wait(stop, delay * random.uniform(0.5, 1.0))  # noqa: S311 - spreads workers, hides nothing
                delay = min(LONGEST_BACKOFF, 2 * delay)

    def _lost(self, why: str) -> None:
        if not self.deaf:
            log.warning("%s; operations are taken from the store until it is back", why)
        self._note(hears=False)

    def _note(self, *, hears: bool) -> None:
        if hears is not self._hears:
            if self.deaf:
                log.info("redis: it is back")
            self._hears = hears
            self._changed()
