from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from service.adapters.sqlite import schema
from service.adapters.sqlite.errors import translated
from service.adapters.sqlite.store import SqliteStore
from service.errors import AssetryError, SettingsError, TooLarge, Unavailable
from service.ports.clock import SystemClock
from service.ports.store import KINDS, Index


def store_at(path: Path) -> SqliteStore:
    return SqliteStore(path, SystemClock())


async def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    async with store_at(path) as store:
        await store.insert("asset", "a", {})
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(SettingsError) as caught:
        await store_at(path).open()
    assert caught.value.setting == "--data"
    assert "newer version" in caught.value.message


async def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(SettingsError, match="another program"):
        await store_at(path).open()
    assert path.read_bytes() == before


async def test_what_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(SettingsError, match="not a SQLite database"):
        await store_at(path).open()
    assert path.read_bytes() == b"not a database" * 1000


async def test_a_missing_folder_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be opened"):
        await store_at(tmp_path / "absent" / "store.sqlite").open()


async def test_a_locked_file_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.05)
    path = tmp_path / "store.sqlite"
    async with store_at(path) as store:
        await store.insert("asset", "a", {})
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked by another process"):
            await store.insert("asset", "b", {})
        with pytest.raises(Unavailable, match="locked by another process"):
            await store_at(path).open()
        assert (await store.get("asset", "a")).rev == 1  # readers go on
        connection.execute("ROLLBACK")
        connection.close()
        assert (await store.insert("asset", "b", {})).rev == 1


async def test_a_reader_in_the_way_of_the_first_opening_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.05)
    path = tmp_path / "store.sqlite"
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM sqlite_master").fetchall()
    with pytest.raises(Unavailable, match="locked by another process"):
        await store_at(path).open()
    monkeypatch.setattr(schema, "BUSY_SECONDS", 20.0)
    store = store_at(path)
    opening = asyncio.create_task(store.open())
    await asyncio.wait([opening], timeout=0.1)
    assert not opening.done()
    reader.execute("ROLLBACK")
    await opening
    await store.close()
    reader.close()


async def test_without_a_write_ahead_log_there_is_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # for the engine it is no file, for whoever makes files private it is
    with pytest.raises(Unavailable, match="write-ahead log"):
        await store_at(Path(":memory:")).open()


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("SQLITE_FULL", Unavailable, "disk is full"),
        ("SQLITE_IOERR_WRITE", Unavailable, "reading or writing the disk failed"),
        ("SQLITE_BUSY_SNAPSHOT", Unavailable, "locked"),
        ("SQLITE_CORRUPT_INDEX", Unavailable, "damaged"),
        ("SQLITE_READONLY_DBMOVED", Unavailable, "read-only"),
        ("SQLITE_TOOBIG", TooLarge, "maximum size"),
        ("SQLITE_ERROR", Unavailable, "reported an error"),
        (None, Unavailable, "reported an error"),
    ],
)
def test_the_engines_errors_in_our_words(name: str | None, kind: type[AssetryError], message: str) -> None:
    error = sqlite3.OperationalError("secret detail")
    if name is not None:
        error.sqlite_errorname = name
    ours = translated(error)
    assert type(ours) is kind
    assert message in ours.message
    assert "secret" not in ours.message


async def test_indexes_follow_the_table_of_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.sqlite"
    async with store_at(path) as store:
        await store.insert("backup", "a", {"org_id": "o", "asset_id": "1", "sha256": "x"})
        await store.insert("backup", "b", {"org_id": "o", "asset_id": "1", "sha256": "y"})
    indexes = (Index("asset", ("org_id", "asset_id")), Index("sha256", ("sha256",), unique=True))
    monkeypatch.setitem(KINDS, "backup", indexes)
    async with store_at(path) as store:
        with pytest.raises(AssetryError, match="sha256"):
            await store.insert("backup", "c", {"sha256": "x"})
    assert sqlite_names(path) >= {"backup:", "backup:asset", "backup:sha256"}
    monkeypatch.setitem(KINDS, "backup", ())
    async with store_at(path) as store:
        await store.insert("backup", "c", {"sha256": "x"})
    assert sqlite_names(path) & {"backup:asset", "backup:sha256"} == set()


async def test_a_new_unique_index_over_duplicates_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.sqlite"
    async with store_at(path) as store:
        await store.insert("backup", "a", {"sha256": "x"})
        await store.insert("backup", "b", {"sha256": "x"})
    monkeypatch.setitem(KINDS, "backup", (Index("one", ("sha256",), unique=True),))
    with pytest.raises(SettingsError, match="backup:one"):
        await store_at(path).open()
    monkeypatch.undo()
    async with store_at(path) as store:
        assert await store.count("backup", {}) == 2


def as_version_1(path: Path) -> None:
    """Make of a file what the release before indexes of many values left."""
    with sqlite3.connect(path) as connection:
        names = connection.execute("SELECT type, name FROM sqlite_master WHERE type = 'trigger' OR name LIKE 'many%'")
        for kind, name in names.fetchall():
            connection.execute(f'DROP {kind} "{name}"')
        connection.execute("PRAGMA user_version = 1")
    connection.close()


async def test_a_file_of_the_release_before_gets_its_many_values(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    async with store_at(path) as store:
        await store.insert("asset", "a", {"org_id": "o", "tags": ["x", "y"], "collections": ["c"]})
        await store.insert("asset", "b", {"org_id": "o", "tags": ["x"]})
        await store.insert("asset", "gone", {"org_id": "o", "tags": ["x"]})
        await store.remove("asset", "gone")
    as_version_1(path)
    for _ in range(2):  # twice is once
        async with store_at(path) as store:
            assert await store.count("asset", {"org_id": "o", "tags": "x"}) == 2
            assert await store.count("asset", {"org_id": "o", "tags": "y", "collections": "c"}) == 1
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (schema.SCHEMA_VERSION,)
        assert connection.execute("SELECT count(*) FROM many_asset").fetchone() == (4,)
    connection.close()


async def test_a_process_that_knows_no_many_values_keeps_them_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    async with store_at(path) as store:
        await store.insert("asset", "a", {"org_id": "o", "tags": ["x"]})
        with sqlite3.connect(path) as connection:
            connection.execute("""UPDATE asset SET rev = 2, body = '{"org_id": "o", "tags": ["y"]}' WHERE key = 'a'""")
        connection.close()
        assert await store.count("asset", {"tags": "x"}) == 0
        assert await store.count("asset", {"tags": "y"}) == 1


@pytest.mark.any_query
async def test_many_values_follow_the_table_of_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.sqlite"
    body = {"org_id": "o", "tags": ["x"], "collections": ["x"]}
    async with store_at(path) as store:
        await store.insert("asset", "a", body)
    kept = (Index("tags", ("org_id", "tags"), many=True),)
    monkeypatch.setitem(KINDS, "asset", kept)
    async with store_at(path) as store:
        assert await store.count("asset", {"tags": "x"}) == 1
        await store.insert("asset", "b", {"collections": {"not": "indexed"}})
    assert many_rows(path) == [("tags", "x", "a")]
    monkeypatch.setitem(KINDS, "asset", ())
    async with store_at(path) as store:
        await store.insert("asset", "c", body)
        assert await store.count("asset", {"tags": "x"}) == 2
    assert many_rows(path) == []
    monkeypatch.setitem(KINDS, "asset", kept)
    async with store_at(path) as store:
        assert await store.count("asset", {"tags": "x"}) == 2


def many_rows(path: Path) -> list[tuple[str, str, str]]:
    connection = sqlite3.connect(path)
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'many_asset'").fetchone()
    rows = connection.execute("SELECT path, value, owner FROM many_asset").fetchall() if there else []
    connection.close()
    return rows


def sqlite_names(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    connection.close()
    return names


async def test_the_file_is_durable_and_concurrent_by_its_settings(tmp_path: Path) -> None:
    async with store_at(tmp_path / "store.sqlite") as store:
        await store.ping()
    connection = schema.connect(tmp_path / "store.sqlite", writer=True)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert connection.execute("PRAGMA application_id").fetchone() == (schema.APPLICATION_ID,)
    connection.close()


async def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 37, 2))
    with pytest.raises(SettingsError, match="install 3"):
        await store_at(tmp_path / "store.sqlite").open()


async def test_a_store_that_is_not_open_is_unavailable(tmp_path: Path) -> None:
    store = store_at(tmp_path / "store.sqlite")
    await store.close()
    for _ in range(2):
        with pytest.raises(Unavailable):
            await store.get("asset", "a")
        with pytest.raises(Unavailable):
            await store.insert("asset", "a", {})
        with pytest.raises(Unavailable):
            store.changes(None, kinds=["asset"])
    await store.open()
    await store.close()
    with pytest.raises(Unavailable, match="closed"):
        await store.get("asset", "a")
    with pytest.raises(Unavailable, match="closed"):
        await store.insert("asset", "a", {})
