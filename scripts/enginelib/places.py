"""Folders and ports of engines: a persistent cache for programs, temporary folders for data."""

from __future__ import annotations

import os
import random
import socket
import sys
import tempfile
from pathlib import Path

from scripts.enginelib.faults import Missing

ROOT = Path(__file__).resolve().parent.parent.parent
LOOPBACK = "127.0.0.1"

# Below the ephemeral port range (Linux from 32768, others from 49152): a client that repeatedly connects to such a port
# while its server is down can be assigned that very port as its own and connect to itself.
_PORTS = range(20_000, 32_000)
_TRIES = 200

_ELSEWHERE = "set XDG_CACHE_HOME to a writable folder"


def cache_folder() -> Path:
    """Return the folder for unpacked and built programs: `assetry` in the XDG cache. Raises Missing.

    For root it is in /var/cache, since the user that some engines run as cannot read root's cache.
    """
    given = os.environ.get("XDG_CACHE_HOME")
    base = Path(given) if given else Path("/var/cache") if os.geteuid() == 0 else home_folder() / ".cache"
    folder = base / "assetry"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Missing(f"requires a folder for programs: {folder}: {error.strerror}; {_ELSEWHERE}") from error
    return folder


def writable(folder: Path) -> Path:
    """Return a writable folder in the cache. Raises Missing."""
    if not os.access(folder, os.W_OK):
        raise Missing(f"requires a folder for programs: {folder} is not writable; {_ELSEWHERE}")
    return folder


def home_folder() -> Path:
    """Return the user's home. Raises Missing if there is none."""
    try:
        return Path.home()
    except RuntimeError as error:
        raise Missing(f"requires a folder for programs, but this user has no home; {_ELSEWHERE}") from error


def engines_folder() -> Path:
    """Return the user's folder for running engines. Raises Missing if it belongs to another user."""
    folder = Path(tempfile.gettempdir()) / f"assetry-engines-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    if folder.stat().st_uid != os.getuid():
        raise Missing(f"{folder} belongs to another user; set TMPDIR to a folder of your own")
    return folder


def instance_folder(name: str) -> Path:
    """Return the folder of a running engine, created if necessary."""
    folder = engines_folder() / name
    folder.mkdir(exist_ok=True, mode=0o755)
    return folder


def kept_port(folder: Path, name: str = "port") -> int:
    """Return the port of an instance: a free one at first, and the same one after restarts."""
    file = folder / name
    try:
        return int(file.read_text())
    except FileNotFoundError:
        port = free_port()
        file.write_text(str(port))
        return port


def free_port() -> int:
    """Return a free loopback port."""
    for port in random.sample(_PORTS, _TRIES):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port from {_PORTS.start} to {_PORTS.stop}")


def environment_programs() -> tuple[Path, ...]:
    """Return the program folders of Python environments: first the running one, then the project's."""
    return Path(sys.executable).parent, ROOT / ".venv" / "bin"
