"""Checks of a Redis server for ``assetry doctor``: each fact, and how to fix what is wrong."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from redis import exceptions as failures
from redis.asyncio import Redis

from service.adapters.jobs.arq_queues import touch
from service.adapters.redis.client import SETTING, RedisOptions, connect, time_limit
from service.errors import SettingsError, Unavailable
from service.ports.checks import Check, Health
from service.urls import UNIX, redacted

PORT = "jobs"
PINGS = 5
SLOW_MILLISECONDS = 20.0
"""Slower answers get a warning: every request is counted before it is served."""
NEARLY_FULL = 0.9
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

Facts = Mapping[str, Any]
"""The answer to INFO."""


async def checks(options: RedisOptions) -> list[Check]:
    """Check the Redis server. A problem is a check, never an exception.

    Facts that it does not reveal (managed services restrict INFO) are a warning. Writes and deletes two keys.
    """
    try:
        client = await connect(options)
    except SettingsError as error:
        return [_not_connected(error)]
    except Unavailable as error:
        return [Check(PORT, "reachable", Health.FAILED, error.message, "wait, then check its log", SETTING)]
    try:
        return [
            await _latency(client, options),
            *_password(options.url),
            await _writable(client, options),
            *await _information(client, options),
        ]
    finally:
        await client.aclose()


def info_checks(facts: Facts) -> list[Check]:
    """Return the checks of the answer to INFO."""
    return [check(facts) for check in _INFO_CHECKS]


def _not_connected(error: SettingsError) -> Check:
    message = error.message.removeprefix(f"{error.setting}: ").rstrip(".")
    what, _, fix = message.partition(": ")
    if message.startswith("the URL") or not fix:
        what, fix = message, "correct the URL"
    return Check(PORT, "reachable", Health.FAILED, what, fix, error.setting)


async def _latency(client: Redis, options: RedisOptions) -> Check:
    took: list[float] = []
    try:
        for _ in range(PINGS):
            began = time.perf_counter()
            async with time_limit(options.timeout):
                await client.ping()
            took.append((time.perf_counter() - began) * 1000)
    except Unavailable as error:
        return Check(PORT, "reachable", Health.FAILED, error.message, "check whether it is overloaded", SETTING)
    found = f"{redacted(options.url)} in {median(took):.1f} ms"
    if median(took) < SLOW_MILLISECONDS:
        return Check(PORT, "reachable", Health.OK, found)
    return Check(PORT, "reachable", Health.WARNING, found, "run the service closer to Redis", SETTING)


def _password(url: str) -> list[Check]:
    parts = urlsplit(url)
    if url.startswith(UNIX) or parts.hostname in LOOPBACK or parts.password:
        return []
    fix = "set a password (requirepass, or an ACL user) and add it to the URL"
    return [
        Check(PORT, "password", Health.WARNING, "anyone who can reach it can read and change all data", fix, SETTING)
    ]


async def _writable(client: Redis, options: RedisOptions) -> Check:
    name = f"{options.prefix}:examined:{secrets.token_hex(8)}"
    try:
        async with time_limit(options.timeout):
            await client.set(name, b"1", ex=10)
            await client.delete(name)
            await touch(client, name)
    except Unavailable as error:
        fix = "use the URL of the primary, and check Redis's log for why it refuses writes"
        if isinstance(error.__cause__, failures.NoPermissionError):
            fix = f"allow its user all commands on its own keys and on arq's: ~{options.prefix}:* ~arq:*"
        return Check(PORT, "writable", Health.FAILED, error.message, fix, SETTING)
    return Check(PORT, "writable", Health.OK, "writes succeed")


async def _information(client: Redis, options: RedisOptions) -> list[Check]:
    try:
        async with time_limit(options.timeout):
            return info_checks(await client.info())
    except Unavailable as error:
        denied = isinstance(error.__cause__, failures.NoPermissionError)
        fix = "allow its user the command INFO, which arq's worker needs too" if denied else "check its log"
        health = Health.FAILED if denied else Health.WARNING
        return [Check(PORT, "information", health, error.message, fix, SETTING)]


def _version(facts: Facts) -> Check:
    return Check(PORT, "version", Health.OK, f"Redis {facts.get('redis_version', 'of an unknown version')}")


def _role(facts: Facts) -> Check:
    role = str(facts.get("role", "master"))
    if role == "master":
        return Check(PORT, "role", Health.OK, "primary")
    return Check(PORT, "role", Health.FAILED, "a replica, which refuses writes", "use the URL of the primary", SETTING)


def _eviction(facts: Facts) -> Check:
    policy, limit = str(facts.get("maxmemory_policy", "unknown")), int(facts.get("maxmemory", 0))
    found = f"maxmemory-policy {policy}, {_size(limit)}"
    if policy == "noeviction" or not limit:
        return Check(PORT, "eviction", Health.OK, found)
    fix = "set maxmemory-policy to noeviction, or request counts and kept replies disappear when memory runs short"
    return Check(PORT, "eviction", Health.WARNING, found, fix)


def _memory(facts: Facts) -> Check:
    used, limit = int(facts.get("used_memory", 0)), int(facts.get("maxmemory", 0))
    found = f"{used / 2**20:.0f} MiB used, {_size(limit)}"
    if not limit or used < NEARLY_FULL * limit:
        return Check(PORT, "memory", Health.OK, found)
    return Check(PORT, "memory", Health.WARNING, found, "raise maxmemory: a full Redis refuses writes")


def _persistence(facts: Facts) -> Check:
    if facts.get("rdb_last_bgsave_status", "ok") != "ok" or facts.get("aof_last_write_status", "ok") != "ok":
        fix = "free disk space, or allow Redis to write there: until then it refuses writes"
        return Check(PORT, "persistence", Health.FAILED, "the last save failed", fix)
    if facts.get("aof_enabled"):
        return Check(PORT, "persistence", Health.OK, "append-only file")
    found = "no append-only file: a restart may lose request counts and kept replies, but never an operation"
    return Check(PORT, "persistence", Health.OK, found)


_INFO_CHECKS: tuple[Callable[[Facts], Check], ...] = (_version, _role, _eviction, _memory, _persistence)


def _size(limit: int) -> str:
    return f"maxmemory {limit / 2**20:.0f} MiB" if limit else "no maxmemory"
