"""What doctor says of the machine, the data folder and the embedded engine."""

from __future__ import annotations

import os
import pwd
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import osmem_server
import pytest

from service.adapters.local import checks
from service.adapters.local.data_folder import DataFolder
from service.ports.checks import Check, Health

Patch = Callable[[pytest.MonkeyPatch, Path], None]


def nothing(patch: pytest.MonkeyPatch, place: Path) -> None:
    """Leave everything as it is."""


def others_may_enter(patch: pytest.MonkeyPatch, place: Path) -> None:
    place.mkdir()
    (place / "assetry.db").touch()
    place.chmod(0o755)


def is_a_file(patch: pytest.MonkeyPatch, place: Path) -> None:
    place.write_text("no folder")


def little_space(patch: pytest.MonkeyPatch, place: Path) -> None:
    patch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=checks.LITTLE_SPACE - 1))


@pytest.mark.parametrize(
    ("state", "health", "found", "fix"),
    [
        (nothing, Health.OK, "(no store yet), ", ""),
        (others_may_enter, Health.WARNING, "other users of this machine may enter it", "chmod 700"),
        (is_a_file, Health.FAILED, "", "make it writable for this user"),
        (little_space, Health.WARNING, "2.0 GiB free", "free disk space"),
    ],
)
def test_each_state_of_the_data_folder_has_its_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: Patch, health: Health, found: str, fix: str
) -> None:
    place = tmp_path / "data"
    state(monkeypatch, place)
    (check,) = checks.data_folder(DataFolder(place))
    assert check.health is health
    assert found in check.found
    assert str(place) in check.found
    assert fix in check.fix
    assert bool(check.setting) is (health is not Health.OK)
    assert place.exists() is (state in (others_may_enter, is_a_file)), "a check leaves nothing behind"


def account(name: str, number: int, shell: str) -> Any:
    return SimpleNamespace(pw_name=name, pw_uid=number, pw_shell=shell)


ROOT = account("root", 0, "/bin/bash")
SELF = account("me", os.geteuid(), "/bin/bash")
DAEMON = account("daemon", 70001, "/usr/sbin/nologin")
SOMEBODY = account("somebody", 70002, "/bin/zsh")


@pytest.mark.parametrize(
    ("accounts", "health"),
    [([ROOT, SELF, DAEMON], Health.OK), ([ROOT, SELF, DAEMON, SOMEBODY], Health.WARNING)],
)
def test_the_embedded_engine_is_said_to_be_open_to_who_can_log_in(
    monkeypatch: pytest.MonkeyPatch, accounts: list[Any], health: Health
) -> None:
    monkeypatch.setattr(pwd, "getpwall", lambda: accounts)
    version, access = checks.embedded_search()
    assert (version.health, access.health) == (Health.OK, health)
    assert "without a password" in access.found
    assert "OpenSearch" in access.fix


def gone() -> Path:
    raise RuntimeError("no binary for this platform")


@pytest.mark.parametrize("missing", [True, False])
def test_an_engine_that_cannot_run_is_said_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: bool
) -> None:
    binary = tmp_path / "osmem-server"
    binary.write_text("not executable")
    binary.chmod(0o600)
    monkeypatch.setattr(osmem_server, "resolve_binary", gone if missing else lambda: binary)
    (check,) = checks.embedded_search()
    assert check.health is Health.FAILED
    assert ("no osmem-server for" if missing else "is not executable") in check.found
    assert check.setting == "ASSETRY_OPENSEARCH_URL"


@pytest.mark.parametrize(
    ("soft", "health", "found"),
    [(256, Health.WARNING, "at most 256"), (65536, Health.OK, "at most 65536"), (-1, Health.OK, "no limit")],
)
def test_few_open_files_are_said(monkeypatch: pytest.MonkeyPatch, soft: int, health: Health, found: str) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (soft, 1_048_576))
    named: dict[str, Check] = {check.name: check for check in checks.machine()}
    assert (named["open files"].health, named["python"].health) == (health, Health.OK)
    assert found in named["open files"].found
