"""An index that somebody lays hands on, for tests of what an operator then does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.commands import answer


def filled(place: Path, count: int = 40) -> Path:
    """Return a data folder with so many assets that nobody has indexed yet."""
    files = place / "files"
    files.mkdir()
    for number in range(count):
        (files / f"note{number}.txt").write_text(f"Note number {number} of the zeppelin")
    assert answer("import", files, "--data", place / "data")["imported"] == count
    return place / "data"


class Hands:
    """Somebody who writes to an engine behind the indexer's back."""

    def __init__(self, url: str, alias: str) -> None:
        self._url = url
        self.alias = alias

    @property
    def index(self) -> str:
        """The physical index that searches see."""
        (name,) = self._ask("GET", f"/_alias/{self.alias}").raise_for_status().json()
        return str(name)

    def remove(self, asset_id: str) -> None:
        """Take a document out."""
        self._ask("DELETE", f"/{self.index}/_doc/{asset_id}").raise_for_status()

    def put(self, asset_id: str, version: int, **changes: Any) -> None:
        """Write a document, the one that is there with changes, at a version."""
        held = self._ask("GET", f"/{self.index}/_doc/{asset_id}").json().get("_source", {})
        document = {"asset_id": asset_id, "deleted": False, **held, **changes}
        params: Mapping[str, Any] = {"version": version, "version_type": "external_gte"}
        self._ask("PUT", f"/{self.index}/_doc/{asset_id}", json=document, params=params).raise_for_status()

    def tamper(self) -> dict[str, int]:
        """Make one difference of each class that hands can make; return what a verify has to count."""
        self.remove("asset_1")
        self.put("asset_2", 7)
        self.put("asset_3", 1, title="Somebody else's title")
        self.put("ghost", 1, title="Nobody's")
        return {"missing": 1, "stale": 0, "ahead": 1, "orphan": 1, "body": 1}

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return httpx.request(method, self._url + path, timeout=30, **options)


@contextmanager
def begun(*arguments: str | Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command that may take a while, and end it with the block."""
    command = [sys.executable, "-m", "service", *map(str, arguments)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
