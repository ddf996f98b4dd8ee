"""`.ci/run` on a machine of another user, with programs that note how they are called in place of the real ones."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.enginelib.faults import Missing
from scripts.enginelib.java import java_home
from scripts.enginelib.opensearch import JAVA

ROOT = Path(__file__).resolve().parents[3]


def _program(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


@pytest.mark.parametrize("version", ["17.0.1", "21.0.1"])
def test_packages_are_asked_for_without_a_question(
    tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, said = tmp_path / "home", tmp_path / "said"
    shutil.copytree(ROOT / ".ci", home / ".ci")
    shutil.copytree(ROOT / "scripts" / "enginelib", home / "scripts" / "enginelib")
    for name in ("demo", "check", "audit", "test", "engines"):
        _program(home / "scripts" / name, "exit 0")
    programs = tmp_path / "bin"
    _program(programs / "id", "echo 1000")
    _program(programs / "dpkg", "exit 1")
    _program(programs / "sudo", f'echo "sudo $@" >> {said}; [ "$1" = -n ] && shift; exec "$@"')
    _program(programs / "apt-get", f'echo "$DEBIAN_FRONTEND $@" >> {said}; ! read -r answer')
    _program(tmp_path / "java" / "bin" / "java", "")
    (tmp_path / "java" / "release").write_text(f'JAVA_VERSION="{version}"\n')
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "java"))
    monkeypatch.delenv("OPENSEARCH_JAVA_HOME", raising=False)
    done = subprocess.run([home / ".ci" / "run"], input="y\n" * 99, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all there" in done.stdout
    calls = said.read_text().splitlines()
    assert all(line.startswith(("sudo -n env ", "noninteractive ")) for line in calls), calls
    installed = {line.split()[-1] for line in calls if " install " in line}
    assert "redis-server" in installed
    assert ("openjdk-21-jre-headless" in installed) is not _has_java()


def _has_java() -> bool:
    try:
        return java_home(JAVA).is_dir()
    except Missing:
        return False
