"""A search engine of its own for tests of several processes: the embedded one, started as if it were a remote one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import osmem_server


@contextmanager
def osmem() -> Iterator[str]:
    """Run the engine on a free port and give its URL."""
    command = [str(osmem_server.resolve_binary()), "-no-ja", "-addr", "127.0.0.1:0"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            line = next(line for line in process.stdout if line.startswith("{"))
            yield str(json.loads(line)["url"])
        finally:
            process.terminate()
