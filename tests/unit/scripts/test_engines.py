"""Engines that are started and ended: with a small server in place of a real one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.enginelib import group, instances
from scripts.enginelib.daemon import Daemon, _stat
from scripts.enginelib.engine import Engine
from scripts.enginelib.faults import Failed, Missing
from scripts.enginelib.java import java_home
from scripts.enginelib.places import free_port, kept_port

VARIABLE = "ASSETRY_TEST_SMALL_URL"
SERVER = """
import http.server, sys
open("starts", "a").write("x")
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@dataclass
class Small:
    """A web server; `code` is what its process runs, `lacks` what the machine has not."""

    code: str = SERVER
    lacks: str = ""
    start_seconds: float = 20.0
    starts: int = 0

    def obtain(self) -> str:
        if self.lacks:
            raise Missing(f"needs {self.lacks}")
        return "made for tests"

    def launch(self, folder: Path) -> Daemon:
        self.starts += 1
        return Daemon.start([sys.executable, "-c", self.code, str(kept_port(folder))], folder, {})

    def ready(self, folder: Path) -> str | None:
        url = f"http://127.0.0.1:{kept_port(folder)}"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return url
        except OSError:
            return None

    def describe(self, url: str) -> str:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.headers["Server"]).split("/")[0]


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
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


def test_the_last_of_several_at_once_ends_what_the_first_started(small: Engine, tmp_path: Path) -> None:
    me = Daemon.this(tmp_path / "log")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        other = Daemon(process.pid, (_stat(process.pid) or ("", ""))[1], tmp_path / "log")
        (first,) = group.started([small], other)
        (second,) = group.started([small], me)
        assert first.url == second.url == small.url()
        group.left([small], me)
        assert small.url() == first.url, "the other one still uses it"
        group.started([small], me)
        process.communicate(b"\n")  # it ends without a word, as by a kill
    group.left([small], me)
    assert small.url() is None


def test_what_somebody_asked_for_stays_when_its_users_leave(small: Engine, tmp_path: Path) -> None:
    me = Daemon.this(tmp_path / "log")
    small.up(me)
    url = small.up()
    group.left([small], me)
    assert small.url() == url
    small.up(me)
    group.left([small], me)
    assert small.url() == url


def test_one_that_died_is_started_again(small: Engine, tmp_path: Path) -> None:
    small.up()
    (state,) = tmp_path.rglob("pid.json")
    Daemon(int(json.loads(state.read_text())["pid"]), json.loads(state.read_text())["mark"], tmp_path).kill()
    assert small.url() is None
    assert small.up() == small.url()
    assert isinstance(small.kind, Small)
    assert small.kind.starts == 2


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
    with pytest.raises(Failed, match=r"(?s)exited while starting.*no room on the disk"):
        engine.up()


def test_one_of_yours_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, "http://127.0.0.1:9200")
    engine = Engine("small", VARIABLE, Small())
    assert engine.up() == engine.url() == "http://127.0.0.1:9200"
    assert not list(tmp_path.iterdir())


def test_an_engine_says_what_it_is_and_where_it_is_from(small: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    url = small.up()
    assert small.about(url) == "SimpleHTTP (made for tests)"
    monkeypatch.setenv(VARIABLE, url)
    assert small.about(url) == "SimpleHTTP (made for tests)"
    monkeypatch.setenv(VARIABLE, "http://127.0.0.1:9")
    assert small.about("http://127.0.0.1:9") == f"unknown server (set by {VARIABLE})"


def test_one_that_is_missing_does_not_stop_the_others(small: Engine) -> None:
    lost = Engine("lost", "ASSETRY_TEST_LOST_URL", Small(lacks="a thing"))
    broken = Engine("broken", "ASSETRY_TEST_BROKEN_URL", Small("raise SystemExit(1)"))
    outcomes = group.started([lost, small, broken])
    assert [type(outcome.fault) for outcome in outcomes] == [Missing, type(None), Failed]
    assert [outcome.url for outcome in outcomes] == [None, small.url(), None]
    assert [outcome.url for outcome in group.running([lost, small])] == [None, small.url()]
    assert group.ended([lost, small]) == [(lost, False), (small, True)]


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Engine]:
    table = {"small": Engine("small", VARIABLE, Small())}
    monkeypatch.setattr(instances, "ENGINES", table)
    return table


@pytest.mark.usefixtures("known")
def test_an_instance_is_killed_and_comes_back_where_it_was(tmp_path: Path) -> None:
    with instances.fresh("small") as one, instances.fresh("small") as other:
        assert one.url != other.url
        first = one.pid
        one.kill()
        assert [one.alive, other.alive] == [False, True]
        one.restart()
        assert one.pid != first
        assert (one.folder / "starts").read_text() == "xx"
        with urllib.request.urlopen(one.url, timeout=5) as answer:
            assert answer.status == 200
    assert [one.alive, other.alive] == [False, False]
    assert not list(tmp_path.rglob("fresh-*"))


@pytest.mark.usefixtures("known")
def test_an_instance_hangs_and_goes_on() -> None:
    with instances.fresh("small") as small:
        small.pause()
        assert small.alive
        with pytest.raises(TimeoutError):
            urllib.request.urlopen(small.url, timeout=0.3)
        small.resume()
        with urllib.request.urlopen(small.url, timeout=5) as answer:
            assert answer.status == 200
        small.pause()
        small.restart()
        with urllib.request.urlopen(small.url, timeout=5) as answer:
            assert answer.status == 200
        small.pause()


@pytest.mark.usefixtures("known")
def test_what_a_killed_test_left_is_ended(tmp_path: Path) -> None:
    with instances.fresh("small") as small:
        assert instances.sweep() == 0
        state = small.folder.parent / "pid.json"
        state.write_text(json.dumps(json.loads(state.read_text()) | {"owner_mark": "of a process that is gone"}))
        assert instances.sweep() == 1
        assert not small.alive
        assert not list(tmp_path.rglob("fresh-*"))


@pytest.mark.usefixtures("known")
def test_a_test_does_not_start_what_the_machine_lacks(known: Mapping[str, Engine], tmp_path: Path) -> None:
    assert isinstance(known["small"].kind, Small)
    known["small"].kind.lacks = "a thing"
    with pytest.raises(Missing, match="needs a thing"), instances.fresh("small"):
        pytest.fail("it was started")
    assert not list(tmp_path.rglob("fresh-*"))


def test_ports_are_none_that_an_outgoing_connection_is_given(tmp_path: Path) -> None:
    assert free_port() < 32_000
    assert kept_port(tmp_path) == kept_port(tmp_path)
    assert kept_port(tmp_path, "other") != kept_port(tmp_path)


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
    with pytest.raises(Missing, match=r"requires Java 99 or later; found .*old \(17\).*none \(no Java\)"):
        java_home(99)
