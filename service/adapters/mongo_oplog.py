"""How far back MongoDB's oplog reaches, so how long an indexer may stand."""

from __future__ import annotations

from pymongo.errors import PyMongoError

from service.adapters.mongo_client import Database
from service.adapters.mongo_errors import code_of, translated

_HIDDEN = (13, 20, 8000)
"""Unauthorized, IllegalOperation (the router of a sharded cluster knows no ``local``), AtlasError (a shared tier)."""


async def oplog_hours(database: Database) -> float | None:
    """Return the hours between the oldest and the newest entry, None where ``local`` can not be read.

    Raises what :func:`service.adapters.mongo_errors.translated` makes of an outage.
    """
    oplog = database.client.get_database("local")["oplog.rs"]
    limit = database.options.milliseconds
    try:
        first = await oplog.find_one({}, {"ts": 1}, sort=[("$natural", 1)], max_time_ms=limit)
        last = await oplog.find_one({}, {"ts": 1}, sort=[("$natural", -1)], max_time_ms=limit)
    except PyMongoError as error:
        if code_of(error) not in _HIDDEN:
            raise translated(error) from error
        return None
    if first is None or last is None:
        return None
    return float(last["ts"].time - first["ts"].time) / 3600
