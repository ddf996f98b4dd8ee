from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from service.adapters.shared.pages import Cursor, read_cursor, write_cursor
from service.adapters.sqlite.query import page_sql
from service.adapters.sqlite.schema import connect, drop_entries_sql, many_triggers_sql, prepare
from service.ports.store import KINDS, Condition, In, Index, Order, Range


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = connect(tmp_path / "store.sqlite", writer=True)
    prepare(connection, tmp_path / "store.sqlite", "id")
    yield connection
    connection.close()


def plan(
    connection: sqlite3.Connection,
    kind: str,
    where: Mapping[str, Condition],
    order: Order | None = None,
    cursor: Cursor | None = None,
) -> list[str]:
    """Return the engine's plan of each statement of a page, its steps joined."""
    statements = page_sql(kind, where, order, cursor)
    explained = [connection.execute(f"EXPLAIN QUERY PLAN {sql.text}", (*sql.values, 10)) for sql in statements]
    return ["; ".join(row[3] for row in rows) for rows in explained]


@pytest.mark.parametrize(
    ("kind", "index"),
    [(kind, index) for kind, indexes in KINDS.items() for index in indexes if not index.many],
    ids=str,
)
def test_every_index_serves_a_search_by_its_paths(connection: sqlite3.Connection, kind: str, index: Index) -> None:
    # That by organization and key serves as well, and unique values are asked for one at a time.
    name = "" if index.unique or index.paths == ("org_id",) else index.name
    for condition in ("x", In(["x", "y"])):
        steps = plan(connection, kind, dict.fromkeys(index.paths[:-1], "o") | {index.paths[-1]: condition})
        assert len(steps) == 1
        assert f"USING INDEX {kind}:{name}" in steps[0], steps
        assert "SCAN" not in steps[0].replace("SCAN json_each", ""), steps


ROWS = "SEARCH many_asset USING PRIMARY KEY (path=? AND type=? AND value=? AND org=?"
MANY: list[tuple[Mapping[str, Condition], Cursor | None, list[str]]] = [
    # One value is a walk along its rows from a point, without a sort; the record of each is one search.
    ({"org_id": "o", "tags": "x"}, None, [f"{ROWS})", "SEARCH asset USING INDEX asset: (org_id=? AND key=?)"]),
    ({"org_id": "o", "tags": "x"}, Cursor(None, "k"), [f"{ROWS} AND owner>?)", "SEARCH asset"]),
    ({"tags": "x"}, None, ["SEARCH many_asset USING PRIMARY KEY (path=? AND type=? AND value=?)", "SEARCH asset"]),
    ({"org_id": "o", "tags": In(["x", "y"])}, None, ["SEARCH asset USING INDEX asset: (org_id=? AND key=?)", ROWS]),
    ({"org_id": "o", "tags": "x", "collections": "c"}, None, [ROWS, "SEARCH asset", f"{ROWS} AND owner=?)"]),
]


@pytest.mark.parametrize(("where", "cursor", "steps"), MANY, ids=str)
def test_many_values_are_searched_and_never_scanned(
    connection: sqlite3.Connection, where: Mapping[str, Condition], cursor: Cursor | None, steps: list[str]
) -> None:
    (found,) = plan(connection, "asset", where, None, cursor)
    assert [step for step in steps if step not in found] == []
    assert "SCAN" not in found.replace("SCAN CONSTANT ROW", "")
    assert ("TEMP B-TREE FOR ORDER BY" in found) == (len(where) == 1 or isinstance(where["tags"], In))


def test_the_rows_of_a_record_that_changes_are_searched(connection: sqlite3.Connection) -> None:
    statement = drop_entries_sql("asset", "tags", "old")
    assert statement in many_triggers_sql("asset", "tags")["asset:tags:update"]
    old = """(SELECT 'k' AS key, 'o' AS org_id, '{"tags": ["x"]}' AS body)"""
    for name, value in {"old.body": "body", "old.org_id": "org_id", "old.key": "key"}.items():
        statement = statement.replace(name, f"(SELECT {value} FROM {old})")
    steps = "; ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}"))
    assert "SEARCH many_asset USING PRIMARY KEY (path=? AND type=? AND value=? AND org=? AND owner=?)" in steps


ORDERED: list[tuple[str, Mapping[str, Condition], Order | None, Cursor | None]] = [
    ("asset", {}, None, None),
    ("asset", {}, None, Cursor(None, "k")),
    ("asset", {"org_id": "o"}, None, None),
    ("asset", {"org_id": "o"}, None, Cursor(None, "k")),
    ("asset", {"org_id": "o"}, Order("created_at"), None),
    ("asset", {"org_id": "o"}, Order("created_at"), Cursor("2024", "k")),
    ("asset", {"org_id": "o"}, Order("created_at"), Cursor(None, "k")),
    ("operation", {"status": "queued"}, Order("run_after"), None),
    ("operation", {"status": "queued", "run_after": Range(lte="2024")}, Order("run_after"), None),
    ("operation", {"status": "queued", "type": "t", "run_after": Range(lte="2024")}, Order("run_after"), None),
    ("operation", {"status": "queued", "type": "t", "org_id": Range(gt="o")}, Order("org_id"), None),
    ("operation", {"type": "t", "org_id": "o", "run_after": Range(lte="2024")}, Order("run_after"), None),
    ("operation", {"expires_at": Range(lte="2024")}, Order("expires_at"), None),
]


@pytest.mark.parametrize(("kind", "where", "order", "cursor"), ORDERED, ids=str)
def test_a_page_in_an_indexed_order_is_a_walk(
    connection: sqlite3.Connection,
    kind: str,
    where: Mapping[str, Condition],
    order: Order | None,
    cursor: Cursor | None,
) -> None:
    for steps in plan(connection, kind, where, order, cursor):
        assert "USING INDEX" in steps
        assert "TEMP B-TREE" not in steps, steps


@pytest.mark.parametrize("value", [None, 0, -1.5, 2**63 - 1, "", "é", "2024-01-01", True])
@pytest.mark.parametrize("order", [None, Order("a.b"), Order("a.b", descending=True)])
def test_a_cursor_comes_back(order: Order | None, value: object) -> None:
    text = write_cursor(order, Cursor(value, "asset_1"))
    assert read_cursor(order, text) == Cursor(value, "asset_1")
    assert text.replace("-", "").replace("_", "").isalnum()
    assert read_cursor(order, None) is None
