"""Kill -9 at every step of following, building, reconciling and reindexing, under a client's writes: nothing is lost.

Run number n dies first at the step n of the table, so that as many runs as there are steps have been through all of
them; where it dies after that, how often, and who knows of whose death, is drawn by the seed. ``ASSETRY_FAULT_RUNS``
says how many runs the long test does, ``ASSETRY_FAULT_SEED`` at which it begins.
"""

from __future__ import annotations

import os
import sys
from itertools import cycle
from pathlib import Path

import pytest

from indexer.crash_points import CrashPoint
from tests.contracts.adapters import STORES
from tests.faults.indexing import Nursery
from tests.faults.runs import ORDER, lived_through
from tests.faults.unruly import Unruly

pytestmark = pytest.mark.processes

RUNS = int(os.environ.get("ASSETRY_FAULT_RUNS", len(ORDER)))
FIRST = int(os.environ.get("ASSETRY_FAULT_SEED", "0"))
REAL = "ASSETRY_TEST_OPENSEARCH_URL"
PRODUCTION = [kind for kind in STORES if kind != "mongodb-pymongo"]
"""The stores in turn: those that a service can be given."""


def test_every_step_has_its_runs() -> None:
    assert sorted(ORDER) == sorted(CrashPoint)


@pytest.mark.parametrize(
    "step", [CrashPoint.BATCH_ACKNOWLEDGED, CrashPoint.BUILD_PROMOTED, CrashPoint.RECONCILE_PAGE, CrashPoint.SWAPPED]
)
async def test_a_kill_at_a_step_loses_nothing(
    tmp_path: Path, processes: Nursery, engine: str, step: CrashPoint
) -> None:
    await lived_through(tmp_path / "run", processes, engine, ORDER.index(step))


@pytest.mark.soak
@pytest.mark.timeout(400)
@pytest.mark.parametrize("number", range(FIRST, FIRST + RUNS))
async def test_kills_at_all_steps_lose_nothing(
    tmp_path: Path, processes: Nursery, engine: str, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    hits = await lived_through(tmp_path / "run", processes, engine, number)
    with capsys.disabled():
        sys.stdout.write(f"run {number}: {len(hits)} kills, at {', '.join(hits)}\n")


@pytest.mark.parametrize("step", [CrashPoint.BATCH_READ, CrashPoint.SWAP_BEGINS])
async def test_a_bad_way_loses_nothing(tmp_path: Path, processes: Nursery, engine: str, step: CrashPoint) -> None:
    """Answers are lost, bulks come again after newer ones, documents are refused for now: while processes die, too."""
    async with Unruly(engine, seed=ORDER.index(step)).open() as way:
        await lived_through(tmp_path / "run", processes, engine, ORDER.index(step), way=way.url)
        assert way.met, "some requests met a fault"


@pytest.mark.soak
@pytest.mark.timeout(400)
@pytest.mark.parametrize("number", range(FIRST, FIRST + RUNS // 2))
async def test_bad_ways_lose_nothing(
    tmp_path: Path, processes: Nursery, engine: str, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    async with Unruly(engine, seed=number).open() as way:
        hits = await lived_through(tmp_path / "run", processes, engine, number, way=way.url)
    with capsys.disabled():
        sys.stdout.write(f"run {number}: {dict(way.met)}, {len(hits)} kills, at {', '.join(hits)}\n")


@pytest.mark.engines
@pytest.mark.soak
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("kind", "number"), list(zip(cycle(PRODUCTION), range(FIRST, FIRST + len(ORDER), 3), strict=False))
)
async def test_kills_lose_nothing_on_real_engines(tmp_path: Path, processes: Nursery, kind: str, number: int) -> None:
    if REAL not in os.environ:
        pytest.skip(f"{REAL} is not set")
    await lived_through(tmp_path / "run", processes, os.environ[REAL], number, kind)
