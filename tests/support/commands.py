"""The command line in the test's own process: what a command prints and its exit code, without starting a Python.

Starting one costs a second of processor time. What a start, a signal or a kill means is for real processes:
`tests.support.processes`.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

from service.cli.main import main

Done = subprocess.CompletedProcess[str]


def command(*arguments: str | Path, check: bool = True) -> Done:
    """Run ``assetry ARGUMENT…`` to its end; with `check` its exit code has to be 0."""
    words = ["assetry", *map(str, arguments)]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with mock.patch.object(sys, "argv", words), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    done = Done(words, code, out.getvalue(), err.getvalue())
    assert not check or done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


def answer(*arguments: str | Path, code: int = 0) -> Any:
    """Run a command with --json, which has to end with this exit code, and return what it printed."""
    done = command(*arguments, "--json", check=False)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)
