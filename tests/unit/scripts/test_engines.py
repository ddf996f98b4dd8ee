"""Engines that are started and ended: with a small server in place of a real one."""

from __future__ import annotations

import os
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.enginelib import daemon
from scripts.enginelib.daemon import Daemon
from scripts.enginelib.engine import Engine
from scripts.enginelib.faults import Failed, Missing
from scripts.enginelib.java import java_home

VARIABLE = "ASSETRY_TEST_SMALL_URL"
SERVER = """
import http.server
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
open("port", "w").write(str(server.server_port))
server.serve_forever()
"""


@dataclass
class Small:
    """A web server; `code` is what its process runs."""

    code: str = SERVER
    start_seconds: float = 20.0
    starts: int = 0

    def launch(self, folder: Path) -> Daemon:
        self.starts += 1
        return Daemon.start([sys.executable, "-c", self.code], folder, {})

    def ready(self, folder: Path) -> str | None:
        try:
            url = f"http://127.0.0.1:{int((folder / 'port').read_text())}"
            with urllib.request.urlopen(url, timeout=5):
                return url
        except (OSError, ValueError):
            return None


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(daemon, "owner", lambda: None)  # whom root's engines run as can not read pytest's folders
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def small() -> Iterator[Engine]:
    engine = Engine("small", VARIABLE, Small())
    yield engine
    engine.down()


def test_an_engine_is_started_once_and_ended_once(small: Engine, tmp_path: Path) -> None:
    assert small.url() is None
    url = small.up()
    assert small.up() == url == small.url()
    assert isinstance(small.kind, Small)
    assert small.kind.starts == 1
    assert small.down()
    assert small.url() is None
    assert not small.down()
    assert not list(tmp_path.rglob("instance"))


def test_one_that_died_is_started_again(small: Engine, tmp_path: Path) -> None:
    url = small.up()
    (state,) = tmp_path.rglob("pid.json")
    running = Daemon(int(state.read_text().split(":")[1].split(",")[0]), "", tmp_path)
    os.kill(running.pid, 9)
    os.waitpid(running.pid, 0)
    assert small.url() is None
    assert small.up() != url


def test_the_id_of_another_process_is_left_alone(small: Engine, tmp_path: Path) -> None:
    """An id that the system has given away since is that of no engine."""
    small.up()
    (state,) = tmp_path.rglob("pid.json")
    kept = state.read_text()
    state.write_text(f'{{"pid": {os.getpid()}, "mark": "1"}}')
    assert small.url() is None
    assert not Daemon(os.getpid(), "1", tmp_path / "log").alive()
    state.write_text(kept)
    assert small.url() is not None


def test_what_an_engine_says_when_it_does_not_start_is_shown() -> None:
    engine = Engine("small", VARIABLE, Small("raise SystemExit('no room on the disk')"))
    with pytest.raises(Failed, match=r"(?s)ended while it started.*no room on the disk"):
        engine.up()


def test_one_of_yours_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, "http://127.0.0.1:9200")
    engine = Engine("small", VARIABLE, Small())
    assert engine.up() == engine.url() == "http://127.0.0.1:9200"
    assert not list(tmp_path.iterdir())


def _java(folder: Path, version: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "java").touch()
    (folder / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return folder


def test_the_first_java_that_is_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENSEARCH_JAVA_HOME", str(_java(tmp_path / "old", "1.8.0_402")))
    monkeypatch.setenv("JAVA_HOME", str(_java(tmp_path / "new", "25.0.1")))
    assert java_home(21) == tmp_path / "new"


def test_no_java_is_said_with_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENSEARCH_JAVA_HOME", str(_java(tmp_path / "old", "17.0.15")))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "none"))
    with pytest.raises(Missing, match=r"needs Java 99 or later; found .*old \(17\).*none \(no Java\)"):
        java_home(99)
