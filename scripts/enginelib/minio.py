"""MinIO: any S3 works for the service; this one runs anywhere."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from scripts.enginelib.daemon import Daemon
from scripts.enginelib.golang import Program, built
from scripts.enginelib.places import LOOPBACK, kept_port
from scripts.enginelib.web import SECONDS, fetch

# The repository of the server is archived: this is its last commit.
PROGRAM = Program("minio", "github.com/minio/minio", "v0.0.0-20260212201848-7aac2a2c5b7c", minutes=3)


class Minio:
    """A server on a free loopback port, with a random user and password."""

    start_seconds = 60.0

    def obtain(self) -> str:
        """Find a `minio` on PATH, or build one. Raises Missing, Failed."""
        found = shutil.which("minio")
        if found is None:
            built(PROGRAM)
            return PROGRAM.source
        said = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
        return f"{found}, {said.partition('(')[0].strip()}"

    def launch(self, folder: Path) -> Daemon:
        """Start the server. Raises Missing, Failed."""
        user, password = _credentials(folder)
        command = [shutil.which("minio") or str(built(PROGRAM)), "server", "--quiet", "--address"]
        command += [f"{LOOPBACK}:{kept_port(folder)}", "--console-address"]
        command += [f"{LOOPBACK}:{kept_port(folder, 'console-port')}", str(folder / "data")]
        environment = {
            "MINIO_ROOT_USER": user,
            "MINIO_ROOT_PASSWORD": password,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        }
        return Daemon.start(command, folder, environment)

    def ready(self, folder: Path) -> str | None:
        """Return the URL of the server, including credentials, once it accepts requests."""
        user, password = _credentials(folder)
        url = f"http://{user}:{password}@{LOOPBACK}:{kept_port(folder)}"
        try:
            return url if self.usable(url) else None
        except OSError:
            return None

    @staticmethod
    def usable(url: str) -> bool:
        """Return whether the server at a URL accepts all requests; it answers some earlier. Raises OSError."""
        fetch(
            f"{_public(url)}/minio/health/cluster"
        )  # 503 until then; `ready` is 200 before the drives are initialized
        return True

    def describe(self, url: str) -> str:
        """Return the name of the server; S3 has no version."""
        try:
            with urllib.request.urlopen(_public(url), timeout=SECONDS) as answer:
                server = answer.headers.get("Server")
        except urllib.error.HTTPError as refused:  # listing buckets is forbidden, but the response names the server
            server = refused.headers.get("Server")
            refused.close()
        return server or "an S3"


def _public(url: str) -> str:
    """Return a URL without credentials: they are for signing, and the server rejects them as basic authentication."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _credentials(folder: Path) -> tuple[str, str]:
    """Return the user and password of an instance, generated on its first start."""
    file = folder / "credentials.json"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(json.dumps([f"user{secrets.token_hex(6)}", secrets.token_hex(20)]))
    user, password = json.loads(file.read_text())
    return user, password
