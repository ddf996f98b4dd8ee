"""Engines of one test: its own processes, which it may stop, kill and start again.

    with fresh("redis") as redis:
        redis.kill()
        redis.restart()     # the same port, the same data

What a killed test run left behind is ended by the next `fresh` and by `scripts/engines down`.
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
    """A running engine. `url` stays the same for its whole life; `pid` is of the process that runs now or ran last."""

    name: str
    url: str
    folder: Path
    """Where it keeps its data and its `log`."""
    _kind: Kind
    _daemon: Daemon

    @property
    def pid(self) -> int:
        """The process id."""
        return self._daemon.pid

    @property
    def alive(self) -> bool:
        """Whether the process exists (also when it is paused)."""
        return self._daemon.alive()

    def kill(self) -> None:
        """End it at once (SIGKILL), as a crash of the machine's memory would."""
        self._daemon.kill()

    def pause(self) -> None:
        """Let it hang (SIGSTOP): its connections stay open, and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after a pause (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        """Start it on the same port and data, and return once it answers; one that still runs is ended politely first.

        Raises Failed.
        """
        if self.alive:
            self.resume()
            self._daemon.end()
        self._daemon, self.url = started(self._kind, self.folder)
        _note(self)


@contextmanager
def fresh(name: str) -> Iterator[Instance]:
    """Start an engine by its name in `scripts/engines`, empty and on a port of its own; end it and drop its data after.

    Raises Missing (what the machine lacks: a reason to skip), Failed.
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
    """End what tests that were killed themselves left running; return how many that were."""
    left = 0
    for folder in engines_folder().glob(f"{_PREFIX}*"):
        state = read_state(folder)
        if not state or Daemon(int(state["owner"]), state["owner_mark"], folder).alive():
            continue  # in use, or its owner is just starting it
        daemon = daemon_of(folder)
        if daemon is not None:
            daemon.kill()
        shutil.rmtree(folder, ignore_errors=True)
        left += 1
    return left


def _note(instance: Instance) -> None:
    """Write down the process and the one that it belongs to."""
    owner = Daemon.this(instance.folder / "log")
    write_state(instance.folder.parent, instance._daemon, owner=str(owner.pid), owner_mark=owner.mark)
