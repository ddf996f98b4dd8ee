"""The service as a process, the commands beside it, and the processor time that a process and its children take."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from scripts.benchlib import ROOT

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_LOOK_SECONDS = 0.25

Json = dict[str, Any]
OnIndexed = Callable[[int], None]
"""Learns how many records are in the index while it is built."""


@dataclass(frozen=True)
class Service:
    """A running service: its URL, its process, and the seconds until it was ready."""

    url: str
    pid: int
    seconds: float


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process of Assetry with these settings."""
    return {**os.environ, "ASSETRY_LOG_LEVEL": "error", **settings}


@asynccontextmanager
async def serving(data: Path, settings: Mapping[str, str], on_indexed: OnIndexed) -> AsyncIterator[Service]:
    """Run `assetry serve` on a data folder and yield once everything is searchable."""
    command = [sys.executable, "-m", "service", "serve", "--data", str(data), "--port", "0"]
    started = time.perf_counter()
    process = subprocess.Popen(  # noqa: ASYNC220
        command, stdout=subprocess.PIPE, text=True, env=environment(settings), cwd=ROOT
    )
    assert process.stdout is not None
    try:
        url = (await asyncio.to_thread(process.stdout.readline)).split()[-1]
        async with aiohttp.ClientSession() as session:
            while not await _is_ready(session, url, on_indexed):
                assert process.poll() is None, "the service has ended"
                await asyncio.sleep(_LOOK_SECONDS)
        yield Service(url, process.pid, time.perf_counter() - started)
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)


async def _is_ready(session: aiohttp.ClientSession, url: str, on_indexed: OnIndexed) -> bool:
    async with session.get(f"{url}/readyz") as answer:
        state = (await answer.json())["engines"].get("index") or {}
        on_indexed(int(state.get("indexed") or 0))
        return answer.status == 200


async def command(settings: Mapping[str, str], *arguments: str) -> tuple[Json, float]:
    """Run a command of Assetry with `--json`; return what it printed, and its seconds."""
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "service",
        *arguments,
        "--json",
        stdout=subprocess.PIPE,
        env=environment(settings),
        cwd=ROOT,
    )
    out, _ = await process.communicate()
    assert process.returncode in (0, 1), f"{arguments}: exit status {process.returncode}"
    found: Json = json.loads(out)
    return found, time.perf_counter() - started


def processor_seconds(pid: int) -> float | None:
    """Return the processor time of a process and its living children so far; None where the system does not tell."""
    if not _PROC.is_dir():
        return None
    parents: dict[int, tuple[int, float]] = {}
    for folder in _PROC.glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        parents[int(folder.name)] = (int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICKS)
    family = {pid}
    while more := {child for child, (parent, _) in parents.items() if parent in family} - family:
        family |= more
    return sum(parents[one][1] for one in family if one in parents)
