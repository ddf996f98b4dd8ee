"""``assetry doctor`` and ``assetry db init``: what they look at, say and leave behind."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import answer, command
from tests.support.places import given, removed

pytestmark = pytest.mark.processes

REFUSED = "127.0.0.1:9"  # the discard port: nothing listens there
AWAY = {
    "ASSETRY_MONGODB_URL": f"mongodb://kim:correct-horse@{REFUSED}/",
    "ASSETRY_OPENSEARCH_URL": f"http://kim:correct-horse@{REFUSED}",
    "ASSETRY_S3_URL": f"http://kim:correct-horse@{REFUSED}",
    "ASSETRY_REDIS_URL": f"redis://:correct-horse@{REFUSED}",
}
PORTS = {
    "ASSETRY_MONGODB_URL": "store",
    "ASSETRY_OPENSEARCH_URL": "search",
    "ASSETRY_S3_URL": "files",
    "ASSETRY_REDIS_URL": "jobs",
}


def by_health(report: Any, health: str) -> set[tuple[str, str]]:
    return {(check["engine"], check["name"]) for check in report["checks"] if check["health"] == health}


def test_the_embedded_set_up_is_well(tmp_path: Path) -> None:
    report = answer("doctor", "--data", tmp_path / "data")
    assert report["ok"] is True
    assert {
        ("machine", "python"),
        ("machine", "data folder"),
        ("store", "version"),
        ("search", "version"),
    } <= by_health(report, "ok")
    assert "0 failed" in command("doctor", "--data", tmp_path / "data").stdout


def test_a_setting_with_a_mistyped_name_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSETRY_MONGO_URL", "mongodb://host")
    report = answer("doctor", "--data", tmp_path / "data")
    (said,) = (check for check in report["checks"] if check["name"] == "settings")
    assert (said["found"], said["fix"]) == ("ASSETRY_MONGO_URL is not a setting", "use ASSETRY_MONGODB_URL")
    assert said["health"] == "warning"


def test_a_data_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    report = answer("doctor", "--data", tmp_path / "file" / "data", code=1)
    assert by_health(report, "failed") == {("machine", "data folder")}
    (failed,) = (check for check in report["checks"] if check["health"] == "failed")
    assert failed["fix"]
    assert failed["setting"] == "ASSETRY_DATA"


def test_engines_that_are_away_are_failed_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, url in AWAY.items():
        monkeypatch.setenv(name, url)
    done = command("doctor", "--data", tmp_path / "data", "--json", check=False)
    assert done.returncode == 1
    assert "correct-horse" not in done.stdout + done.stderr
    report = answer("doctor", "--data", tmp_path / "data", code=1)
    assert {engine for engine, _ in by_health(report, "failed")} == set(PORTS.values())
    assert all(check["fix"] for check in report["checks"] if check["health"] != "ok")
    words = command("doctor", "--data", tmp_path / "data", check=False).stdout
    assert "FAILED" in words


def test_a_set_up_that_can_not_grow_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSETRY_MONGODB_URL", AWAY["ASSETRY_MONGODB_URL"])
    report = answer("doctor", "--data", tmp_path / "data", code=1)
    assert {("search", "sharing"), ("files", "sharing")} <= by_health(report, "warning")


def test_embedded_engines_need_no_set_up(tmp_path: Path) -> None:
    assert answer("db", "init", "--data", tmp_path / "data") == {"dry_run": False, "targets": [], "steps": []}
    assert "Nothing to do" in command("db", "init", "--data", tmp_path / "data").stdout
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("setting", ["ASSETRY_MONGODB_URL", "ASSETRY_S3_URL"])
def test_a_set_up_needs_its_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv(setting, AWAY[setting])
    for arguments in (("db", "init"), ("db", "init", "--dry-run")):
        done = command(*arguments, "--data", tmp_path / "data", check=False)
        assert (done.returncode, done.stderr.count("\n")) == (3, 1)
        assert setting in done.stderr
        assert REFUSED in done.stderr


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Set the engines that the run was given, at a place of this test's own; give their ports."""
    name = f"doctor-{uuid.uuid4().hex[:12]}"
    environment = given(name)
    if not environment:
        pytest.skip("no engine is given by ASSETRY_TEST_… (scripts/engines up)")
    for setting, value in environment.items():
        monkeypatch.setenv(setting, value)
    yield {PORTS[setting] for setting in environment if setting in PORTS}
    removed(name)


@pytest.mark.engines
def test_a_set_up_is_planned_made_and_then_there(tmp_path: Path, real: set[str]) -> None:
    data = tmp_path / "data"
    planned = answer("db", "init", "--dry-run", "--data", data)["steps"]
    assert {step["engine"] for step in planned} == real & {"store", "files"}
    assert answer("db", "init", "--dry-run", "--data", data)["steps"] == planned
    assert answer("db", "init", "--data", data)["steps"] == planned
    assert answer("db", "init", "--data", data)["steps"] == []
    report = answer("doctor", "--data", data)
    assert real <= {check["engine"] for check in report["checks"]}
