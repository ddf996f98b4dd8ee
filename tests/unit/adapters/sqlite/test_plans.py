from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.adapters.sqlite.schema import connect, prepare
from tests.support.query_plans import fault


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = connect(tmp_path / "store.sqlite", writer=True)
    prepare(connection, tmp_path / "store.sqlite", "id")
    yield connection
    connection.close()


LIVE = "SELECT body, key FROM asset WHERE tombstone = 0 AND"
TITLE = "json_extract(body, '$.\"title\"') = 'x'"

REFUSED = {
    "SELECT kind, seq FROM changes WHERE seq > 7 AND kind IN ('asset', 'marker') ORDER BY seq LIMIT 9": "sorts all",
    "SELECT count(*) FROM asset WHERE tombstone = 0": "reads a whole table",
    "SELECT count(*) FROM asset WHERE tombstone = 0 AND json_extract(body, '$.\"guid\"') <> 'x'": "reads a whole table",
    f"{LIVE} {TITLE} AND TRUE ORDER BY key LIMIT 9": "reads a whole table",
    f"{LIVE} (org_id = 'o') AND {TITLE} AND TRUE ORDER BY key LIMIT 9": "looks at each record",
    f"{LIVE} (org_id = 'o') AND TRUE ORDER BY updated_at LIMIT 9": "sorts all",
    "DELETE FROM many_asset WHERE path NOT IN ('tags')": "reads a whole table",
}


@pytest.mark.parametrize("statement", REFUSED)
def test_what_reads_or_sorts_a_whole_table_is_seen(connection: sqlite3.Connection, statement: str) -> None:
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
    found = fault(statement, plan)
    assert found is not None, plan
    assert REFUSED[statement] in found
