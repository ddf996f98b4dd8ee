"""``assetry index verify`` as an operator runs it: on both kinds of engine, beside an indexer and without one."""

from __future__ import annotations

import json
import os
import pty
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.drift import Hands, filled
from tests.support.commands import answer, command
from tests.support.engine_process import osmem
from tests.support.processes import served, started, until

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    with osmem() as url:
        yield url


@pytest.fixture
def remote(engine: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Hands]:
    """Have all commands of a test use an engine that is no process's child, at an alias of the test's own."""
    alias = f"v{zlib.crc32(request.node.name.encode())}"
    monkeypatch.setenv("ASSETRY_OPENSEARCH_URL", engine)
    monkeypatch.setenv("ASSETRY_INDEX_PREFIX", alias)
    yield Hands(engine, alias)
    for name in httpx.get(f"{engine}/{alias}-*/_alias").json():
        httpx.delete(f"{engine}/{name}")


def ready(url: str) -> bool:
    return httpx.get(f"{url}/readyz", timeout=5).status_code == 200


def test_beside_a_service_with_the_embedded_engine(tmp_path: Path) -> None:
    data = filled(tmp_path)
    without = command("index", "verify", "--data", data, check=False)
    assert (without.returncode, without.stderr.count("\n")) == (2, 1)
    assert "assetry serve" in without.stderr
    with served(data) as service:
        service.until_ready()
        clean = answer("index", "verify", "--data", data)
        assert (clean["clean"], clean["checked"], clean["pending"]) == (True, 40, 0)
        hands = Hands(json.loads((data / "run" / "engine.json").read_text())["url"], "assets")
        expected = hands.tamper()
        found = answer("index", "verify", "--data", data, code=1)
        assert (found["differences"], found["repaired"]) == (expected, 0)
        assert {example["id"] for example in found["examples"]} == {"asset_1", "asset_2", "asset_3", "ghost"}
        fast = answer("index", "verify", "--fast", "--data", data, code=1)
        assert fast["differences"] == {**expected, "body": 0}
        fixed = answer("index", "verify", "--repair", "--data", data, code=1)
        assert (fixed["differences"], fixed["repaired"], fixed["left"]) == (expected, 4, 0)
        assert answer("index", "verify", "--data", data)["clean"]
        assert answer("search", "type:text", "--data", data)["total_count"] == 40


def test_without_an_indexer_what_waits_for_one_is_no_difference(tmp_path: Path, remote: Hands) -> None:
    data = filled(tmp_path)
    nothing = command("index", "verify", "--data", data, check=False)
    assert nothing.returncode == 2
    assert "no index behind the alias" in nothing.stderr
    with started(data, "index", "follow", "--port", "0") as indexer:
        until(lambda: ready(indexer.url), "the index is built")
    (tmp_path / "more.txt").write_text("One more")
    assert answer("import", tmp_path / "more.txt", "--data", data)["imported"] == 1
    remote.remove("asset_5")
    found = answer("index", "verify", "--data", data, code=1)
    assert (found["differences"]["missing"], found["pending"], found["checked"]) == (1, 1, 41)
    fixed = answer("index", "verify", "--repair", "--data", data, code=1)
    assert (fixed["repaired"], fixed["left"], fixed["pending"]) == (1, 0, 0)
    assert answer("index", "verify", "--data", data) | {"seconds": 0} == {
        "index": remote.index,
        "clean": True,
        "checked": 41,
        "differences": dict.fromkeys(("missing", "stale", "ahead", "orphan", "body"), 0),
        "repaired": 0,
        "left": 0,
        "dead_letters": 0,
        "pending": 0,
        "seconds": 0,
        "examples": [],
    }


def test_people_are_told_what_differs_and_what_to_do(tmp_path: Path, remote: Hands) -> None:
    data = filled(tmp_path, 5)
    with started(data, "index", "follow", "--port", "0") as indexer:
        until(lambda: ready(indexer.url), "the index is built")
        remote.remove("asset_2")
        told = command("index", "verify", "--data", data, check=False)
        assert told.returncode == 1
        assert "asset_2" in told.stdout
        assert "1 missing" in told.stdout
        assert "assetry index verify --repair" in told.stdout
        assert told.stderr == ""
        fixed = command("index", "verify", "--repair", "--data", data, check=False)
        assert (fixed.returncode, "1 repaired, 0 left" in fixed.stdout) == (1, True)
        assert "no differences" in command("index", "verify", "--data", data).stdout
        wrong = command("index", "verify", "--index", "nowhere", "--data", data, check=False)
        assert (wrong.returncode, "'nowhere'" in wrong.stderr) == (2, True)


def test_what_is_found_is_on_the_metrics_and_in_the_status(tmp_path: Path, remote: Hands) -> None:
    data = filled(tmp_path, 5)
    with started(data, "index", "follow", "--port", "0") as indexer:
        until(lambda: ready(indexer.url), "the index is built")
        remote.remove("asset_2")
        answer("index", "verify", "--data", data, code=1)
        line = 'assetry_index_drift{class="missing"} 1.0'
        until(lambda: line in httpx.get(f"{indexer.url}/metrics").text, "the drift is told")
        assert "assetry_index_drift_left 1.0" in httpx.get(f"{indexer.url}/metrics").text
        assert answer("index", "status", "--data", data, code=1)["last_verify"]["left"] == 1


def test_a_folder_without_a_library_is_no_empty_library(tmp_path: Path, remote: Hands) -> None:
    data = filled(tmp_path, 5)
    with started(data, "index", "follow", "--port", "0") as indexer:
        until(lambda: ready(indexer.url), "the index is built")
    wrong = tmp_path / "mistyped"
    for words in (["verify", "--repair"], ["reindex"], ["purge"], ["status"], ["resume"], ["dead-letters", "list"]):
        done = command("index", *words, "--data", wrong, check=False)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert str(wrong) in done.stderr
    assert not wrong.exists()
    assert answer("index", "verify", "--data", data)["clean"]


def test_an_engine_that_is_away_leaves_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = filled(tmp_path, 2)
    monkeypatch.setenv("ASSETRY_OPENSEARCH_URL", "http://127.0.0.1:9")
    away = command("index", "verify", "--data", data, check=False)
    assert (away.returncode, away.stderr.count("\n"), away.stdout) == (2, 1, "")
    monkeypatch.setenv("ASSETRY_OPENSEARCH_URL", "ftp://127.0.0.1")
    assert command("index", "verify", "--data", data, check=False).returncode == 3
    assert command("index", "verify", "--everything", check=False).returncode == 2


def test_a_terminal_shows_a_bar_and_a_pipe_does_not(tmp_path: Path, remote: Hands) -> None:
    data = filled(tmp_path, 5)
    with started(data, "index", "follow", "--port", "0") as indexer:
        until(lambda: ready(indexer.url), "the index is built")
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(sys.executable, [sys.executable, "-m", "service", "index", "verify", "--data", str(data)])
        shown = b""
        try:
            while part := os.read(terminal, 65536):
                shown += part
        except OSError:  # the end of a terminal's output
            os.close(terminal)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert b"verifying" in shown
        assert b"no differences" in shown
