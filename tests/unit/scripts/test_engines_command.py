"""The command `scripts/engines`, on engines that are given by their variables: none is started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.enginelib.table import ENGINES
from tests.support.processes import until

COMMAND = [sys.executable, str(Path(__file__).resolve().parents[3] / "scripts" / "engines")]
NOBODY = "http://127.0.0.1:9"
GIVEN = {engine.variable: NOBODY for engine in ENGINES.values()}


def _engines(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, env={**os.environ, **GIVEN, **environment}, check=False
    )


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def test_addresses_are_for_programs_and_what_they_are_for_people() -> None:
    done = _engines("up", "redis", "minio")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [f"ASSETRY_TEST_REDIS_URL={NOBODY}", f"ASSETRY_TEST_S3_URL={NOBODY}"]
    assert "redis: unknown server (set by ASSETRY_TEST_REDIS_URL)" in done.stderr
    assert json.loads(_engines("urls", "--json", "redis").stdout) == {"redis": NOBODY}


def test_what_does_not_run_is_said() -> None:
    done = _engines("urls", "redis", "minio", ASSETRY_TEST_REDIS_URL="")
    assert done.returncode == 1
    assert done.stdout == f"ASSETRY_TEST_S3_URL={NOBODY}\n"
    assert "redis: not running; start it with scripts/engines up redis" in done.stderr


def test_what_is_missing_is_said_and_the_others_are_there(tmp_path: Path) -> None:
    done = _engines("up", "redis", "minio", ASSETRY_TEST_REDIS_URL="", PATH=str(tmp_path))
    assert done.returncode == 3
    assert done.stdout == f"ASSETRY_TEST_S3_URL={NOBODY}\n"
    assert "redis: requires `redis-server` on PATH" in done.stderr


def test_a_home_that_can_not_be_written_to_stops_what_needs_it_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    java = tmp_path / "java"
    (java / "bin").mkdir(parents=True)
    (java / "bin" / "java").touch()
    (java / "release").write_text('JAVA_VERSION="21.0.1"\n')
    lacking = {"ASSETRY_TEST_OPENSEARCH_URL": "", "ASSETRY_TEST_S3_URL": "", "PATH": str(tmp_path)}
    done = _engines("up", JAVA_HOME=str(java), XDG_CACHE_HOME=str(tmp_path / "file" / "cache"), **lacking)
    assert (done.returncode, "Traceback" in done.stderr) == (3, False), done.stderr
    for name in ("opensearch", "minio"):
        assert f"{name}: requires a folder for programs: {tmp_path}/file/cache/assetry: " in done.stderr
    assert "XDG_CACHE_HOME" in done.stderr
    assert f"ASSETRY_TEST_REDIS_URL={NOBODY}" in done.stdout


def test_a_start_that_is_ended_ends_what_it_started(tmp_path: Path) -> None:
    """By Ctrl-C, or by whoever runs it: the engine is a process of its own and would stay."""
    program = tmp_path / "redis-server"
    program.write_text(
        f"#!/bin/sh\necho $$ > {tmp_path}/pid.new\nmv {tmp_path}/pid.new {tmp_path}/pid\nexec sleep 60\n"
    )
    program.chmod(0o755)
    environment = os.environ | GIVEN | {"ASSETRY_TEST_REDIS_URL": "", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for number in (signal.SIGTERM, signal.SIGINT):
        command = [*COMMAND, "run", "redis", "--", "true"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as run:
            until((tmp_path / "pid").exists, "the engine is being started")
            run.send_signal(number)
            assert run.stderr is not None
            assert "Traceback" not in run.stderr.read()
            assert run.wait(30) == 128 + number  # it does not wait for a start that nobody wants
        pid = int((tmp_path / "pid").read_text())
        (tmp_path / "pid").unlink()
        assert not Path(f"/proc/{pid}").exists()


def test_a_command_has_the_addresses_and_its_status_is_ours() -> None:
    code = "import os, sys; print(os.environ['ASSETRY_TEST_REDIS_URL']); sys.exit(7)"
    done = _engines("run", "redis", "--", sys.executable, "-c", code)
    assert (done.returncode, done.stdout) == (7, f"{NOBODY}\n")
    killed = _engines("run", "redis", "--", sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")
    assert killed.returncode == 128 + signal.SIGKILL
    assert _engines("run", "redis", "--", "no-such-program").returncode == 127


def test_a_request_to_end_goes_on_to_the_command() -> None:
    code = "import signal, sys; signal.signal(15, lambda *_: sys.exit(5)); print('on', flush=True); signal.pause()"
    command = [*COMMAND, "run", "redis", "--", sys.executable, "-c", code]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | GIVEN
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "on\n"
        run.terminate()
        assert run.wait(20) == 5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("up", "mysql"), "unknown engine mysql"),
        (("run", "redis"), "`-- COMMAND …` is required for `run`"),
        (("up", "redis", "--", "true"), "`-- COMMAND …` is required for `run`"),
        (("up", "--docker"), "--docker can only be used with `run`"),
        (("run", "--docker", "toxiproxy", "--", "true"), "unknown engine toxiproxy"),
    ],
    ids=str,
)
def test_wrong_use(words: tuple[str, ...], said: str) -> None:
    done = _engines(*words)
    assert done.returncode == 2
    assert said in done.stderr


def test_without_docker_one_line_says_so() -> None:
    done = _engines("run", "--docker", "--", "true", DOCKER_HOST="tcp://127.0.0.1:9")
    assert done.returncode == 3
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("docker: no Docker engine responds")
