"""The examination of a MongoDB for ``assetry doctor``."""

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
from service.adapters.mongo.options import SETTING, MongoOptions
from service.adapters.mongo.schema import COUNTERS, plan
from service.adapters.mongo.streams import Streams
from service.errors import AssetryError, SettingsError
from service.ports.checks import Check, Health
from service.ports.store import KINDS

OLDEST = (5, 0)
"""The first version that keeps keys with dots and dollars in a record's body."""
WINDOW_HOURS = 24.0
"""An indexer that stands longer than the oplog reaches back loses its place; a day and a night should pass."""
CLOCK_SECONDS = 2.0
"""How far this machine's clock may be from the server's."""

ACTIONS = (
    "find insert update remove createCollection createIndex dropIndex collMod changeStream listCollections listIndexes"
).split()
"""What the account must be allowed to do in the database (the roles readWrite and dbAdmin have it all)."""

_check = partial(Check, "store")


async def checks(options: MongoOptions) -> list[Check]:
    """Look at everything that the store needs of the server; never raises for what it finds."""
    database = Database(options)
    try:
        await database.connect()
    except SettingsError as error:
        return [_check("connection", Health.FAILED, _found(error), "fix the setting", error.setting)]
    except AssetryError as error:
        return [_check("connection", Health.FAILED, error.message, "start the server, or fix the URL", SETTING)]
    try:
        return [await _looked(name, look, database) for name, look in _LOOKS.items()]
    finally:
        await database.close()


Look = Callable[[Database], Awaitable[Check]]


async def _looked(name: str, look: Look, database: Database) -> Check:
    try:
        async with database.asked():
            return await look(database)
    except SettingsError as error:
        return _check(name, Health.FAILED, _found(error), "fix what it says", error.setting)
    except AssetryError as error:
        return _check(name, Health.FAILED, error.message, "see that the replica set is whole, and the account's rights")


def _found(error: SettingsError) -> str:
    return error.message.removeprefix(f"{error.setting}: ")


async def _version(database: Database) -> Check:
    numbers = database.version.split(".")
    if not all(number.isdigit() for number in numbers[:2]):
        return _check("version", Health.WARNING, database.version, "it names no version: use MongoDB 5.0 or later")
    if tuple(int(number) for number in numbers[:2]) < OLDEST:
        return _check("version", Health.FAILED, database.version, "upgrade to MongoDB 5.0 or later")
    return _check("version", Health.OK, database.version)


async def _replica_set(database: Database) -> Check:
    hello = await database.client.admin.command("hello")
    if hello.get("msg") == "isdbgrid":
        return _check("replica set", Health.OK, "a sharded cluster")
    name = hello.get("setName")
    if name is None:
        words = "the server is in no replica set"
        return _check("replica set", Health.WARNING, words, "start it with --replSet; a set of one will do", SETTING)
    hosts = hello.get("hosts", [])
    arbiters = hello.get("arbiters", [])
    found = f"{name}, {len(hosts)} with data" + (f", {len(arbiters)} arbiters" if arbiters else "")
    if arbiters:
        fix = "replace the arbiter: while a member is down no majority confirms writes, and change streams stand still"
        return _check("replica set", Health.WARNING, found, fix)
    return _check("replica set", Health.OK, found)


async def _change_streams(database: Database) -> Check:
    streams = Streams(database, tuple(KINDS), 1)
    try:
        await streams.open(None)
    except PyMongoError as error:
        wrong = settings_error(error)
        found = _found(wrong) if isinstance(wrong, SettingsError) else wrong.message
        return _check("change streams", Health.FAILED, found, "they need a replica set and the role readWrite", SETTING)
    finally:
        await streams.close()
    return _check("change streams", Health.OK, "open")


async def _majority(database: Database) -> Check:
    begun = time.monotonic()
    await database.collection(COUNTERS).update_one({"_id": "assetry.doctor"}, {"$inc": {"last": 1}}, upsert=True)
    return _check("majority write", Health.OK, f"confirmed in {(time.monotonic() - begun) * 1000:.0f} ms")


async def _permissions(database: Database) -> Check:
    status = await database.client.admin.command({"connectionStatus": 1, "showPrivileges": True})
    granted = status.get("authInfo", {})
    if not granted.get("authenticatedUsers"):
        return _check("permissions", Health.OK, "the server asks for no account")
    missing = missing_actions(granted.get("authenticatedUserPrivileges", ()), database.options.database)
    if missing:
        fix = f"grant the user readWrite and dbAdmin on {database.options.database}"
        return _check("permissions", Health.FAILED, f"may not {', '.join(missing)}", fix, SETTING)
    return _check("permissions", Health.OK, "all that is needed")


def missing_actions(privileges: Sequence[Mapping[str, Any]], database: str) -> list[str]:
    """Return what an account may not do in a database, of :data:`ACTIONS`."""
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
        fix = "let the user read the database local to see it (optional), or ask the server's operator"
        return _check("oplog window", Health.WARNING, "cannot be seen", fix)
    if hours < WINDOW_HOURS:
        fix = "raise the oplog's size (replSetResizeOplog): an indexer that stands longer must compare everything"
        return _check("oplog window", Health.WARNING, f"{hours:.1f} h (a young server's grows)", fix)
    return _check("oplog window", Health.OK, f"{hours:.0f} h")


async def _clock(database: Database) -> Check:
    begun = datetime.now(UTC)
    hello = await database.client.admin.command("hello")
    middle = begun + (datetime.now(UTC) - begun) / 2
    apart = abs((hello["localTime"].replace(tzinfo=UTC) - middle).total_seconds())
    if apart > CLOCK_SECONDS:
        return _check("clock", Health.WARNING, f"{apart:.1f} s from the server's", "set both by NTP")
    return _check("clock", Health.OK, f"{apart:.1f} s from the server's")


async def _set_up(database: Database) -> Check:
    steps = await plan(database.options)
    if steps:
        first = f"{steps[0].action} {steps[0].collection} {steps[0].detail}".rstrip()
        return _check("set up", Health.FAILED, f"{len(steps)} steps are missing: {first} …", "run `assetry db init`")
    return _check("set up", Health.OK, f"{len(KINDS)} kinds")


_LOOKS: dict[str, Look] = {
    "version": _version,
    "replica set": _replica_set,
    "change streams": _change_streams,
    "majority write": _majority,
    "permissions": _permissions,
    "oplog window": _oplog,
    "clock": _clock,
    "set up": _set_up,
}
