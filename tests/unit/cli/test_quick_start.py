"""Commands about the index start without the parts of the service that they do not use, which take most of the time."""

from __future__ import annotations

import subprocess
import sys

import pytest

UNUSED = ("starlette", "pypdf", "mutagen", "PIL", "service.ingest", "service.api.kernel", "service.core.assets")


@pytest.mark.parametrize("command", ["index_status", "indexing"])
def test_a_command_about_the_index_imports_neither_the_api_nor_the_readers_of_files(command: str) -> None:
    code = f"import sys, service.cli.commands.{command}; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in UNUSED if name in out] == []
