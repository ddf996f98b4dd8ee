"""One engine: started once, found again by a state file, ended by its process id."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from scripts.enginelib.daemon import Daemon
from scripts.enginelib.faults import Failed
from scripts.enginelib.places import instance_folder

_POLL = 0.2


class Kind(Protocol):
    """What differs from engine to engine."""

    start_seconds: float

    def launch(self, folder: Path) -> Daemon:
        """Start the engine with its data, its log and all else that it writes in `folder`. Raises Missing."""

    def ready(self, folder: Path) -> str | None:
        """Return the engine's URL once it answers, None before."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine by its name, the environment variable that tests read its URL from, and its kind."""

    name: str
    variable: str
    kind: Kind

    def up(self) -> str:
        """Return the URL of the engine, started if it does not run. Raises Missing, Failed."""
        given = os.environ.get(self.variable)
        if given:
            return given
        with self._lock() as folder:
            url = self._running(folder)
            if url is not None:
                return url
            self._end(folder)
            place = folder / "instance"
            place.mkdir(mode=0o755)
            daemon = self.kind.launch(place)
            (folder / "pid.json").write_text(json.dumps({"pid": daemon.pid, "mark": daemon.mark}))
            return self._wait(folder, daemon)

    def url(self) -> str | None:
        """Return the URL of the engine, None when it does not run."""
        given = os.environ.get(self.variable)
        if given:
            return given
        with self._lock() as folder:
            return self._running(folder)

    def down(self) -> bool:
        """End the engine and drop its data; return whether it ran."""
        with self._lock() as folder:
            return self._end(folder)

    def _wait(self, folder: Path, daemon: Daemon) -> str:
        place = folder / "instance"
        late = time.monotonic() + self.kind.start_seconds
        while daemon.alive() and time.monotonic() < late:
            url = self.kind.ready(place)
            if url is not None:
                (folder / "url").write_text(url)
                return url
            time.sleep(_POLL)
        said = daemon.last_words()
        why = f"was not ready after {self.kind.start_seconds:.0f} s" if daemon.alive() else "ended while it started"
        self._end(folder)
        raise Failed(f"{why}: {said}")

    def _running(self, folder: Path) -> str | None:
        daemon = _daemon(folder)
        return self.kind.ready(folder / "instance") if daemon is not None and daemon.alive() else None

    def _end(self, folder: Path) -> bool:
        daemon = _daemon(folder)
        ran = daemon is not None and daemon.alive()
        if daemon is not None:
            daemon.end()
        for name in ("pid.json", "url"):
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / "instance", ignore_errors=True)
        return ran

    @contextmanager
    def _lock(self) -> Iterator[Path]:
        """Give the engine's folder while nobody else starts or ends it."""
        folder = instance_folder(self.name)
        with (folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield folder


def _daemon(folder: Path) -> Daemon | None:
    try:
        state = json.loads((folder / "pid.json").read_text())
        return Daemon(int(state["pid"]), str(state["mark"]), folder / "instance" / "log")
    except (OSError, ValueError, KeyError):
        return None
