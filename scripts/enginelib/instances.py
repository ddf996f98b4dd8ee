"""Engines of a single test: its own processes, which it can stop, kill and restart.

    with fresh("redis") as redis:
        redis.kill()
        redis.restart()     # the same port, the same data

Processes left behind by a killed test run are stopped by the next `fresh` and by `scripts/engines down`.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.enginelib.daemon import Daemon
from scripts.enginelib.engine import Kind, daemon_of, read_state, started, write_state
from scripts.enginelib.places import engines_folder, instance_folder
from scripts.enginelib.table import ENGINES

_PREFIX = "fresh-"


@dataclass(slots=True)
class Instance:
    """A running engine. `url` stays the same for its lifetime; `pid` is that of the current or last process."""

    name: str
    url: str
    folder: Path
    """The folder of its data and its `log`."""
    _kind: Kind
    _daemon: Daemon

    @property
    def pid(self) -> int:
        """The process id."""
        return self._daemon.pid

    @property
    def alive(self) -> bool:
        """Whether the process exists (even if paused)."""
        return self._daemon.alive()

    def kill(self) -> None:
        """Kill it immediately (SIGKILL), like a crash."""
        self._daemon.kill()

    def pause(self) -> None:
        """Suspend it (SIGSTOP): connections stay open, but nothing responds."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Continue after a pause (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        """Start it with the same port and data, and return once it responds; a running process is stopped first.

        Raises Failed.
        """
        if self.alive:
            self.resume()
            self._daemon.end()
        self._daemon, self.url = started(self._kind, self.folder)
        _note(self)


@contextmanager
def fresh(name: str) -> Iterator[Instance]:
    """Start an empty engine, by its name in `scripts/engines`, on its own port; stop it and delete its data afterwards.

    Raises Missing (a requirement is missing on this machine: skip the test), Failed.
    """
    sweep()
    engine = ENGINES[name]
    engine.obtain()
    engine.kind.obtain()
    folder = instance_folder(f"{_PREFIX}{name}-{secrets.token_hex(4)}")
    try:
        place = folder / "instance"
        place.mkdir(mode=0o755)
        daemon, url = started(engine.kind, place)
        instance = Instance(name, url, place, engine.kind, daemon)
        _note(instance)
        try:
            yield instance
        finally:
            instance.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep() -> int:
    """Stop processes left running by killed tests; return how many there were."""
    left = 0
    for folder in engines_folder().glob(f"{_PREFIX}*"):
        state = read_state(folder)
        if not state or Daemon(int(state["owner"]), state["owner_mark"], folder).alive():
            continue  # in use, or just being started by its owner
        daemon = daemon_of(folder)
        if daemon is not None:
            daemon.kill()
        shutil.rmtree(folder, ignore_errors=True)
        left += 1
    return left


def _note(instance: Instance) -> None:
    """Record the process and its owner."""
    owner = Daemon.this(instance.folder / "log")
    write_state(instance.folder.parent, instance._daemon, owner=str(owner.pid), owner_mark=owner.mark)
