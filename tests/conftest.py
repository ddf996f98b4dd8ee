"""What holds for every test."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import settings

from scripts.enginelib.table import ENGINES
from tests.support import query_plans
from tests.support.examples import PROFILE

# The same examples in every run, so that a change is to blame for what it breaks: a share of them, or with
# HYPOTHESIS_PROFILE=thorough all of them; HYPOTHESIS_PROFILE=explore looks for new ones. No database, which workers
# would share.
settings.register_profile("same", derandomize=True, database=None)
settings.register_profile("thorough", settings.get_profile("same"))
settings.register_profile("explore", max_examples=1000)
settings.load_profile(PROFILE)

# A shell that starts the run in the background has it ignore Ctrl-C, and so would all the processes that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

TESTS = Path(__file__).resolve().parent
REAL_ADAPTERS = {"mongodb", "mongodb-pymongo", "s3", "arq", "opensearch"}
"""What the tables of `tests/contracts` call the adapters of real engines."""


def pytest_report_header() -> list[str]:
    """Name the engines of the run with their versions, and say how to have those that it lacks."""
    given = {name: os.environ[engine.variable] for name, engine in ENGINES.items() if engine.variable in os.environ}
    if not given:
        return [f"engines: embedded (SQLite {sqlite3.sqlite_version}, osmem {version('osmem-server')})"]
    return [
        f"{name}: {engine.about(given[name])}"
        if name in given
        else f"{name}: none, its tests are left out or skipped (./scripts/engines up {name} says what it lacks)"
        for name, engine in ENGINES.items()
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """In a run on real engines, mark with `engines` what runs on them: so that `-m engines` is all of it."""
    if os.environ.get("ASSETRY_TEST_ENGINES", "embedded") == "embedded":
        return
    for item in items:
        folder = item.path.parent.relative_to(TESTS).as_posix()
        if folder == "api" or (folder == "contracts" and _adapters(item) & REAL_ADAPTERS):
            item.add_marker("engines")


def _adapters(item: pytest.Item) -> set[str]:
    callspec = getattr(item, "callspec", None)
    return set() if callspec is None else {value for value in callspec.params.values() if isinstance(value, str)}


@pytest.fixture(scope="session", autouse=True)
def _planned() -> Iterator[None]:
    with query_plans.planned():
        yield


@pytest.fixture(autouse=True)
def _no_whole_tables(request: pytest.FixtureRequest) -> Iterator[None]:
    """Refuse statements to a SQLite store that read or sort a whole table."""
    yield
    faults, query_plans.PLANS.faults = query_plans.PLANS.faults, []
    if faults and request.node.get_closest_marker("any_query") is None:
        pytest.fail("\n".join(faults))
