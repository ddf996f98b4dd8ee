"""The examination of a Redis for ``assetry doctor``: each fact, and how to fix what is not well."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from arq.constants import abort_jobs_ss, job_key_prefix
from redis import exceptions as failures
from redis.asyncio import Redis

from service.adapters.redis.client import SETTING, RedisOptions, answered, connect
from service.errors import SettingsError, Unavailable
from service.ports.checks import Check, Health
from service.urls import UNIX, shown

PORT = "jobs"
PINGS = 5
SLOW_MILLISECONDS = 20.0
"""An answer that takes longer is worth a word: every request is counted before it is served."""
NEARLY_FULL = 0.9
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

Facts = Mapping[str, Any]
"""What INFO says."""


async def checks(options: RedisOptions) -> list[Check]:
    """Examine the Redis. What is wrong with it is a check, never an exception.

    What it does not tell (a managed service keeps some things to itself) is a warning. It writes and deletes two keys.
    """
    try:
        client = await connect(options)
    except SettingsError as error:
        return [_unusable(error)]
    except Unavailable as error:
        return [Check(PORT, "reachable", Health.FAILED, error.message, "wait, and see its log", SETTING)]
    try:
        return [
            await _reached(client, options),
            *_guarded(options.url),
            await _writable(client, options),
            *await _told(client, options),
        ]
    finally:
        await client.aclose()


def judged(facts: Facts) -> list[Check]:
    """Judge what INFO says."""
    return [judge(facts) for judge in _JUDGES]


def _unusable(error: SettingsError) -> Check:
    said = error.message.removeprefix(f"{error.setting}: ").rstrip(".")
    what, _, fix = said.partition(": ")
    if said.startswith("the URL") or not fix:
        what, fix = said, "correct it"
    return Check(PORT, "reachable", Health.FAILED, what, fix, error.setting)


async def _reached(client: Redis, options: RedisOptions) -> Check:
    took: list[float] = []
    try:
        for _ in range(PINGS):
            began = time.perf_counter()
            async with answered(options.timeout):
                await client.ping()
            took.append((time.perf_counter() - began) * 1000)
    except Unavailable as error:
        return Check(PORT, "reachable", Health.FAILED, error.message, "see that it is not overloaded", SETTING)
    found = f"{shown(options.url)} in {median(took):.1f} ms"
    if median(took) < SLOW_MILLISECONDS:
        return Check(PORT, "reachable", Health.OK, found)
    return Check(PORT, "reachable", Health.WARNING, found, "put the service nearer to Redis", SETTING)


def _guarded(url: str) -> list[Check]:
    parts = urlsplit(url)
    if url.startswith(UNIX) or parts.hostname in LOOPBACK or parts.password:
        return []
    fix = "give it a password (requirepass, or an ACL user) and write it into the URL"
    return [Check(PORT, "password", Health.WARNING, "whoever reaches it may read and change all", fix, SETTING)]


async def _writable(client: Redis, options: RedisOptions) -> Check:
    name = f"{options.prefix}:examined:{secrets.token_hex(8)}"
    try:
        async with answered(options.timeout):
            for key in (name, job_key_prefix + name):
                await client.set(key, b"1", ex=10)
                await client.delete(key)
            await client.zrem(abort_jobs_ss, name)  # arq does so behind every wake-up
    except Unavailable as error:
        fix = "name the primary, and see in Redis's log why it refuses writes"
        if isinstance(error.__cause__, failures.NoPermissionError):
            fix = f"allow its user all commands on its keys and on arq's: ~{options.prefix}:* ~arq:*"
        return Check(PORT, "writable", Health.FAILED, error.message, fix, SETTING)
    return Check(PORT, "writable", Health.OK, "it takes writes")


async def _told(client: Redis, options: RedisOptions) -> list[Check]:
    try:
        async with answered(options.timeout):
            return judged(await client.info())
    except Unavailable as error:
        denied = isinstance(error.__cause__, failures.NoPermissionError)
        fix = "allow its user INFO: arq's worker needs it, too" if denied else "see its log"
        health = Health.FAILED if denied else Health.WARNING
        return [Check(PORT, "information", health, error.message, fix, SETTING)]


def _version(facts: Facts) -> Check:
    return Check(PORT, "version", Health.OK, f"Redis {facts.get('redis_version', 'of an unknown version')}")


def _role(facts: Facts) -> Check:
    role = str(facts.get("role", "master"))
    if role == "master":
        return Check(PORT, "role", Health.OK, "primary")
    return Check(PORT, "role", Health.FAILED, "it is a replica, which takes no writes", "name the primary", SETTING)


def _eviction(facts: Facts) -> Check:
    policy, limit = str(facts.get("maxmemory_policy", "unknown")), int(facts.get("maxmemory", 0))
    found = f"maxmemory-policy {policy}, {_size(limit)}"
    if policy == "noeviction" or not limit:
        return Check(PORT, "eviction", Health.OK, found)
    fix = "set maxmemory-policy to noeviction: else counts of requests and kept replies vanish when memory is short"
    return Check(PORT, "eviction", Health.WARNING, found, fix)


def _memory(facts: Facts) -> Check:
    used, limit = int(facts.get("used_memory", 0)), int(facts.get("maxmemory", 0))
    found = f"{used / 2**20:.0f} MiB used, {_size(limit)}"
    if not limit or used < NEARLY_FULL * limit:
        return Check(PORT, "memory", Health.OK, found)
    return Check(PORT, "memory", Health.WARNING, found, "raise maxmemory: a full Redis refuses writes")


def _persistence(facts: Facts) -> Check:
    if facts.get("rdb_last_bgsave_status", "ok") != "ok" or facts.get("aof_last_write_status", "ok") != "ok":
        fix = "free its disk, or allow it to write there: until then Redis refuses writes"
        return Check(PORT, "persistence", Health.FAILED, "its last save failed", fix)
    if facts.get("aof_enabled"):
        return Check(PORT, "persistence", Health.OK, "append-only file")
    found = "no append-only file: a restart may forget counts of requests and kept replies, never an operation"
    return Check(PORT, "persistence", Health.OK, found)


_JUDGES: tuple[Callable[[Facts], Check], ...] = (_version, _role, _eviction, _memory, _persistence)


def _size(limit: int) -> str:
    return f"maxmemory {limit / 2**20:.0f} MiB" if limit else "no maxmemory"
