"""The data folder of the embedded set-up: its layout, its secret, and the lock of the service that uses it."""

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
    """Paths below the folder given by ``--data``."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()

    def make(self) -> None:
        """Create the folder if it does not exist. Raises SettingsError."""
        try:
            self.run.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError("--data", f"cannot create the folder {self.root}: {error.strerror}.") from error

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.root / "assetry.db"

    @property
    def files(self) -> Path:
        """Original files and renditions."""
        return self.root / "files"

    @property
    def run(self) -> Path:
        """Files that last only as long as a process: the lock and the beacons."""
        return self.root / "run"

    @property
    def engine_beacon(self) -> Path:
        """The file with the URL of the running embedded engine."""
        return self.run / "engine.json"

    @property
    def service_beacon(self) -> Path:
        """The file with the URL of the running service."""
        return self.run / "service.json"

    def secret(self) -> str:
        """Return the signing secret, created on the first call and readable only by its owner."""
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
        """Lock the folder for one service. Raises SettingsError if another service holds it."""
        with (self.run / "lock").open("a") as lock:
            try:
                # The kernel releases the lock however the process ends.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                running = self.service() or {}
                where = f" at {running['url']}" if running.get("url") else ""
                message = f"another service is already using {self.root}{where}; stop it, or choose another folder."
                raise SettingsError("--data", message) from error
            yield

    @contextmanager
    def announced(self, url: str) -> Iterator[None]:
        """Publish the URL of the service while it is listening."""
        scratch = self.service_beacon.with_suffix(".new")
        scratch.write_text(json.dumps({"url": url, "pid": os.getpid()}))
        scratch.replace(self.service_beacon)
        try:
            yield
        finally:
            self.service_beacon.unlink(missing_ok=True)

    def service(self) -> dict[str, Any] | None:
        """Return {url, pid} of the service running on this folder, or None."""
        try:
            held: dict[str, Any] = json.loads(self.service_beacon.read_text())
            os.kill(held["pid"], 0)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return held
