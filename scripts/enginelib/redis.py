"""Redis: the system's own server."""

from __future__ import annotations

import shutil
import socket
import ssl
from pathlib import Path
from urllib.parse import unquote, urlsplit

from scripts.enginelib.daemon import Daemon
from scripts.enginelib.faults import Missing
from scripts.enginelib.places import LOOPBACK, kept_port

_SECONDS = 5.0
_NAMES = ("redis-server", "valkey-server")


class Redis:
    """A server on a free loopback port that writes every command to its append-only file immediately."""

    start_seconds = 30.0

    def obtain(self) -> str:
        """Find the server. Raises Missing."""
        return _program()

    def launch(self, folder: Path) -> Daemon:
        """Start the server. Raises Missing."""
        (folder / "data").mkdir(exist_ok=True)
        command = [_program(), "--bind", LOOPBACK, "--port", str(kept_port(folder)), "--dir", str(folder / "data")]
        command += ["--appendonly", "yes", "--save", "", "--daemonize", "no"]
        return Daemon.start(command, folder, {})

    def ready(self, folder: Path) -> str | None:
        """Return the URL of the server once it has loaded its data and responds."""
        url = f"redis://{LOOPBACK}:{kept_port(folder)}"
        try:
            return url if _ask(url, "PING").startswith("+PONG") else None
        except OSError:
            return None

    def describe(self, url: str) -> str:
        """Return the version that the server reports."""
        facts = dict(line.split(":", 1) for line in _ask(url, "INFO server").splitlines() if ":" in line)
        name, version = ("Valkey", "valkey_version") if "valkey_version" in facts else ("Redis", "redis_version")
        if version not in facts:
            raise ValueError("the server does not report its version")
        return f"{name} {facts[version]}"


def _program() -> str:
    for name in _NAMES:
        found = shutil.which(name)
        if found is not None:
            return found
    raise Missing("requires `redis-server` on PATH (on Debian: apt-get install redis-server)")


def _ask(url: str, command: str) -> str:
    """Send one command, after AUTH if the URL has a password; return its reply. Raises OSError."""
    parts = urlsplit(url)
    host, port = parts.hostname or LOOPBACK, parts.port or 6379
    with socket.create_connection((host, port), timeout=_SECONDS) as plain:
        channel = ssl.create_default_context().wrap_socket(plain, server_hostname=host) if _tls(url) else plain
        with channel, channel.makefile("rwb") as stream:
            if parts.password:
                words = ["AUTH", *([unquote(parts.username)] if parts.username else []), unquote(parts.password)]
                stream.write(f"{' '.join(words)}\r\n".encode())
                stream.flush()
                stream.readline()
            stream.write(f"{command}\r\n".encode())
            stream.flush()
            first = stream.readline().decode()
            if first.startswith("$"):  # the length of the bytes that follow
                return stream.read(int(first[1:])).decode()
            return first


def _tls(url: str) -> bool:
    return url.startswith("rediss:")
