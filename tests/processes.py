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
        until(self.ready, "the service is ready")

    def kill(self) -> None:
        """Kill -9 the service."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def key(self, scopes: str = "*", org: str = "default") -> str:
        made = printed("keys", "create", "--data", self.data, "--org", org, "--user", "tester", "--scopes", scopes)
        return str(made["key"])

    def client(self, scopes: str = "*") -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.key(scopes)}"}
        return httpx.Client(base_url=f"{self.url}/v1/asset-library", headers=headers, timeout=30)


@contextmanager
def served(data: Path, **environment: str) -> Iterator[Served]:
    """Run ``assetry serve`` on a free port until the block ends."""
    command = [sys.executable, "-m", "service", "serve", "--data", str(data), "--port", "0"]
    log = (data.parent / f"{data.name}.log").open("a")
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **environment}
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "listens on" in line, (data.parent / f"{data.name}.log").read_text()[-2000:]
        yield Served(process, line.split()[-1], data)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=PATIENCE)
        if process.stdout:
            process.stdout.close()
        log.close()
