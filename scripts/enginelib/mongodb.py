"""MongoDB: a `mongod` on PATH as a single-member replica set, or a stand-in from the Python environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, distributions
from pathlib import Path
from typing import Any

from scripts.enginelib import mongoask
from scripts.enginelib.daemon import Daemon
from scripts.enginelib.faults import Missing
from scripts.enginelib.places import LOOPBACK, environment_programs, kept_port

STAND_IN = "nx-27017"
_ASK_SECONDS = 15.0


class Mongodb:
    """A server on a free loopback port.

    The stand-in implements enough of the wire protocol for tests, including change streams and durability. It has no
    replica set, stores its data in SQLite and is slow, so it is named wherever it is used.
    """

    start_seconds = 60.0

    def obtain(self) -> str:
        """Find a server. Raises Missing."""
        _python()
        found = shutil.which("mongod")
        return found or f"from the wheel {STAND_IN} {_version(_stand_in())}; no `mongod` on PATH"

    def launch(self, folder: Path) -> Daemon:
        """Start the server. Raises Missing."""
        (folder / "data").mkdir(exist_ok=True)
        port = str(kept_port(folder))
        mongod = shutil.which("mongod")
        if mongod is not None:
            command = [mongod, "--dbpath", str(folder / "data"), "--port", port, "--bind_ip", LOOPBACK]
            # The minimum it accepts for each.
            command += ["--replSet", mongoask.SET, "--oplogSize", "990", "--wiredTigerCacheSizeGB", "0.25"]
            return Daemon.start(command, folder, {})
        (folder / "pid").unlink(missing_ok=True)  # a stale pid file would prevent the start
        command = [str(_stand_in()), "--data-dir", str(folder / "data"), "--host", LOOPBACK, "--port", port]
        command += ["--pid-file", str(folder / "pid"), "--log-file", os.devnull]  # the log is also on standard output
        return Daemon.start(command, folder, {})

    def ready(self, folder: Path) -> str | None:
        """Return the URL of the server once it accepts writes."""
        member = f"{LOOPBACK}:{kept_port(folder)}"
        try:
            facts = _ask(f"mongodb://{member}/", member)
        except (OSError, ValueError):
            return None
        query = f"?replicaSet={facts['set']}" if facts["set"] else ""
        return f"mongodb://{member}/{query}" if facts["ready"] else None

    @staticmethod
    def joined(url: str, member: str) -> bool:
        """Initiate a single-member replica set if needed; return whether the server accepts writes.

        Raises OSError, ValueError.
        """
        return bool(_ask(url, member)["ready"])

    def describe(self, url: str) -> str:
        """Return the name and version that the server reports."""
        facts = _ask(url)
        if facts["process"] == "nx_27017":
            return f"{STAND_IN}, a stand-in for MongoDB {facts['version']}"
        return f"MongoDB {facts['version']}, {'replica set ' + facts['set'] if facts['set'] else 'in no replica set'}"


def _ask(url: str, *member: str) -> dict[str, Any]:
    """Run mongoask.py in a Python environment that has the driver. Raises OSError, ValueError."""
    command = [str(_python()), "-P", mongoask.__file__, url, *member]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_SECONDS, check=True)
    except subprocess.SubprocessError as error:
        raise OSError("the server does not respond") from error
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def _stand_in() -> Path:
    for folder in environment_programs():
        if (folder / STAND_IN).is_file():
            return folder / STAND_IN
    raise Missing(
        f"requires a server URL in ASSETRY_TEST_MONGODB_URL, a `mongod` on PATH, or {STAND_IN} (./scripts/setup)"
    )


def _python() -> Path:
    """Return a Python interpreter that has the driver."""
    for folder in environment_programs():
        if any((folder.parent / "lib").glob("python3*/site-packages/pymongo")):
            return folder / "python"
    raise Missing("requires PyMongo: run ./scripts/setup")


def _version(program: Path) -> str:
    """Return the version of the wheel that contains a program."""
    folders = [str(folder) for folder in (program.parent.parent / "lib").glob("python3*/site-packages")]
    try:
        return next(iter(distributions(name=STAND_IN, path=folders))).version
    except (StopIteration, PackageNotFoundError):
        return "(unknown version)"
