"""Real processes of Assetry, for tests that start, watch and kill them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.commands import answer

PATIENCE = 30.0


def assetry(*arguments: str | Path, check: bool = True, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [sys.executable, "-m", "service", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    assert not check or done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


def printed(*arguments: str | Path, code: int = 0) -> Any:
    """Run a command with --json and return what it printed."""
    done = assetry(*arguments, "--json", check=False)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def until(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Return once the condition holds; fail when that takes too long."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"not within {patience} s: {what}"
        time.sleep(0.02)


@dataclass
class Served:
    """A running ``assetry serve``."""

    process: subprocess.Popen[str]
    url: str
    data: Path

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def until_ready(self) -> None:
        until(self.ready, "the service is ready", patience=180)  # thousands of assets are indexed first

    def kill(self) -> None:
        """Kill -9 the service."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def key(self, scopes: str = "*", org: str = "default") -> str:
        made = answer("keys", "create", "--data", self.data, "--org", org, "--user", "tester", "--scopes", scopes)
        return str(made["key"])

    def client(self, scopes: str = "*") -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.key(scopes)}"}
        return httpx.Client(base_url=f"{self.url}/v1/asset-library", headers=headers, timeout=30)


@dataclass
class Running:
    """A running process of Assetry: the line that it printed, and the file of its log."""

    process: subprocess.Popen[str]
    line: str
    log: Path

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.line.split()[-1]

    def stop(self, number: int = signal.SIGTERM, patience: float = PATIENCE) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=patience)


@contextmanager
def started(data: Path, *arguments: str, **environment: str) -> Iterator[Running]:
    """Run a command that goes on until it is told to stop; until the block ends at most."""
    command = [sys.executable, "-m", "service", *arguments, "--data", str(data)]
    path = data.parent / f"{data.name}.log"
    with path.open("a") as log:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **environment},
            start_new_session=True,  # a process group of its own, as a terminal would give it
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("Assetry runs"), path.read_text()[-2000:]
            yield Running(process, line.strip(), path)
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(timeout=PATIENCE)
            if process.stdout:
                process.stdout.close()


@contextmanager
def served(data: Path, *, everything: bool = True, **environment: str) -> Iterator[Served]:
    """Run ``assetry serve`` on a free port until the block ends: all of it, or the API alone where it can be."""
    apart = {"indexer": "ASSETRY_OPENSEARCH_URL", "worker": "ASSETRY_REDIS_URL"}
    roles = ["api", *(role for role, variable in apart.items() if everything or variable not in environment)]
    with started(data, "serve", "--port", "0", "--roles", ",".join(roles), **environment) as running:
        assert "listens on" in running.line
        yield Served(running.process, running.url, data)
