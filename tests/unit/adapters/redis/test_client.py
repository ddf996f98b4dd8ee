from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping

import pytest
from redis import exceptions as failures
from redis.asyncio import Redis

from service.adapters.jobs.redis_checks import checks, info_checks
from service.adapters.redis.client import RedisOptions, connect, time_limit, translate, translated, version_of
from service.errors import SettingsError, Unavailable
from service.ports.checks import Health
from tests.support.redis_servers import bulk, scripted
from tests.support.virtual_time import on_virtual_time

SECRET = "pa55word"


async def fault(options: RedisOptions) -> str:
    with pytest.raises(SettingsError) as caught:
        await connect(options)
    assert caught.value.setting == "ASSETRY_REDIS_URL"
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "\n" not in caught.value.message
    return caught.value.message


async def test_a_good_redis_is_connected_to() -> None:
    async with scripted() as script:
        client = await connect(script.options(credentials=f"me:{SECRET}@", rest="/3"))
        assert await client.ping()
        await client.aclose()
        assert {"AUTH", "SELECT", "PING", "INFO"} <= set(script.asked)


def test_a_password_shows_nowhere() -> None:
    assert SECRET not in repr(RedisOptions(f"redis://:{SECRET}@host"))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://host", "must start with redis://"),
        ("redis://", "must contain a host"),
        (f"redis://:{SECRET}/@host", "must contain a host"),
        ("redis://host:port", "a port below 65536"),
        ("redis://host/zero", "database that is not a number"),
        ("redis://host?db=zero", "parameter with an invalid value"),
        ("redis://127.0.0.1:1?colour=red", "unknown parameter"),
        ("unix:///no/such/socket", "the socket or certificate"),
        ("rediss://127.0.0.1:1?ssl_ca_certs=/no/such/file", "certificate"),
        ("rediss://127.0.0.1:1?ssl_cert_reqs=CERT_NONE", "parameter with an invalid value"),
    ],
)
async def test_a_bad_url_is_reported_with_its_fix(url: str, words: str) -> None:
    assert words in await fault(RedisOptions(url, timeout=1))


async def test_an_address_without_redis_is_named() -> None:
    with socket.socket() as found:  # bound, and nobody listens
        found.bind(("127.0.0.1", 0))
        message = await fault(RedisOptions(f"redis://:{SECRET}@127.0.0.1:{found.getsockname()[1]}"))
    assert "nothing answers at redis://127.0.0.1:" in message
    assert "start Redis there" in message


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"AUTH": b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"}, "rejected the credentials"),
        ({"PING": b"-NOAUTH Authentication required.\r\n"}, "rejected the credentials"),
        ({"PING": b"-NOPERM this user has no permissions\r\n"}, "lacks permissions"),
        ({"SELECT": b"-ERR DB index is out of range\r\n"}, "no such database"),
        ({"PING": b"HTTP/1.1 400 Bad Request\r\n"}, "is not a Redis server"),
        ({"CLIENT": b"-ERR max number of clients reached\r\n"}, "raise its maxclients"),
        ({"INFO": bulk("redis_version:7.0.0\r\nredis_mode:cluster\r\n")}, "is a cluster"),
        ({"INFO": bulk("redis_version:7.0.0\r\nredis_mode:sentinel\r\n")}, "is a sentinel"),
        ({"INFO": bulk("redis_version:6.0.16\r\nredis_mode:standalone\r\n")}, "upgrade it to 6.2 or later"),
    ],
)
async def test_a_redis_that_will_not_do_is_named(answers: Mapping[str, bytes], words: str) -> None:
    async with scripted(answers) as script:
        assert words in await fault(script.options(credentials=f":{SECRET}@", rest="/1"))


@on_virtual_time
async def test_one_that_hangs_is_named_in_time() -> None:
    async with scripted({"PING": None}) as script:
        began = asyncio.get_running_loop().time()
        assert "does not answer in time" in await fault(script.options(timeout=0.2))
        assert asyncio.get_running_loop().time() - began < 0.5


async def test_one_that_loads_its_data_is_not_a_wrong_setting() -> None:
    async with scripted({"PING": b"-LOADING Redis is loading the dataset in memory\r\n"}) as script:
        with pytest.raises(Unavailable, match="loading"):
            await connect(script.options())


async def test_one_that_loads_its_data_is_asked_once() -> None:
    """Also when it says so while the client introduces itself."""
    loading = b"-LOADING Redis is loading the dataset in memory\r\n"
    async with scripted({"PING": loading, "CLIENT": loading}) as script:
        with pytest.raises(Unavailable, match="loading"):
            await connect(script.options())
        assert len(script.asked) < 10


async def test_a_user_without_info_will_do() -> None:
    async with scripted({"INFO": b"-NOPERM no\r\n"}) as script:
        await (await connect(script.options())).aclose()


async def test_a_lost_connection_is_tried_once_more() -> None:
    async with scripted({"GET": b"$1\r\nx\r\n"}) as script:
        client = await connect(script.options())
        script.hang_up_after = "GET"
        assert await client.get("key") == b"x"
        assert script.asked.count("GET") == 2
        await client.aclose()


READ_ONLY = b"-READONLY You can't write against a read only replica.\r\n"
SCRIPT_OF_6_2 = b"-ERR Error running script (call to f_1): @user_script:2: @user_script: 2: " + READ_ONLY


async def _set(client: Redis) -> None:
    assert await client.set("key", b"1")


async def _script(client: Redis) -> None:
    assert await client.register_script("return redis.call('SET', KEYS[1], '1')")(keys=["key"]) == b"OK"


async def _transaction(client: Redis) -> None:
    async with client.pipeline(transaction=True) as pipe:
        pipe.zadd("key", {"member": 1})
        assert await pipe.execute() == [1]


@pytest.mark.parametrize(
    ("write", "refusals"),
    [
        (_set, {"SET": READ_ONLY}),
        (_script, {"EVALSHA": READ_ONLY}),
        (_script, {"EVALSHA": SCRIPT_OF_6_2}),
        (
            _transaction,
            {"ZADD": READ_ONLY, "EXEC": b"-EXECABORT Transaction discarded because of previous errors.\r\n"},
        ),
    ],
    ids=["command", "script", "script_of_6_2", "transaction"],
)
async def test_after_a_failover_the_new_primary_is_found(
    write: Callable[[Redis], Awaitable[None]], refusals: Mapping[str, bytes]
) -> None:
    """The address leads to it; the old one keeps the connections that it has, and takes no writes."""
    async with scripted({"ZADD": b"+QUEUED\r\n", "EXEC": b"*1\r\n:1\r\n"}) as script:
        client = await connect(script.options())
        script.demoted, script.refusals = script.connections, refusals
        await write(client)
        await write(client)
        assert script.connections == script.demoted + 1
        await client.aclose()


async def test_a_replica_is_tried_twice_and_named() -> None:
    async with scripted({"SET": READ_ONLY}) as script:
        client = await connect(script.options())
        with pytest.raises(Unavailable, match="a replica"), translated():
            await client.set("key", b"1")
        assert script.asked.count("SET") == 2
        await client.aclose()


@on_virtual_time
async def test_commands_at_once_do_not_wait_for_each_others_time_outs() -> None:
    async with scripted({"GET": None}) as script:
        client = await connect(script.options(timeout=0.3))

        async def get() -> None:
            async with time_limit(0.3):
                await client.get("key")

        began = asyncio.get_running_loop().time()
        outcomes = await asyncio.gather(*(get() for _ in range(100)), return_exceptions=True)
        assert asyncio.get_running_loop().time() - began < 0.5
        assert {str(outcome) for outcome in outcomes} == {"redis: no answer in time"}
        assert script.asked.count("GET") <= 100  # a command whose answer did not come is not sent again
        await client.aclose()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (failures.TimeoutError("Timeout reading from secret:6379"), "no answer in time"),
        (TimeoutError(), "no answer in time"),
        (failures.ConnectionError("secret"), "no connection"),
        (ConnectionResetError(), "no connection"),
        (failures.AuthenticationError("secret"), "rejected the credentials"),
        (failures.ReadOnlyError("secret"), "a replica"),
        (failures.OutOfMemoryError("secret"), "memory is full"),
        (failures.ResponseError("MISCONF secret"), "rejected a command"),
        (failures.WatchError("secret"), "rejected a command"),
    ],
)
def test_errors_become_ours_and_say_nothing_of_the_engines(error: Exception, words: str) -> None:
    assert translate(error).message.startswith("redis: ")
    with pytest.raises(Unavailable, match=words) as caught, translated():
        raise error
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("text", "version"), [("7.0.15", (7, 0)), ("6.2", (6, 2)), ("8", (8, 0)), ("x", (0, 0))])
def test_versions_are_read(text: str, version: tuple[int, int]) -> None:
    assert version_of(text) == version


GOOD = {"redis_version": "7.2.4", "role": "master", "maxmemory": 0, "used_memory": 5, "aof_enabled": 1}


@pytest.mark.parametrize(
    ("facts", "bad"),
    [
        ({}, {}),
        ({"role": "slave"}, {"role": Health.FAILED}),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": 2**30}, {"eviction": Health.WARNING}),
        ({"maxmemory_policy": "allkeys-lru"}, {}),
        ({"maxmemory_policy": "noeviction", "maxmemory": 100, "used_memory": 95}, {"memory": Health.WARNING}),
        ({"rdb_last_bgsave_status": "err"}, {"persistence": Health.FAILED}),
        ({"aof_enabled": 0}, {}),
    ],
)
def test_what_info_says_is_judged(facts: Mapping[str, object], bad: Mapping[str, Health]) -> None:
    found = info_checks({**GOOD, **facts})
    assert {check.name: check.health for check in found if check.health is not Health.OK} == bad
    assert all(check.fix for check in found if check.health is not Health.OK)


async def test_an_examination_says_what_is_wrong_and_raises_nothing() -> None:
    async with scripted({"SET": b"-READONLY You can't write against a read only replica.\r\n"}) as script:
        found = {check.name: check for check in await checks(script.options())}
    assert found["reachable"].health is Health.OK
    assert found["writable"].health is Health.FAILED
    assert "replica" in found["writable"].found
    for options in (script.options(), RedisOptions("http://x"), RedisOptions("redis://")):  # it is gone by now
        (check,) = await checks(options)
        assert (check.name, check.health, check.setting) == ("reachable", Health.FAILED, "ASSETRY_REDIS_URL")
        assert check.found
        assert check.fix


@pytest.mark.parametrize(("scheme", "words"), [("redis", "use rediss://"), ("rediss", r"\?ssl_certfile=FILE")])
@pytest.mark.parametrize("cause", [ConnectionResetError(), BrokenPipeError()], ids=["reset", "broken"])
async def test_a_connection_that_is_closed_names_what_is_likely(
    monkeypatch: pytest.MonkeyPatch, scheme: str, words: str, cause: OSError
) -> None:
    """Over TLS 1.3 the refusal of a client without a certificate may be lost with the connection."""

    async def closed(_: Redis) -> None:
        raise failures.ConnectionError("gone") from cause

    monkeypatch.setattr(Redis, "ping", closed)
    with pytest.raises(SettingsError, match=f"closed the connection: .*{words}"):
        await connect(RedisOptions(f"{scheme}://127.0.0.1:1"))
