"""Toxiproxy: network faults between the service and an engine, controlled over HTTP."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from scripts.enginelib.daemon import Daemon
from scripts.enginelib.golang import Program, built
from scripts.enginelib.places import LOOPBACK, kept_port
from scripts.enginelib.web import fetch

PROGRAM = Program("toxiproxy-server", "github.com/Shopify/toxiproxy/v2/cmd/server", "v2.5.0", minutes=1)


class Toxiproxy:
    """The control server of the proxy on a free loopback port; tests create their proxies through it."""

    start_seconds = 30.0

    def obtain(self) -> str:
        """Find a `toxiproxy-server` on PATH, or build one. Raises Missing, Failed."""
        found = shutil.which(PROGRAM.name)
        if found is not None:
            return found
        built(PROGRAM)
        return PROGRAM.source

    def launch(self, folder: Path) -> Daemon:
        """Start the proxy. Raises Missing, Failed."""
        program = shutil.which(PROGRAM.name) or str(built(PROGRAM))
        return Daemon.start([program, "-host", LOOPBACK, "-port", str(kept_port(folder))], folder, {})

    def ready(self, folder: Path) -> str | None:
        """Return the URL of the control server once it responds."""
        url = f"http://{LOOPBACK}:{kept_port(folder)}"
        try:
            fetch(f"{url}/version")
        except OSError:
            return None
        return url

    def describe(self, url: str) -> str:
        """Return the version that the proxy reports, if any: one built with `go install` does not know its version."""
        said = fetch(f"{url}/version").decode().strip()
        version = json.loads(said)["version"] if said.startswith("{") else said
        return "Toxiproxy" if version in {"", "git"} else f"Toxiproxy {version}"
