"""One engine: started once, found again through a state file, stopped by its process id."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from scripts.enginelib import holders
from scripts.enginelib.daemon import Daemon
from scripts.enginelib.faults import Failed
from scripts.enginelib.places import instance_folder

_POLL = 0.1
_PLACE = "instance"


class Kind(Protocol):
    """The interface that each kind of engine implements."""

    start_seconds: float

    def obtain(self) -> str:
        """Install the program if necessary; return its source, for display. Raises Missing, Failed."""

    def launch(self, folder: Path) -> Daemon:
        """Start the engine with its data, its log and all other files in `folder`.

        In a folder where it ran before, it uses the same port and data. Raises Missing, Failed.
        """

    def ready(self, folder: Path) -> str | None:
        """Return the URL of the engine once it responds, None before."""

    def describe(self, url: str) -> str:
        """Return the name and version of the server at a URL. Raises OSError, ValueError."""


STOPPING = threading.Event()
"""Set when this process was asked to exit: pending starts are abandoned."""


def started(kind: Kind, place: Path, seconds: float | None = None) -> tuple[Daemon, str]:
    """Start an engine in a folder; return it and its URL once it responds, within `seconds` or what its kind takes.

    Raises Missing, Failed (it is stopped).
    """
    daemon = kind.launch(place)
    seconds = kind.start_seconds if seconds is None else seconds
    late = time.monotonic() + seconds
    while daemon.alive() and time.monotonic() < late and not STOPPING.wait(_POLL):
        url = kind.ready(place)
        if url is not None:
            return daemon, url
    said = daemon.log_tail()
    if STOPPING.is_set():
        daemon.end()
        raise Failed("the start was cancelled")
    why = f"was not ready after {seconds:.0f} s" if daemon.alive() else "exited while starting"
    daemon.end()
    raise Failed(f"{why}: {said}")


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine: its name, the environment variable from which tests read its URL, and its kind."""

    name: str
    variable: str
    kind: Kind

    def obtain(self) -> None:
        """Fetch or build what the engine needs, if it is to be started here. Raises Missing, Failed."""
        if not os.environ.get(self.variable):
            with self._lock():  # prevents concurrent builds
                self.kind.obtain()

    def up(self, user: Daemon | None = None) -> str:
        """Return the URL of the engine, which is started if it is not running. Raises Missing, Failed.

        With a `user`, the engine is stopped once this and all other users have left; otherwise it keeps running.
        """
        given = os.environ.get(self.variable)
        if given:
            return given
        with self._lock() as folder:
            url = self._running(folder)
            if url is not None:
                if user is None:
                    holders.keep(folder)
                else:
                    holders.hold(folder, user, made=False)
                return url
            self._end(folder)
            source = self.kind.obtain()
            place = folder / _PLACE
            place.mkdir(mode=0o755)
            try:
                daemon, url = started(self.kind, place)
            except BaseException:
                self._end(folder)
                raise
            write_state(folder, daemon, source=source, url=url)
            if user is not None:
                holders.hold(folder, user, made=True)
            return url

    def url(self) -> str | None:
        """Return the URL of the engine, None if it is not running."""
        given = os.environ.get(self.variable)
        if given:
            return given
        with self._lock() as folder:
            return self._running(folder)

    def about(self, url: str, source: str | None = None) -> str:
        """Describe the server at the engine's URL: name, version and source."""
        if source is None:
            state = read_state(instance_folder(self.name))
            source = state["source"] if state.get("url") == url else f"set by {self.variable}"
        try:
            return f"{self.kind.describe(url)} ({source})"
        except (OSError, ValueError):
            return f"unknown server ({source})"

    def down(self) -> bool:
        """Stop the engine and delete its data; return whether it was running."""
        with self._lock() as folder:
            return self._end(folder)

    def leave(self, user: Daemon) -> bool:
        """Remove a user of the engine, and stop it if that was its last user; return whether it was stopped."""
        if os.environ.get(self.variable):
            return False
        with self._lock() as folder:
            return holders.release(folder, user) and self._end(folder)

    def _running(self, folder: Path) -> str | None:
        daemon = daemon_of(folder)
        return self.kind.ready(folder / _PLACE) if daemon is not None and daemon.alive() else None

    def _end(self, folder: Path) -> bool:
        daemon = daemon_of(folder)
        ran = daemon is not None and daemon.alive()
        if daemon is not None:
            daemon.end()
        (folder / _STATE).unlink(missing_ok=True)
        holders.forget(folder)
        shutil.rmtree(folder / _PLACE, ignore_errors=True)
        return ran

    @contextmanager
    def _lock(self) -> Iterator[Path]:
        """Yield the engine's folder while holding the lock for starting and stopping it."""
        folder = instance_folder(self.name)
        with (folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield folder


_STATE = "pid.json"


def write_state(folder: Path, daemon: Daemon, **facts: str) -> None:
    """Save which process an engine is, and other facts; readable only by the current user."""
    file = folder / _STATE
    file.touch(mode=0o600)
    file.write_text(json.dumps({"pid": daemon.pid, "mark": daemon.mark, **facts}))


def read_state(folder: Path) -> dict[str, str]:
    """Return what `write_state` saved; empty if there is nothing."""
    try:
        found = json.loads((folder / _STATE).read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in found.items()}


def daemon_of(folder: Path) -> Daemon | None:
    """Return the process saved by `write_state`."""
    state = read_state(folder)
    if "pid" not in state or "mark" not in state:
        return None
    return Daemon(int(state["pid"]), state["mark"], folder / _PLACE / "log")
