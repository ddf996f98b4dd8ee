"""The demonstration, from made files to tables, twice on the same folder."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.commands import answer
from tests.support.processes import assetry

pytestmark = pytest.mark.processes


def test_demo_once(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    first = assetry("demo", "--once", "--count", "300", "--folder", folder, "--port", "0")
    assert "300 files imported" in first.stdout
    assert first.stdout.count("GET /v1/asset-library/assets/search") == 5
    assert "API key   ak_" in first.stdout
    totals = [line for line in first.stdout.splitlines() if line.endswith(" found")]
    assert len(totals) == 5
    assert "0 found" not in totals, "every query of the demonstration finds something"
    again = assetry("demo", "--once", "--count", "300", "--folder", folder, "--port", "0")
    assert "0 files imported, 300 already present" in again.stdout
    assert [line for line in again.stdout.splitlines() if line.endswith(" found")] == totals
    assert "http://" not in again.stdout, "what has ended is not offered"
    assert f"serve --data {folder / 'data'}" in again.stdout
    assert len(answer("keys", "list", "--data", folder / "data")) == 1, "the key of the first run serves the second"


def test_a_port_that_is_given_and_taken_is_an_error_and_the_usual_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        given = assetry("demo", "--once", "--count", "20", "--folder", tmp_path, "--port", port, check=False)
        assert (given.returncode, list(tmp_path.iterdir())) == (3, [])
        assert given.stderr.startswith("error: --port: cannot listen on 127.0.0.1:")
        monkeypatch.setenv("ASSETRY_PORT", str(port))
        usual = assetry("demo", "--once", "--count", "20", "--folder", tmp_path)
        assert f"Port {port} is in use, so this listens on port " in usual.stdout
