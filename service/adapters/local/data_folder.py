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

from service.adapters.shared.private_files import (
    FILE_MODE,
    FOLDER_MODE,
    is_open_to_others,
    make_private_file,
    make_private_folder,
    private_opener,
)
from service.errors import SettingsError

_OURS = frozenset({"assetry.db", "assetry.db-wal", "assetry.db-shm", "files", "run", "secret"})
"""The names of all that a data folder holds."""


class DataFolder:
    """Paths below the folder given by ``--data``."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()

    def make(self) -> None:
        """Create the folder if it does not exist, and close it to other users. Raises SettingsError.

        A folder that holds anything else beside ours keeps its mode: only what is made in it is closed.
        """
        try:
            make_private_folder(self.run)
            self._close_to_others()
        except OSError as error:
            raise SettingsError("--data", f"cannot create the folder {self.root}: {error.strerror}.") from error

    def _close_to_others(self) -> None:
        entries = list(self.root.iterdir())
        ours = [path for path in entries if path.name in _OURS]
        for path in (*ours, self.root) if len(ours) == len(entries) else ours:
            if is_open_to_others(path) and path.stat().st_uid == os.geteuid():
                path.chmod(FOLDER_MODE if path.is_dir() else FILE_MODE)

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
        with open(self.run / "lock", "a", opener=private_opener) as lock:
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
        make_private_file(scratch)
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
