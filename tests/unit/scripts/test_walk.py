"""``scripts/walk``: what counts as passed by a request, and that the page's tables are what it prints."""

from __future__ import annotations

import asyncio
import json
import queue
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scripts.walk_trace import Function, Part, Seen, Tracer, follow_work_into_threads, within
from tests.support.how_to import ROOT
from tests.unit.docs.test_paths import walk_table

PROJECT = """
import asyncio

def same():
    return 1

def only_with_work():
    return 2

def helper():
    return 3

class Loop:
    async def run(self, work):
        for given in work:
            same()
            if given:
                only_with_work()
            await asyncio.sleep(0)

async def answer():
    helper()
    await asyncio.get_running_loop().run_in_executor(None, in_a_thread)
    return [twice(number) for number in (1, 2)], (lambda: 0)()

def twice(number):
    return number * 2

def in_a_thread():
    same()
"""


@pytest.fixture
def project(tmp_path: Path) -> dict[str, object]:
    """Compile a little project of one file as if it lay in a tree."""
    names: dict[str, object] = {}
    exec(compile(PROJECT, str(tmp_path / "service" / "one.py"), "exec"), names)
    return names


def names_of(functions: list[Function]) -> list[str]:
    return [function.name for function in functions]


def test_a_walk_is_what_the_request_runs_and_the_loops_that_do_something_for_it(
    tmp_path: Path, project: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "SimpleQueue", queue.SimpleQueue)  # is put back after the test
    answer, loop = project["answer"], project["Loop"]

    async def traced() -> tuple[Seen, Seen, Seen, Seen]:
        tracer = Tracer(tmp_path)
        tracer.install()
        follow_work_into_threads(tracer)
        idle = await tracer.watch(loop().run([0, 0]))  # type: ignore[operator]
        still = await tracer.watch(loop().run([0]))  # type: ignore[operator]
        busy = await tracer.watch(loop().run([0, 1]))  # type: ignore[operator]
        request = await tracer.watch(within(Part.WALK, answer()))  # type: ignore[operator]
        beside = await tracer.watch(within(Part.BESIDE, answer()))  # type: ignore[operator]
        assert (beside.own.functions, dict(beside.groups)) == ({}, {})
        return idle, still, busy, request

    before, before_in_threads = sys.gettrace(), threading.gettrace()
    try:
        idle, still, busy, request = asyncio.run(traced())
    finally:
        sys.settrace(before)
        threading.settrace(before_in_threads)
    assert names_of(still.counted(idle)) == []
    assert names_of(busy.counted(idle)) == ["Loop.run", "same", "only_with_work"]
    assert names_of(request.counted(idle)) == ["answer", "helper", "in_a_thread", "same", "twice"]


@pytest.mark.processes
def test_the_tables_of_the_page_have_the_files_that_the_script_finds() -> None:
    printed = subprocess.run(
        [sys.executable, "scripts/walk_trace.py", "--json"], cwd=ROOT, capture_output=True, text=True, timeout=110
    )
    assert printed.returncode == 0, printed.stderr
    for name, walk in json.loads(printed.stdout).items():
        assert set(walk["walk"]) == set(walk_table(name)), f"the walk {name} has changed: run ./scripts/walk --update"
