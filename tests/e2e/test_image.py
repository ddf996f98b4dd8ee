"""The image's first stage, without a Docker engine: each of its commands, run in a folder in the place of `/`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("/build", "/wheels", "/opt/assetry")
"""Absolute paths of the stage."""

pytestmark = pytest.mark.processes


def _instructions() -> Iterator[tuple[str, str]]:
    """Yield the first stage's (instruction, arguments)."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
    stage = text[text.index("\nFROM") : text.rindex("\nFROM")]
    for line in stage.splitlines():
        if line and not line.startswith("#"):
            name, _, rest = line.partition(" ")
            yield name, rest


def _copy(words: list[str], folder: Path) -> None:
    """Do what COPY does: a folder's content into a folder of that name, files into the working folder."""
    *sources, target = words
    for name in sources:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(ROOT / name, folder / target)


@pytest.mark.timeout(600)
def test_the_image_is_built_of_the_locks_and_runs(tmp_path: Path) -> None:
    python = tmp_path / "base"
    subprocess.run([sys.executable, "-m", "venv", python], check=True)
    build = tmp_path / "build"
    build.mkdir()
    env = {**os.environ, "PATH": f"{python / 'bin'}:{os.environ['PATH']}", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    for name, rest in _instructions():
        if name == "COPY":
            _copy(rest.split(), build)
        elif name == "RUN":
            command = re.sub("|".join(NAMES), lambda found: f"{tmp_path}{found[0]}", rest)
            done = subprocess.run(
                ["sh", "-ec", command], cwd=build, env=env, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{rest}\n{done.stdout}\n{done.stderr}"
    programs = tmp_path / "opt/assetry/bin"
    shown = subprocess.run([programs / "assetry", "doctor"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    held = subprocess.run([programs / "python", "-c", "import pytest"], capture_output=True, check=False)
    assert held.returncode != 0, "what only tests need stays out"
