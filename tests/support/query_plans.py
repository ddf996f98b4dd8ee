"""How SQLite goes about each statement that the store sends: whole tables are neither read nor sorted.

Every connection of a store in a test's process asks for the plan of each statement that it has not met before. What
reads all of a table, or sorts it, or reads all of one organization or kind to look at its bodies, is a fault of the
test in which it was sent; so a new query joins without a line anywhere.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest import mock

from service.adapters.sqlite.schema import connect

ALLOWED: dict[str, str] = {
    r"FROM sqlite_master\b": "the schema has a few dozen rows",
    r"^SELECT value FROM meta$": "the table has one row",
    r"^SELECT \(SELECT count\(\*\) FROM \"\w+\"\) - ": "counts an index by its pages",
    r"^SELECT seq FROM changes INDEXED BY changes_seq WHERE kind IN \([?, ]+\) ORDER BY seq DESC LIMIT 1$": (
        "reads the log backwards to the first row of a kind that is written all the time"
    ),
    r'^INSERT OR IGNORE INTO "many_\w+" SELECT ': "fills a new index, once",
    r" WHERE tombstone = 0 AND (\(org_id = \?\) AND )?(TRUE|key > \?) ORDER BY key LIMIT \?$": (
        "a page of a walk in the order of keys"
    ),
    r"(json_extract\(body, '[^']+'\)) FROM \"\w+\" WHERE tombstone = 0 AND (\(org_id = \?\) AND )?"
    r"\1 (IS NOT NULL|[<>]= \? AND \([^()]*\(.*\)[^()]*\)) ORDER BY \1 (ASC|DESC), key LIMIT \?$": (
        "a page of a walk in the order of an index"
    ),
}
"""Statements whose plans look like a whole table, as patterns, and why they are not, or why they may be."""

_PLANNED = re.compile(r"\s*(SELECT|UPDATE|DELETE|INSERT|WITH)\b")
_SCAN = re.compile(r"SCAN (?!CONSTANT ROW)(?!.*VIRTUAL TABLE)")
_SORT = re.compile(r"USE TEMP B-TREE FOR ORDER BY|AUTOMATIC")
_FOUND = re.compile(r"SEARCH .*=\? AND .*\)$|SEARCH .*\(<expr>[=<>]+\?")
"""An index that has more to go by than an organization or a kind: what it finds may be sorted."""
_BROAD = re.compile(r"SEARCH \S+ USING .*\((org_id|kind|path)=\?\)$")
_FILTER = re.compile(r"json_(extract|type)\(body")


def fault(statement: str, plan: list[str]) -> str | None:
    """Return what is wrong with a statement's plan, the lines of EXPLAIN QUERY PLAN; None if nothing is."""
    if any(re.search(pattern, statement) for pattern in ALLOWED):
        return None
    for line in plan:
        if _SCAN.match(line):
            return f"reads a whole table: {line}"
        if _SORT.search(line) and not any(map(_FOUND.match, plan)):
            return f"sorts all that it finds: {line}"
        if _BROAD.match(line) and _FILTER.search(statement.partition(" WHERE ")[2]):
            return f"looks at each record of an organization or kind: {line}"
    return None


class Plans:
    """The plans of the statements that were sent so far, and the faults that no test has answered for yet."""

    def __init__(self) -> None:
        self.seen: dict[str, list[str]] = {}
        self.faults: list[str] = []

    def add(self, statement: str, plan: list[str]) -> None:
        """Note a statement that was not seen before."""
        self.seen[statement] = plan
        if (wrong := fault(statement, plan)) is not None:
            self.faults.append(f"{statement}\n  {wrong}")


PLANS = Plans()


class PlannedConnection(sqlite3.Connection):
    """Has each new statement planned before it runs."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Run a statement."""
        if sql not in PLANS.seen and _PLANNED.match(sql):
            try:
                rows = super().execute(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall()
            except sqlite3.Error:  # the statement itself says what is wrong
                return super().execute(sql, parameters)
            PLANS.add(sql, [row[3] for row in rows])
        return super().execute(sql, parameters)


@contextmanager
def planned() -> Iterator[None]:
    """Have the statements of all stores that are opened within planned."""
    with ExitStack() as stack:
        for module in ("readers", "store"):
            where = f"service.adapters.sqlite.{module}.connect"
            stack.enter_context(mock.patch(where, partial(connect, factory=PlannedConnection)))
        yield
