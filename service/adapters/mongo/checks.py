"""Checks of a MongoDB for ``assetry doctor``."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pymongo.errors import PyMongoError

from service.adapters.mongo.client import Database
from service.adapters.mongo.errors import settings_error
from service.adapters.mongo.feed import oplog_hours
from service.adapters.mongo.options import AWAIT_SECONDS, SETTING, MongoOptions, overridden
from service.adapters.mongo.schema import COUNTERS, plan
from service.adapters.mongo.streams import Streams
from service.errors import AssetryError, SettingsError
from service.ports.checks import Check, Health
from service.ports.store import KINDS

OLDEST = (5, 0)
"""The first version that supports keys with dots and dollar signs in a record's body."""
WINDOW_HOURS = 24.0
"""An indexer that is stopped for longer than the oplog window loses its position; a day and a night should be safe."""
CLOCK_SECONDS = 2.0
"""The allowed skew between this machine's clock and the server's."""

ACTIONS = (
    "find insert update remove createCollection createIndex dropIndex collMod changeStream listCollections listIndexes"
).split()
"""What the user must be allowed to do in the database (the roles readWrite and dbAdmin include all of it)."""

_TRIED = "assetry.doctor"
"""The document, among the counters, that is written to try the server."""

_check = partial(Check, "store")


async def checks(options: MongoOptions) -> list[Check]:
    """Check everything that the store needs from the server. A problem is a check, never an exception."""
    database = Database(options)
    try:
        await database.connect()
    except SettingsError as error:
        return [_check("connection", Health.FAILED, _finding(error), "correct the setting", error.setting)]
    except AssetryError as error:
        said = getattr(error, "said", "")
        if said:
            fix = "look it up in the server's documentation, or see its log"
            return [_check("connection", Health.FAILED, f"{error.message}: {said}", fix, SETTING)]
        return [_check("connection", Health.FAILED, error.message, "start the server, or correct the URL", SETTING)]
    try:
        return [await _run_check(name, check, database) for name, check in _CHECKS.items()]
    finally:
        await database.close()


CheckFunction = Callable[[Database], Awaitable[Check]]


async def _run_check(name: str, check: CheckFunction, database: Database) -> Check:
    try:
        async with database.time_limit():
            return await check(database)
    except SettingsError as error:
        return _check(name, Health.FAILED, _finding(error), "follow the advice in the finding", error.setting)
    except AssetryError as error:
        said = getattr(error, "said", "")
        found = f"{error.message}: {said}" if said else error.message
        return _check(name, Health.FAILED, found, "check the replica set's members and the user's permissions")


def _finding(error: SettingsError) -> str:
    return error.message.removeprefix(f"{error.setting}: ")


async def _version(database: Database) -> Check:
    numbers = database.version.split(".")
    if not all(number.isdigit() for number in numbers[:2]):
        return _check("version", Health.WARNING, database.version, "unknown version: use MongoDB 5.0 or later")
    if tuple(int(number) for number in numbers[:2]) < OLDEST:
        return _check("version", Health.FAILED, database.version, "upgrade to MongoDB 5.0 or later")
    return _check("version", Health.OK, database.version)


async def _replica_set(database: Database) -> Check:
    hello = await database.client.admin.command("hello")
    if hello.get("msg") == "isdbgrid":
        return _check("replica set", Health.OK, "a sharded cluster")
    name = hello.get("setName")
    if name is None:
        words = "the server is not in a replica set"
        return _check("replica set", Health.WARNING, words, "start it with --replSet; one member is enough", SETTING)
    hosts = hello.get("hosts", [])
    arbiters = hello.get("arbiters", [])
    found = f"{name}, {len(hosts)} data-bearing" + (f", {len(arbiters)} arbiters" if arbiters else "")
    if arbiters:
        fix = "replace the arbiter: with a member down, no majority confirms writes, and change streams stand still"
        return _check("replica set", Health.WARNING, found, fix)
    return _check("replica set", Health.OK, found)


async def _change_streams(database: Database) -> Check:
    """Prove that an event arrives: a server may open a stream, and show nothing."""
    streams = Streams(database, tuple(KINDS), 1)
    try:
        await streams.open(None)
        waited = await _event_seconds(database)
    except PyMongoError as error:
        wrong = settings_error(error)
        found = _finding(wrong) if isinstance(wrong, SettingsError) else wrong.message
        return _check("change streams", Health.FAILED, found, "they need a replica set and the role readWrite", SETTING)
    finally:
        await streams.close()
    if waited is None:
        found = f"no event of a write arrived within {database.options.timeout:g} s"
        fix = "events show only what a majority has: see that most members with data are up and not far behind"
        return _check("change streams", Health.FAILED, found, fix, SETTING)
    return _check("change streams", Health.OK, f"an event arrived in {waited * 1000:.0f} ms")


async def _event_seconds(database: Database) -> float | None:
    """Write, and return how long the event of the write took to arrive; None if it did not in the time of a command."""
    stream = await database.driver.watch(
        database.handle[COUNTERS],
        [{"$match": {"documentKey._id": _TRIED}}],
        max_await_time_ms=round(AWAIT_SECONDS * 1000),
    )
    try:
        await _write(database)
        started = time.monotonic()
        while (waited := time.monotonic() - started) < database.options.timeout:
            if await stream.try_next() is not None:
                return waited
        return None
    finally:
        await stream.close()


async def _write(database: Database) -> None:
    await database.collection(COUNTERS).update_one({"_id": _TRIED}, {"$inc": {"last": 1}}, upsert=True)


async def _majority(database: Database) -> Check:
    started = time.monotonic()
    await _write(database)
    found = f"confirmed by a majority and its journals in {(time.monotonic() - started) * 1000:.0f} ms"
    return _check("majority write", Health.OK, found)


async def _compare_and_set(database: Database) -> Check:
    """Prove that a conditional write matches what it should, and nothing else: every change of a record is one."""
    await _write(database)
    collection = database.collection(COUNTERS)
    limit = database.options.milliseconds
    before = await collection.find_one({"_id": _TRIED}, max_time_ms=limit)
    last = None if before is None else before.get("last")
    change = {"$inc": {"last": 1}}
    wrong = await collection.find_one_and_update({"_id": _TRIED, "last": {"$lt": 0}}, change)
    right = await collection.find_one_and_update({"_id": _TRIED, "last": last}, change)
    if right is None or wrong is not None:
        found = "a write whose condition is met changes nothing" if right is None else "a condition does not hold"
        return _check("compare and set", Health.FAILED, found, "use a MongoDB server: this one compares otherwise")
    return _check("compare and set", Health.OK, "a conditional write matches")


async def _url_options(database: Database) -> Check:
    if found := overridden(database.options.url):
        return _check("URL", Health.WARNING, "; ".join(found), "remove these options from the URL", SETTING)
    return _check("URL", Health.OK, "no option that Assetry sets itself")


async def _permissions(database: Database) -> Check:
    status = await database.client.admin.command({"connectionStatus": 1, "showPrivileges": True})
    granted = status.get("authInfo", {})
    if not granted.get("authenticatedUsers"):
        return _check("permissions", Health.OK, "the server does not require authentication")
    missing = missing_actions(granted.get("authenticatedUserPrivileges", ()), database.options.database)
    if missing:
        fix = f"grant the user readWrite and dbAdmin on {database.options.database}"
        return _check("permissions", Health.FAILED, f"missing: {', '.join(missing)}", fix, SETTING)
    return _check("permissions", Health.OK, "complete")


def missing_actions(privileges: Sequence[Mapping[str, Any]], database: str) -> list[str]:
    """Return the actions in :data:`ACTIONS` that a user may not perform in a database."""
    allowed: set[str] = set()
    for privilege in privileges:
        resource = privilege.get("resource", {})
        everywhere = resource.get("anyResource") or (
            resource.get("db") in ("", database) and resource.get("collection") == ""
        )
        if everywhere:
            allowed.update(privilege.get("actions", ()))
    return [action for action in ACTIONS if action not in allowed]


async def _oplog(database: Database) -> Check:
    hours = await oplog_hours(database)
    if hours is None:
        fix = "let the user read the database 'local' to show it (optional), or ask the server's operator"
        return _check("oplog window", Health.WARNING, "unknown", fix)
    if hours < WINDOW_HOURS:
        fix = "enlarge the oplog (replSetResizeOplog): an indexer that is stopped for longer must compare every record"
        return _check("oplog window", Health.WARNING, f"{hours:.1f} h (it grows on a new server)", fix)
    return _check("oplog window", Health.OK, f"{hours:.0f} h")


async def _clock(database: Database) -> Check:
    started = datetime.now(UTC)
    hello = await database.client.admin.command("hello")
    local_time = started + (datetime.now(UTC) - started) / 2
    skew = abs((hello["localTime"].replace(tzinfo=UTC) - local_time).total_seconds())
    if skew > CLOCK_SECONDS:
        return _check("clock", Health.WARNING, f"{skew:.1f} s from the server's", "synchronize both by NTP")
    return _check("clock", Health.OK, f"{skew:.1f} s from the server's")


async def _set_up(database: Database) -> Check:
    steps = await plan(database.options)
    if steps:
        first = f"{steps[0].action} {steps[0].collection} {steps[0].detail}".rstrip()
        return _check("set up", Health.FAILED, f"{len(steps)} steps missing: {first} …", "run `assetry db init`")
    return _check("set up", Health.OK, f"{len(KINDS)} kinds")


_CHECKS: dict[str, CheckFunction] = {
    "version": _version,
    "replica set": _replica_set,
    "URL": _url_options,
    "change streams": _change_streams,
    "majority write": _majority,
    "compare and set": _compare_and_set,
    "permissions": _permissions,
    "oplog window": _oplog,
    "clock": _clock,
    "set up": _set_up,
}
