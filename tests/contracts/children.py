"""Processes of their own that use an adapter: ``python -m tests.contracts.children STORE PLACE COMMAND ARGUMENT…``.

Each prints a line for every step that it was told is done, so that a test knows what must be there when it is killed.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from service.errors import AlreadyExists
from service.ports.jobs import Progress
from service.ports.store import Body, Record, Store
from tests.contracts.adapters import JOBS, STORES

ROOT = Path(__file__).parents[2]


@contextmanager
def child(store: str, place: Path, *command: str) -> Iterator[subprocess.Popen[str]]:
    """Run a child while the context lasts; it is killed at the end."""
    arguments = [sys.executable, "-m", "tests.contracts.children", store, str(place), *command]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> Iterator[str]:
    """Yield the child's lines until its end, whole ones only (a killed child may leave half a line)."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.endswith("\n"):
            yield line.rstrip("\n")


def say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def insert(store: Store, prefix: str, times: str) -> None:
    """Insert assets ``<prefix>0``, ``<prefix>1`` … one after the other."""
    for number in range(int(times)):
        await store.insert("asset", f"{prefix}{number}", {"org_id": "o", "guid": f"{prefix}{number}"})
        say(f"{prefix}{number}")


async def insert_for_ever(store: Store) -> None:
    """Insert and change assets from eight tasks until killed; a line is ``<key> <rev>``."""
    numbers = count()

    async def work() -> None:
        for number in numbers:
            record = await store.insert("asset", f"k{number}", {"org_id": "o", "guid": f"k{number}", "pad": "x" * 500})
            say(f"{record.key} {record.rev}")

    await asyncio.gather(*(work() for _ in range(8)))


async def reserve(store: Store, block: str, times: str) -> None:
    for _ in range(int(times)):
        say(await store.counter("number", int(block)))


async def run_job(store: Store, jobs_name: str) -> None:
    """Begin every operation and never end it."""
    async with JOBS[jobs_name](store) as jobs:

        async def begun(operation: Record, _: Progress) -> Body:
            say(operation.key)
            await asyncio.get_running_loop().create_future()
            return {}

        jobs.register("test", begun)
        await jobs.start()
        await asyncio.get_running_loop().create_future()


async def work(store: Store, jobs_name: str, end: str = "end") -> None:
    """Run operations, each of which makes one asset, until killed; a line is an operation whose asset is there.

    With ``end`` something else no run ever ends.
    """
    async with JOBS[jobs_name](store) as jobs:

        async def make(operation: Record, _: Progress) -> Body:
            with suppress(AlreadyExists):  # it was made by a run that was killed
                await store.insert("asset", operation.key, {"org_id": "o", "guid": operation.key})
            say(operation.key)
            if end != "end":
                await asyncio.get_running_loop().create_future()
            return {"made": operation.key}

        jobs.register("test", make)
        await jobs.start()
        await asyncio.get_running_loop().create_future()


COMMANDS: dict[str, Callable[..., Awaitable[None]]] = {
    "insert": insert,
    "insert_for_ever": insert_for_ever,
    "reserve": reserve,
    "run_job": run_job,
    "work": work,
}


async def main(name: str, place: str, command: str, *arguments: str) -> None:
    async with STORES[name](Path(place)) as store:
        await COMMANDS[command](store, *arguments)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
