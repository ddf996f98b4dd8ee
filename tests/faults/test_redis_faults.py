"""The jobs when Redis is killed, hangs, is emptied, or holds what a stranger put there."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from redis.asyncio import Redis

from service.adapters.jobs.arq_jobs import ArqJobs
from service.adapters.jobs.arq_queues import wake_up
from service.adapters.jobs.limits import JobLimits
from service.adapters.jobs.redis_checks import checks
from service.adapters.redis.client import RedisOptions, connect
from service.adapters.redis.replies import RedisReplies
from service.adapters.sqlite.store import SqliteStore
from service.errors import SettingsError
from service.ports.checks import Health
from service.ports.clock import SystemClock
from service.ports.jobs import Progress
from service.ports.replies import Claim
from service.ports.store import Body, Record, Store
from tests.support import certificates
from tests.support.certificates import Authority
from tests.support.clocks import Elsewhere
from tests.support.redis_process import RedisProcess, free_port, needed, redis_process
from tests.support.waiting import PATIENCE, eventually

pytestmark = [pytest.mark.engines, needed]

LIMITS = JobLimits(concurrency=2, attempts=3, backoff=0.02, sweep=0.2, lease=5, grace=0.2)
NO_SWEEP = replace(LIMITS, sweep=600)
"""Nothing is found by looking: what runs was woken."""
TIMEOUT = 0.5
"""Seconds after which a Redis that hangs is given up."""
CALM = 30.0
"""The same where Redis is not made to hang, so that a slow disk or a busy machine is not taken for it."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    folder = tmp_path / "redis"
    folder.mkdir()
    with redis_process(folder) as process:
        yield process


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with SqliteStore(tmp_path / "store.sqlite", SystemClock()) as store:
        yield store


class Cast:
    """Workers and one that only enqueues, all on one store and one Redis."""

    def __init__(self, store: Store, server: RedisProcess, stack: AsyncExitStack) -> None:
        self.store = store
        self.options = RedisOptions(server.url, timeout=CALM)
        self.runs: list[str] = []
        self._stack = stack

    async def jobs(self, limits: JobLimits = LIMITS) -> ArqJobs:
        return await self._stack.enter_async_context(ArqJobs(self.store, SystemClock(), self.options, limits))

    async def worker(self, limits: JobLimits = LIMITS) -> ArqJobs:
        jobs = await self.jobs(limits)
        jobs.register("test", self.run)
        await jobs.start()
        return jobs

    async def submit(self, *keys: str) -> None:
        for key in keys:
            await self.store.insert("operation", key, {"type": "test", "status": "queued"})

    async def ends(self, *keys: str, status: str = "completed", patience: float = 60) -> None:
        async def ended() -> bool:
            found = await self.store.get_many("operation", keys)
            return all(found[key].body["status"] == status for key in keys)

        await eventually(ended, f"all are {status}", patience)

    async def redis(self) -> Redis:
        redis = await connect(self.options)
        self._stack.push_async_callback(redis.aclose)
        return redis

    async def run(self, operation: Record, progress: Progress) -> Body:
        self.runs.append(operation.key)
        return {}


@pytest.fixture
async def cast(store: Store, server: RedisProcess) -> AsyncIterator[Cast]:
    async with AsyncExitStack() as stack:
        yield Cast(store, server, stack)


@pytest.mark.parametrize("reverse", [False, True])
async def test_an_operation_is_woken_and_not_only_found(cast: Cast, reverse: bool) -> None:
    """In whatever order the wake-ups come: not in the one in which operations have their turn, by their keys here."""
    await cast.worker(NO_SWEEP)
    api = await cast.jobs()
    keys = sorted((f"op{number}" for number in range(20)), reverse=reverse)
    await cast.submit(*keys)
    for key in keys:
        await api.enqueue(key)
    await cast.ends(*keys)
    assert sorted(cast.runs) == sorted(keys)
    redis = await cast.redis()
    assert [key async for key in redis.scan_iter("arq:*")] == []  # nothing is left of them


async def test_what_was_due_long_ago_is_woken(cast: Cast) -> None:
    """As after days without a worker."""
    await cast.worker(NO_SWEEP)
    await cast.store.insert(
        "operation", "old", {"type": "test", "status": "queued", "run_after": "2001-01-01T00:00:00.000Z"}
    )
    await (await cast.jobs()).enqueue("old")
    await cast.ends("old")


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_machine_with_another_time_wakes_at_once(cast: Cast, hours: float) -> None:
    worker = await cast.worker(NO_SWEEP)
    await cast.submit("first")
    await worker.enqueue("first")
    await cast.ends("first")  # it has looked through the store by then
    await cast.submit("op")
    async with ArqJobs(cast.store, Elsewhere(hours), cast.options, LIMITS) as api:
        await api.enqueue("op")
    await cast.ends("op")


async def test_another_try_is_woken_when_it_is_due(cast: Cast) -> None:
    worker = await cast.jobs(NO_SWEEP)
    attempts: list[int] = []

    async def fails(operation: Record, progress: Progress) -> Body:
        attempts.append(operation.body["attempts"])
        if len(attempts) < LIMITS.attempts:
            raise RuntimeError("not yet")
        return {}

    worker.register("test", fails)
    await worker.start()
    await cast.submit("op")
    await worker.enqueue("op")
    await cast.ends("op")
    assert attempts == [1, 2, 3]


async def test_what_a_closing_worker_put_back_is_woken_in_another(cast: Cast) -> None:
    closing = await cast.jobs(NO_SWEEP)
    started = asyncio.Event()

    async def endless(operation: Record, progress: Progress) -> Body:
        started.set()
        await asyncio.get_running_loop().create_future()
        return {}

    closing.register("test", endless)
    await closing.start()
    await cast.submit("op")
    await closing.enqueue("op")
    await started.wait()
    await cast.worker(NO_SWEEP)
    await closing.close()
    await cast.ends("op")
    assert cast.runs == ["op"]


async def test_an_emptied_redis_loses_nothing(cast: Cast) -> None:
    api = await cast.jobs()
    keys = [f"op{number}" for number in range(200)]
    await cast.submit(*keys)
    for key in keys:
        await api.enqueue(key)
    redis = await cast.redis()
    assert await redis.zcard("assetry:jobs") == len(keys)
    await redis.flushall()
    await cast.worker()
    await cast.ends(*keys)
    assert sorted(cast.runs) == sorted(keys)


async def test_a_killed_redis_stops_neither_runs_nor_requests(cast: Cast, server: RedisProcess) -> None:
    worker = await cast.jobs()
    api = await cast.jobs()
    started, go = asyncio.Event(), asyncio.Event()

    async def waits(operation: Record, progress: Progress) -> Body:
        cast.runs.append(operation.key)
        started.set()
        await go.wait()
        await progress(1, 1)
        return {}

    worker.register("test", waits)
    await worker.start()
    await cast.submit("before")
    await api.enqueue("before")
    await started.wait()
    server.kill()
    await cast.submit("during")
    async with asyncio.timeout(PATIENCE):
        await api.enqueue("during")
    go.set()
    await cast.ends("before", "during")  # the second is found in the store
    server.start()
    redis = await cast.redis()

    async def listens() -> bool:
        return bool(await redis.exists("assetry:jobs:health-check"))

    await eventually(listens, "the worker is back at Redis")
    await cast.submit("after")
    await api.enqueue("after")
    await cast.ends("after")
    assert sorted(cast.runs) == ["after", "before", "during"]


async def test_wake_ups_come_again_when_redis_is_back(cast: Cast, server: RedisProcess) -> None:
    await cast.worker(NO_SWEEP)
    api = await cast.jobs()
    server.kill()
    server.start()

    async def woken() -> bool:
        key = f"op{len(cast.runs)}-{time.monotonic_ns()}"
        await cast.submit(key)
        await api.enqueue(key)
        with suppress(AssertionError):  # sent before Redis was back
            await cast.ends(key, patience=2)
            return True
        return False

    await eventually(woken, "an operation is woken", patience=60)


async def test_a_redis_that_hangs_holds_up_no_request(cast: Cast, server: RedisProcess) -> None:
    """However many there are at once: none waits for the time-outs of others."""
    cast.options = replace(cast.options, timeout=TIMEOUT)
    await cast.worker()
    api = await cast.jobs()
    keys = [f"op{number}" for number in range(50)]
    await cast.submit(*keys)
    server.pause()
    async with asyncio.timeout(len(keys) * TIMEOUT / 2):
        await asyncio.gather(*(api.enqueue(key) for key in keys))
    await cast.ends(*keys)  # from the store
    server.resume()
    for _ in range(3):  # no hang costs a connection for good
        server.pause()
        await asyncio.gather(*(api.enqueue(key) for key in keys), return_exceptions=True)
        server.resume()
    await cast.submit("after")
    await api.enqueue("after")
    await cast.ends("after")
    assert sorted(cast.runs) == sorted([*keys, "after"])


class Trap:
    """A pickle that leaves a mark where it is loaded."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self._mark,))


async def test_a_pickle_in_redis_is_not_loaded(cast: Cast, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    redis = await cast.redis()
    mark = tmp_path / "loaded"
    call: dict[str, Any] = {"t": None, "f": "operation", "a": (Trap(mark),), "k": {}, "et": 1}
    others = [b'{"t":null,"f":"operation","a":[{"no":"text"}],"k":{},"et":1}', b"\xff", b"[]", b"null", b"{}"]
    for number, content in enumerate([pickle.dumps(call), *others]):
        await redis.set(f"arq:job:assetry:bad{number}", content)
        await redis.zadd("assetry:jobs", {f"assetry:bad{number}": 1})
    await redis.zadd("assetry:jobs", {"assetry:nothing": 1, "assetry:before-all-time": float("-inf")})
    await redis.zadd("assetry:jobs", {b"\xff\xfe": 2})
    await cast.worker(NO_SWEEP)
    await cast.submit("good")
    await (await cast.jobs()).enqueue("good")
    await cast.ends("good")

    async def gone() -> bool:
        return not await redis.zcard("assetry:jobs")

    await eventually(gone, "what is no wake-up is thrown away")
    assert not mark.exists()
    assert "a worker of arq ended" not in caplog.text


async def test_a_worker_that_died_with_a_wake_up_in_its_hands_delays_nothing(cast: Cast) -> None:
    api = await cast.jobs()
    await cast.submit("op")
    await api.enqueue("op")
    redis = await cast.redis()
    held = wake_up("assetry", await cast.store.get("operation", "op"))
    await redis.set(f"arq:in-progress:{held}", b"1", px=600_000)
    await cast.worker()
    await cast.ends("op")


async def test_a_full_redis_delays_at_most(cast: Cast, tmp_path: Path) -> None:
    redis = await cast.redis()
    await cast.worker()
    api = await cast.jobs()
    await redis.config_set("maxmemory", 1)
    await cast.submit("op")
    await api.enqueue("op")
    await cast.ends("op")


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A folder for sockets, whose paths have at most 107 bytes (unix(7)): a test's own may be longer."""
    with TemporaryDirectory(prefix="assetry-", dir="/tmp") as folder:
        yield Path(folder)


async def test_credentials_and_sockets_are_spoken(tmp_path: Path, sockets: Path) -> None:
    folder = tmp_path / "guarded"
    folder.mkdir()
    path = sockets / "redis.sock"
    user = ("--user", "me", "on", ">pa55%", "~*", "&*", "+@all")
    with redis_process(folder, "--requirepass", "pa55:word", "--unixsocket", str(path), *user) as guarded:
        for url in (
            guarded.url.replace("//", "//:pa55%3Aword@") + "/3",
            guarded.url.replace("//", "//me:pa55%25@"),
            f"unix://:pa55%3Aword@{path}?db=2",
        ):
            redis = await connect(RedisOptions(url))
            assert await redis.set("key", b"1")
            await redis.aclose()
        for url in (guarded.url, guarded.url.replace("//", "//:wrong@"), guarded.url.replace("//", "//you:x@")):
            with pytest.raises(SettingsError, match="rejected the credentials"):
                await connect(RedisOptions(url))


RIGHTS = ("~assetry:*", "~arq:*", "resetchannels", "+@all", "-@dangerous", "+info")
"""What docs/how-to-deploy.md gives the user."""


@pytest.mark.parametrize(
    ("rights", "refused"),
    [
        (RIGHTS, None),
        (("~assetry:*", "+@all"), "writable"),
        (("~assetry:*", "~arq:*:assetry:*", "+@all"), "writable"),
        (("~assetry:*", "~arq:*", "+@all", "-@dangerous"), "information"),
    ],
)
async def test_a_user_has_the_rights_that_an_examination_asks_for(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, rights: tuple[str, ...], refused: str | None
) -> None:
    folder = tmp_path / "guarded"
    folder.mkdir()
    with redis_process(folder, "--user", "me", "on", ">password", *rights) as guarded:
        options = RedisOptions(guarded.url.replace("//", "//me:password@"))
        found = {check.name: check for check in await checks(options) if check.health is Health.FAILED}
        assert set(found) == ({refused} if refused else set())
        assert all("allow its user" in check.fix for check in found.values())
        async with AsyncExitStack() as stack:
            jobs = await stack.enter_async_context(ArqJobs(store, SystemClock(), options, NO_SWEEP))
            cast = Cast(store, guarded, stack)
            jobs.register("test", cast.run)
            await jobs.start()
            redis = await connect(options)
            stack.push_async_callback(redis.aclose)

            async def listens() -> bool:
                return "lacks the permission" in caplog.text or bool(await redis.exists("assetry:jobs:health-check"))

            await eventually(listens, "the worker listens, or says that it may not")
            for number in range(2):
                await cast.submit(f"op{number}")
                await jobs.enqueue(f"op{number}")
                if not refused:
                    await cast.ends(f"op{number}")
            mark = await RedisReplies(redis, options.prefix).begin("slot", "print")
            assert isinstance(mark, Claim)

            async def told() -> bool:
                return "its user lacks the permission" in caplog.text

            if refused:
                await eventually(told, "the worker says what it lacks")
            else:
                assert not await told()


@pytest.mark.skipif(not certificates.available(), reason=certificates.NEEDS)
async def test_tls_is_spoken_with_a_certificate_of_our_own(tmp_path: Path) -> None:
    """Redis wants one of each client unless told otherwise."""
    authority = Authority(tmp_path, "authority")
    server, client = authority.issue("server", "IP:127.0.0.1"), authority.issue("client", "DNS:client.example")
    port = free_port()
    tls = ("--tls-port", str(port), "--tls-cert-file", str(server.certificate), "--tls-key-file", str(server.key))
    with redis_process(tmp_path, *tls, "--tls-ca-cert-file", str(authority.root)):
        url = f"rediss://127.0.0.1:{port}?ssl_ca_certs={authority.root}"
        redis = await connect(RedisOptions(f"{url}&ssl_certfile={client.certificate}&ssl_keyfile={client.key}"))
        assert await redis.set("key", b"1")
        await redis.aclose()
        with pytest.raises(SettingsError, match=r"name (a certificate|one) with \?ssl_certfile=FILE"):
            await connect(RedisOptions(url))
        with pytest.raises(SettingsError, match="closed the connection: use rediss://"):
            await connect(RedisOptions(f"redis://127.0.0.1:{port}"))
