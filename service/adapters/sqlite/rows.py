# ruff: noqa: S608 - the names in the statements are kinds, from Assetry's own table
"""Reading and writing record rows: what a write does within the writer's transaction."""

from __future__ import annotations

import sqlite3
from typing import Any

import orjson

from service.adapters.shared.bodies import applied, check_indexed, dump, lookup
from service.adapters.sqlite.schema import index_name
from service.errors import AlreadyExists, Conflict, NotFound
from service.ports.store import KINDS, MARKER, Body, Change, Record

Row = tuple[Any, ...]


def record(kind: str, row: Row) -> Record:
    """Return the record of a row (key, rev, tombstone, updated_at, body, …)."""
    return Record(kind, row[0], row[1], orjson.loads(row[4]), row[3], bool(row[2]))


def insert(connection: sqlite3.Connection, kind: str, key: str, text: bytes, now: str) -> Record:
    """Insert a validated body. Raises AlreadyExists; then nothing was written."""
    body: Body = orjson.loads(text)
    values = (key, now, body.get("org_id"), text.decode())
    try:
        connection.execute(
            f'INSERT INTO "{kind}" (key, rev, tombstone, updated_at, org_id, body) VALUES (?, 1, 0, ?, ?, ?)',
            values,
        )
    except sqlite3.IntegrityError as error:
        raise _collision(error, kind, key, body) from error
    log_change(connection, kind, key)
    return Record(kind, key, 1, body, now)


def update(
    connection: sqlite3.Connection, kind: str, key: str, change: Change, expected_rev: int | None, now: str
) -> Record:
    """Apply a change. Raises NotFound, Conflict, AlreadyExists, InvalidInput; then nothing was written."""
    before = _current(connection, kind, key, expected_rev)
    body = applied(before.body, change)
    check_indexed(body, KINDS[kind])
    text = dump(body, kind=kind).decode()
    after = Record(kind, key, before.rev + 1, orjson.loads(text), now)
    try:
        connection.execute(
            f'UPDATE "{kind}" SET rev = ?, updated_at = ?, org_id = ?, body = ? WHERE key = ?',
            (after.rev, now, after.org_id, text, key),
        )
    except sqlite3.IntegrityError as error:
        raise _collision(error, kind, key, body) from error
    log_change(connection, kind, key)
    return after


def remove(
    connection: sqlite3.Connection, kind: str, key: str, rest: Body, expected_rev: int | None, now: str
) -> Record:
    """Replace a record with a tombstone. Raises NotFound, Conflict."""
    before = _current(connection, kind, key, expected_rev)
    body: Body = rest if before.org_id is None else {"org_id": before.org_id, **rest}
    connection.execute(
        f'UPDATE "{kind}" SET rev = ?, tombstone = 1, updated_at = ?, body = ? WHERE key = ?',
        (before.rev + 1, now, orjson.dumps(body).decode(), key),
    )
    log_change(connection, kind, key)
    return Record(kind, key, before.rev + 1, body, now, tombstone=True)


def discard(connection: sqlite3.Connection, kind: str, keys: list[str]) -> None:
    """Drop records and their rows in the change log.

    A place in the log is never given twice, or a feed would take new writes for seen: so the barrier's row moves behind
    all others first.
    """
    mark(connection)
    gone = orjson.dumps(keys).decode()
    connection.execute(f'DELETE FROM "{kind}" WHERE key IN (SELECT value FROM json_each(?))', (gone,))
    connection.execute("DELETE FROM changes WHERE kind = ? AND key IN (SELECT value FROM json_each(?))", (kind, gone))


def log_change(connection: sqlite3.Connection, kind: str, key: str) -> int:
    """Move a record to the end of the change log and return its position there."""
    row = connection.execute(
        "INSERT INTO changes (kind, key, seq) VALUES (?, ?, (SELECT ifnull(max(seq), 0) + 1 FROM changes))"
        " ON CONFLICT (kind, key) DO UPDATE SET seq = excluded.seq RETURNING seq",
        (kind, key),
    ).fetchone()
    return int(row[0])


def mark(connection: sqlite3.Connection) -> int:
    """Write the barrier's marker and return its position in the change log."""
    return log_change(connection, MARKER, "barrier")


def reserve(connection: sqlite3.Connection, name: str, block: int) -> int:
    """Reserve ``block`` numbers of a counter and return the first."""
    row = connection.execute(
        "INSERT INTO counters VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET last = last + ?2 RETURNING last",
        (name, block),
    ).fetchone()
    return int(row[0]) - block + 1


def _current(connection: sqlite3.Connection, kind: str, key: str, expected_rev: int | None) -> Record:
    row = connection.execute(
        f'SELECT key, rev, tombstone, updated_at, body FROM "{kind}" WHERE key = ? AND tombstone = 0',
        (key,),
    ).fetchone()
    if row is None:
        raise NotFound(kind, key)
    found = record(kind, row)
    if expected_rev is not None and found.rev != expected_rev:
        raise Conflict(kind, key, expected=expected_rev, rev=found.rev)
    return found


def _collision(error: sqlite3.IntegrityError, kind: str, key: str, body: Body) -> Exception:
    if error.sqlite_errorname == "SQLITE_CONSTRAINT_PRIMARYKEY":
        return AlreadyExists(kind, "key", key)
    for index in KINDS[kind]:
        if f"'{index_name(kind, index)}'" in str(error):
            return AlreadyExists(kind, index.name, lookup(body, index.paths[-1]))
    return error
