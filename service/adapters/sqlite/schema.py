# ruff: noqa: S608 - the names in the statements are kinds and checked paths, which are tables of ours
"""The SQLite file: connections, tables, indexes, and their version.

Each kind has a table; the expression indexes are created from :data:`service.ports.store.KINDS`. ``changes`` is the
change log, compacted: it has one row per record, and every write moves the record's row to the next ``seq``. So the
feed never loses history and never grows beyond the number of records.

The values of a kind's ``many`` indexes are rows of a separate table, ``many_<kind>``, which triggers maintain: so every
write maintains them in its own transaction, even one by a process of an older release that is still running.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from service.adapters.shared.bodies import check_path, many_paths
from service.adapters.shared.private_files import make_private_file
from service.adapters.sqlite.errors import code_of
from service.errors import SettingsError, Unavailable
from service.ports.store import KINDS, Index

APPLICATION_ID = 0x41535452
"""``ASTR``: identifies the file as Assetry's (PRAGMA application_id)."""

SCHEMA_VERSION = 2
"""The version of the layout that this code reads and writes (PRAGMA user_version): 2 has tables of ``many`` indexes."""

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


def connect(path: Path, *, writer: bool, factory: type[sqlite3.Connection] = sqlite3.Connection) -> sqlite3.Connection:
    """Open a connection, a ``factory``, in autocommit mode; transactions are begun explicitly.

    Raises SettingsError when the file is not a database.
    """
    if writer:
        with suppress(OSError):  # SQLite's own error says it better
            make_private_file(path)  # the files beside it (-wal, -shm) get its mode
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, factory=factory
    )
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
        for kind in KINDS:
            _sync_many(connection, kind)
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
        *leading, last = map(column, index.paths)
        columns = ", ".join([*leading, f"{last} DESC" if index.descending else last, "key"])
        return f'CREATE INDEX "{name}" ON "{kind}" ({columns}) WHERE tombstone = 0'
    *leading, last = map(column, index.paths)
    columns = ", ".join([last, *(f"ifnull({item}, '')" for item in leading)])
    return f'CREATE UNIQUE INDEX "{name}" ON "{kind}" ({columns}) WHERE tombstone = 0 AND {last} IS NOT NULL'


def org_index_sql(kind: str) -> str:
    """Return the statement that creates a kind's index by organization and key: its pages need no sort."""
    return f'CREATE INDEX "{kind}:" ON "{kind}" (org_id, key) WHERE tombstone = 0'


def tombstones_index_sql(kind: str) -> str:
    """Return the statement that creates a kind's index of tombstones, by which they are counted without their rows."""
    return f'CREATE INDEX "{kind}:tombstones" ON "{kind}" (tombstone) WHERE tombstone = 1'


def size_sql(kind: str) -> str:
    """Return the statement that counts a kind's live records.

    Counting those that are not tombstones would look at every row of the table, for the one column that says so. All
    rows are counted by the pages of the index of keys alone (20 ms for a million), and so are the tombstones.
    """
    return f'SELECT (SELECT count(*) FROM "{kind}") - (SELECT count(*) FROM "{kind}" WHERE tombstone = 1)'


def index_name(kind: str, index: Index) -> str:
    """Return an index's name in the database, where names are global."""
    return f"{kind}:{index.name}"


def many_table(kind: str) -> str:
    """Return the name of the table of a kind's ``many`` indexes."""
    return f"many_{kind}"


def many_table_sql(kind: str) -> str:
    """Return the statement that makes the table of a kind's ``many`` indexes: a row for each value of each record.

    ``type`` is text, number or bool, since SQLite takes true for 1; ``org`` is the empty text where there is none. The
    key is the index: of one value of one organization the records are in the order of their keys.
    """
    return (
        f'CREATE TABLE IF NOT EXISTS "{many_table(kind)}" (path TEXT NOT NULL, type TEXT NOT NULL, value NOT NULL,'
        " org TEXT NOT NULL, owner TEXT NOT NULL, PRIMARY KEY (path, type, value, org, owner)) WITHOUT ROWID"
    )


@dataclass(frozen=True, slots=True)
class _Values:
    """Where values of a path may be: expressions for one's type and itself, the list they are from, and its shape."""

    type: str
    value: str
    source: str
    shape: str


def _places(path: str, body: str) -> list[_Values]:
    """Return where the values of a dotted path of a body, an SQL expression, may be: through one list at most."""
    place = json_path(path)
    names = path.split(".")
    shape = f"json_type({body}, '{place}') <> 'object'"
    places = [_Values("item.type", "item.value", f"json_each({body}, '{place}') AS item", shape)]
    for length in range(1, len(names)):
        through, rest = json_path(".".join(names[:length])), json_path(".".join(names[length:]))
        kind, value = f"json_type(item.value, '{rest}')", f"json_extract(item.value, '{rest}')"
        shape = f"item.type = 'object' AND json_type({body}, '{through}') = 'array'"
        places.append(_Values(kind, value, f"json_each({body}, '{through}') AS item", shape))
    return places


def entries_sql(path: str, row: str, table: str = "") -> str:
    """Return a SELECT of a live record's rows in the table of ``many`` indexes, by the values that it has at a path.

    ``row`` names the record's row, and ``table`` where it is from, if it is not a trigger's.
    """
    source = f'"{table}" AS {row}, ' if table else ""
    return " UNION ALL ".join(
        f"SELECT '{path}', CASE {held.type} WHEN 'text' THEN 'text' WHEN 'integer' THEN 'number'"
        f" WHEN 'real' THEN 'number' ELSE 'bool' END, {held.value}, ifnull({row}.org_id, ''), {row}.key"
        f" FROM {source}{held.source} WHERE {held.shape}"
        f" AND {held.type} IN ('text', 'integer', 'real', 'true', 'false') AND {row}.tombstone = 0"
        for held in _places(path, f"{row}.body")
    )


def drop_entries_sql(kind: str, path: str, row: str) -> str:
    """Return the statement that deletes a record's rows of a path, each by a search of the whole key."""
    values = " UNION ALL ".join(f"SELECT {held.value} FROM {held.source}" for held in _places(path, f"{row}.body"))
    return (
        f"DELETE FROM \"{many_table(kind)}\" WHERE path = '{path}' AND type IN ('text', 'number', 'bool')"
        f" AND value IN ({values}) AND org = ifnull({row}.org_id, '') AND owner = {row}.key"
    )


def many_triggers_sql(kind: str, path: str) -> dict[str, str]:
    """Return the statements that make the triggers of a ``many`` index, by their names."""
    table, top = many_table(kind), json_path(path.split(".")[0])
    add = f'INSERT OR IGNORE INTO "{table}" {entries_sql(path, "new")}'
    drop = drop_entries_sql(kind, path, "old")
    changed = (
        "old.tombstone <> new.tombstone OR old.org_id IS NOT new.org_id"
        f" OR json_extract(old.body, '{top}') IS NOT json_extract(new.body, '{top}')"
    )
    made, updated = f"{kind}:{path}:insert", f"{kind}:{path}:update"
    return {
        made: f'CREATE TRIGGER "{made}" AFTER INSERT ON "{kind}" BEGIN {add}; END',
        updated: f'CREATE TRIGGER "{updated}" AFTER UPDATE ON "{kind}" WHEN {changed} BEGIN {drop}; {add}; END',
    }


def _sync_many(connection: sqlite3.Connection, kind: str) -> None:
    """Make the triggers and rows of a kind's ``many`` indexes what the table of kinds says."""
    paths = many_paths(KINDS[kind])
    wanted = {path: many_triggers_sql(kind, path) for path in paths}
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (kind,))
    present = dict(rows.fetchall())
    statements = {name: statement for triggers in wanted.values() for name, statement in triggers.items()}
    for name in present.keys() - statements.keys():
        connection.execute(f'DROP TRIGGER "{name}"')
    if not paths:
        connection.execute(f'DROP TABLE IF EXISTS "{many_table(kind)}"')
        return
    connection.execute(many_table_sql(kind))
    for path in _many_paths_present(connection, kind) - set(paths):
        connection.execute(f'DELETE FROM "{many_table(kind)}" WHERE path = ?', (path,))
    for path, triggers in wanted.items():
        if all(present.get(name) == statement for name, statement in triggers.items()):
            continue
        connection.execute(f'DELETE FROM "{many_table(kind)}" WHERE path = ?', (path,))
        for name, statement in triggers.items():
            connection.execute(f'DROP TRIGGER IF EXISTS "{name}"')
            connection.execute(statement)
        connection.execute(f'INSERT OR IGNORE INTO "{many_table(kind)}" {entries_sql(path, "record", kind)}')


def _many_paths_present(connection: sqlite3.Connection, kind: str) -> set[str]:
    """Return the paths in the table of ``many`` indexes: one search of the key for each, however many rows it has."""
    statement = f'SELECT path FROM "{many_table(kind)}" WHERE path > ? ORDER BY path LIMIT 1'
    found: set[str] = set()
    last = ""
    while row := connection.execute(statement, (last,)).fetchone():
        last = row[0]
        found.add(last)
    return found


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
    wanted = {
        index_name(kind, index): index_sql(kind, index)
        for kind, indexes in KINDS.items()
        for index in indexes
        if not index.many
    }
    for kind in KINDS:
        wanted |= {f"{kind}:": org_index_sql(kind), f"{kind}:tombstones": tombstones_index_sql(kind)}
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
