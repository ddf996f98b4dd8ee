"""The SQLite file: connections, tables, indexes, and their version.

Each kind has a table; the expression indexes are created from :data:`service.ports.store.KINDS`. ``changes`` is the
change log, compacted: it has one row per record, and every write moves the record's row to the next ``seq``. So the
feed never loses history and never grows beyond the number of records.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from service.adapters.shared.bodies import check_path
from service.adapters.sqlite.errors import code_of
from service.errors import SettingsError, Unavailable
from service.ports.store import KINDS, Index

APPLICATION_ID = 0x41535452
"""``ASTR``: identifies the file as Assetry's (PRAGMA application_id)."""

SCHEMA_VERSION = 1
"""The version of the layout that this code reads and writes (PRAGMA user_version)."""

OLDEST_SQLITE = (3, 38, 0)
"""The first version that always includes the JSON functions."""

BUSY_SECONDS = 5.0
"""How long a connection waits for another process's lock."""

_PRAGMAS = (
    "synchronous = FULL",  # a commit returns when it is on disk
    "fullfsync = ON",  # on macOS a plain fsync does not reach the disk
    "cache_size = -2000",  # 2 MB per connection: the operating system caches the file for all of them
)
_WRITER_PRAGMA = "journal_size_limit = 67108864"  # 64 MiB: a longer log is truncated
_READER_PRAGMA = "query_only = ON"

_TABLES = (
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS changes
    (kind TEXT NOT NULL, key TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID""",
    "CREATE UNIQUE INDEX IF NOT EXISTS changes_seq ON changes (seq)",
)


def connect(path: Path, *, writer: bool) -> sqlite3.Connection:
    """Open a connection in autocommit mode; transactions are begun explicitly.

    Raises SettingsError when the file is not a database.
    """
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        for pragma in (*_PRAGMAS, _WRITER_PRAGMA if writer else _READER_PRAGMA):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.DatabaseError as error:
        connection.close()
        if code_of(error) == "SQLITE_NOTADB":
            raise SettingsError("--data", f"{path} is not a SQLite database: choose another folder.") from error
        raise
    return connection


def prepare(connection: sqlite3.Connection, path: Path, database: str) -> str:
    """Create or check the schema and return the database's id (``database`` if it is new).

    Raises:
        SettingsError: the file is not Assetry's, was written by a newer version, or violates a unique index.
        Unavailable: another process holds a lock on it.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise SettingsError("sqlite3", f"SQLite {sqlite3.sqlite_version} is too old: install 3.38 or later.")
    _check_owner(connection, path)
    _enter_wal(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in (*_TABLES, *map(table_sql, KINDS)):
            connection.execute(statement)
        _sync_indexes(connection, path)
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('database', ?)", (database,))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        row = connection.execute("SELECT value FROM meta WHERE name = 'database'").fetchone()
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return str(row[0])


def table_sql(kind: str) -> str:
    """Return the statement that creates a kind's table.

    ``body`` is the last column, so that the others can be read without it.
    """
    return (
        f'CREATE TABLE IF NOT EXISTS "{kind}" (key TEXT NOT NULL PRIMARY KEY, rev INTEGER NOT NULL,'
        " tombstone INTEGER NOT NULL DEFAULT 0, updated_at TEXT NOT NULL, org_id TEXT, body TEXT NOT NULL)"
    )


def column(path: str) -> str:
    """Return the SQL expression of a dotted path. Raises ValueError for a malformed path."""
    return "org_id" if path == "org_id" else f"json_extract(body, '{json_path(path)}')"


def json_path(path: str) -> str:
    """Return SQLite's JSON path for a dotted path: ``a.b`` → ``$."a"."b"``."""
    return "$" + "".join(f'."{name}"' for name in check_path(path).split("."))


def index_sql(kind: str, index: Index) -> str:
    """Return the statement that creates an index.

    A unique index starts with its last path, and treats absent leading values as equal, as MongoDB does (in SQLite two
    NULLs differ); others end with the key, so that a page in their order needs no sort.
    """
    name = index_name(kind, index)
    if not index.unique:
        columns = ", ".join([*map(column, index.paths), "key"])
        return f'CREATE INDEX "{name}" ON "{kind}" ({columns}) WHERE tombstone = 0'
    *leading, last = map(column, index.paths)
    columns = ", ".join([last, *(f"ifnull({item}, '')" for item in leading)])
    return f'CREATE UNIQUE INDEX "{name}" ON "{kind}" ({columns}) WHERE tombstone = 0 AND {last} IS NOT NULL'


def org_index_sql(kind: str) -> str:
    """Return the statement that creates a kind's index by organization and key: its pages need no sort."""
    return f'CREATE INDEX "{kind}:" ON "{kind}" (org_id, key) WHERE tombstone = 0'


def index_name(kind: str, index: Index) -> str:
    """Return an index's name in the database, where names are global."""
    return f"{kind}:{index.name}"


def _check_owner(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if owner != APPLICATION_ID and tables:
        raise SettingsError("--data", f"{path} belongs to another program: choose another folder.")
    if version > SCHEMA_VERSION:
        raise SettingsError(
            "--data",
            f"{path} was written by a newer version of Assetry (schema {version}; this one supports {SCHEMA_VERSION}):"
            " upgrade Assetry, or choose another folder.",
        )


def _enter_wal(connection: sqlite3.Connection) -> None:
    # Leaving another journal mode needs an exclusive lock, for which SQLite does not always wait by itself.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if code_of(error) != "SQLITE_BUSY" or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
            continue
        if mode != "wal":
            raise Unavailable("store", "the file system does not support SQLite's write-ahead log")
        return


def _sync_indexes(connection: sqlite3.Connection, path: Path) -> None:
    wanted = {index_name(kind, index): index_sql(kind, index) for kind, indexes in KINDS.items() for index in indexes}
    wanted |= {f"{kind}:": org_index_sql(kind) for kind in KINDS}
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND name LIKE '%:%'")
    present = dict(rows.fetchall())
    for name in present.keys() - wanted.keys():
        connection.execute(f'DROP INDEX "{name}"')
    for name, statement in wanted.items():
        if present.get(name) == statement:
            continue
        connection.execute(f'DROP INDEX IF EXISTS "{name}"')
        try:
            connection.execute(statement)
        except sqlite3.IntegrityError as error:
            raise SettingsError(
                "--data", f"{path} contains duplicates, which the unique index {name} does not allow."
            ) from error
