"""The data folder of the embedded set-up: where things are in it, its secret, and who serves it."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service.errors import SettingsError


class DataFolder:
    """Paths below ``--data``."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()

    def make(self) -> None:
        """Create the folder if it is not there. Raises SettingsError."""
        try:
            self.run.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError("--data", f"the folder {self.root} cannot be made: {error.strerror}.") from error

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.root / "assetry.db"

    @property
    def files(self) -> Path:
        """Originals and renditions."""
        return self.root / "files"

    @property
    def run(self) -> Path:
        """What lives as long as a process: lock and beacons."""
        return self.root / "run"

    @property
    def engine_beacon(self) -> Path:
        """Where the running embedded engine says its URL."""
        return self.run / "engine.json"

    @property
    def service_beacon(self) -> Path:
        """Where the running service says its URL."""
        return self.run / "service.json"

    def secret(self) -> str:
        """Return the signing secret; made at the first call, readable by its owner only."""
        path = self.root / "secret"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_text().strip()
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
        return path.read_text().strip()

    @contextmanager
    def served(self) -> Iterator[None]:
        """Hold the folder for one service; a second one raises SettingsError."""
        with (self.run / "lock").open("a") as lock:
            try:
                # The kernel lets go of it however the process ends.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                running = self.service() or {}
                where = f" at {running['url']}" if running.get("url") else ""
                message = f"another service already serves {self.root}{where}; stop it, or choose another folder."
                raise SettingsError("--data", message) from error
            yield

    @contextmanager
    def announced(self, url: str) -> Iterator[None]:
        """Say where the service listens while it does."""
        scratch = self.service_beacon.with_suffix(".new")
        scratch.write_text(json.dumps({"url": url, "pid": os.getpid()}))
        scratch.replace(self.service_beacon)
        try:
            yield
        finally:
            self.service_beacon.unlink(missing_ok=True)

    def service(self) -> dict[str, Any] | None:
        """Return {url, pid} of the service that runs on this folder, or None."""
        try:
            held: dict[str, Any] = json.loads(self.service_beacon.read_text())
            os.kill(held["pid"], 0)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return held
