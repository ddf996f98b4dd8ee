"""Where engines keep what they are (a cache that stays) and what they hold (a temporary folder), and on which ports."""

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

# Below the ports that systems give to outgoing connections (Linux from 32768, others from 49152): a client that
# connects again and again to one of those while its server is dead can be given that very port, and talks to itself.
_PORTS = range(20_000, 32_000)
_TRIES = 200

_ELSEWHERE = "set XDG_CACHE_HOME to a folder of yours"


def cache_folder() -> Path:
    """Return the folder of unpacked and built programs: `assetry` in the XDG cache. Raises Missing.

    Root's own cache cannot be read by the user that some engines run as, so root's is in /var/cache.
    """
    given = os.environ.get("XDG_CACHE_HOME")
    base = Path(given) if given else Path("/var/cache") if os.geteuid() == 0 else home_folder() / ".cache"
    folder = base / "assetry"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Missing(f"needs a folder to keep programs in: {folder}: {error.strerror}; {_ELSEWHERE}") from error
    return folder


def writable(folder: Path) -> Path:
    """Return a folder of the cache that something is to be put into. Raises Missing."""
    if not os.access(folder, os.W_OK):
        raise Missing(f"needs a folder to keep programs in: {folder} cannot be written to; {_ELSEWHERE}")
    return folder


def home_folder() -> Path:
    """Return the user's home. Raises Missing where the system knows of none."""
    try:
        return Path.home()
    except RuntimeError as error:
        raise Missing(f"needs a folder to keep programs in, and this user has no home; {_ELSEWHERE}") from error


def engines_folder() -> Path:
    """Return the folder of all that runs; every user has one. Raises Missing when it is another's."""
    folder = Path(tempfile.gettempdir()) / f"assetry-engines-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    if folder.stat().st_uid != os.getuid():
        raise Missing(f"{folder} belongs to another user; set TMPDIR to a folder of yours")
    return folder


def instance_folder(name: str) -> Path:
    """Return the folder of a running engine, made if need be."""
    folder = engines_folder() / name
    folder.mkdir(exist_ok=True, mode=0o755)
    return folder


def kept_port(folder: Path, name: str = "port") -> int:
    """Return the port that an instance listens on: a free one the first time, the same whenever it starts again."""
    file = folder / name
    try:
        return int(file.read_text())
    except FileNotFoundError:
        port = free_port()
        file.write_text(str(port))
        return port


def free_port() -> int:
    """Return a port of the loopback interface on which nothing listens."""
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
    """Return the folders where a Python environment keeps its programs: the running one's, then the project's own."""
    return Path(sys.executable).parent, ROOT / ".venv" / "bin"
