"""A Redis of its own for tests that kill, stop or empty it."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import until

PROGRAM = shutil.which("redis-server") or shutil.which("valkey-server")
needed = pytest.mark.skipif(PROGRAM is None, reason="needs redis-server (on Debian: apt-get install redis-server)")


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class RedisProcess:
    """A server on a port that it keeps over restarts, with a log of every command unless told otherwise."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options or ("--appendonly", "yes", "--appendfsync", "always")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert PROGRAM is not None
        command = [PROGRAM, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self._folder), "--save", ""]
        self._process = subprocess.Popen([*command, *self._options], stdout=subprocess.DEVNULL)
        until(self._answers, "Redis answers")

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(30)
            self._process = None

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"Redis ended with {self._process.returncode}"
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as channel:
                channel.sendall(b"PING\r\n")
                return channel.recv(1) in (b"+", b"-")  # "-": it wants a password first
        except OSError:
            return False


@contextmanager
def redis_process(folder: Path, *options: str) -> Iterator[RedisProcess]:
    """Run a Redis until the block ends."""
    process = RedisProcess(folder, *options)
    try:
        process.start()
        yield process
    finally:
        process.kill()
