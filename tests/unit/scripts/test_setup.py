"""`scripts/setup` in a folder of its own, with a program that does what it asks of Python, and notes it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

SETUP = Path(__file__).resolve().parents[3] / "scripts" / "setup"

PYTHON = """\
#!{real}
import os, pathlib, shutil, sys, time

def note(what):
    with open("said", "a") as said:
        print("{version}", what, file=said)

words = sys.argv[1:]
if words == ["--version"]:
    print("Python {version}")
elif words[0] == "-c" and "import pip" not in words[1]:
    if "fcntl" in words[1]:
        note("asks")
    exec(words[1])
elif words[:2] == ["-m", "venv"]:
    (programs := pathlib.Path(words[2]) / "bin").mkdir(parents=True)
    shutil.copy(__file__, programs / "python")
elif words[:2] == ["-m", "pip"]:
    note("begins")
    late = time.monotonic() + 10
    while open("said").read().count("asks") < int(os.environ.get("RUNS", "0")) and time.monotonic() < late:
        time.sleep(0.01)
    note("ends")
    sys.exit("no such index" if "PIP_FAILS" in os.environ else 0)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A checkout with a blank in its name, and nothing but what the script reads."""
    made = tmp_path / "a checkout"
    (made / "scripts").mkdir(parents=True)
    shutil.copy(SETUP, made / "scripts")
    for name in ("requirements.lock", "pyproject.toml"):
        (made / name).touch()
    return made


def _python(folder: Path, version: str, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(PYTHON.format(real=sys.executable, version=version))
    file.chmod(0o755)
    return file


def _run(home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHON", "HOME"}}
    command = [home / "scripts" / "setup"]
    return subprocess.run(command, env=kept | environment, capture_output=True, text=True, timeout=30, check=False)


def _installs(home: Path) -> list[str]:
    return [line for line in (home / "said").read_text().splitlines() if not line.endswith("asks")]


def test_the_python_that_was_chosen_is_the_one_and_stays(home: Path, tmp_path: Path) -> None:
    usual, newer = _python(tmp_path / "bin", "3.11.2", "python3"), _python(tmp_path / "newer", "3.13.1", "python3.13")
    path = f"{usual.parent}:{os.environ['PATH']}"
    assert _run(home, PATH=path).returncode == 0
    assert _run(home, PATH=path, PYTHON=str(newer)).returncode == 0
    assert "3.13.1" in (home / ".venv" / "bin" / "python").read_text()
    assert _run(home, PATH=path).returncode == 0
    assert "3.13.1" in (home / ".venv" / "bin" / "python").read_text()
    assert _installs(home) == [*["3.11.2 begins", "3.11.2 ends"] * 2, *["3.13.1 begins", "3.13.1 ends"] * 2]


def test_several_at_once_install_once(home: Path, tmp_path: Path) -> None:
    """Who came first is held up until all have asked for their turn."""
    chosen = str(_python(tmp_path / "bin", "3.12.0", "python3"))
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda _: _run(home, PYTHON=chosen, RUNS="3"), range(3)))
    assert [run.returncode for run in runs] == [0, 0, 0], [run.stderr for run in runs]
    assert _installs(home) == ["3.12.0 begins", "3.12.0 ends"] * 2


def test_an_index_that_is_not_reached_is_said(home: Path, tmp_path: Path) -> None:
    chosen = str(_python(tmp_path / "bin", "3.12.0", "python3"))
    run = _run(home, PYTHON=chosen, PIP_FAILS="yes")
    assert run.returncode == 3
    assert "no such index" in run.stderr
    assert "PIP_INDEX_URL" in run.stderr
    assert _run(home, PYTHON=chosen).returncode == 0


def test_a_python_that_is_not_there_is_said(home: Path) -> None:
    run = _run(home, PYTHON="no-such-python")
    assert (run.returncode, "Assetry needs Python 3.11 or later" in run.stderr) == (3, True)
