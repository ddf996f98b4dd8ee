from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from service import errors as e
from service.cli import exit_codes
from service.cli.commands import indexing
from service.cli.main import app


@pytest.mark.parametrize(
    ("error", "code", "of_the_index"),
    [
        (e.SettingsError("ASSETRY_X", "is wrong"), exit_codes.SETTINGS, exit_codes.SETTINGS),
        (e.Unreachable("ASSETRY_X", "nothing listens"), exit_codes.SETTINGS, exit_codes.FAILED),
        (e.Unavailable("search", "no answer"), exit_codes.UNAVAILABLE, exit_codes.FAILED),
        (e.HistoryLost("gone"), exit_codes.UNAVAILABLE, exit_codes.FAILED),
        (e.InvalidInput("no such index"), exit_codes.USAGE, exit_codes.FAILED),
    ],
)
def test_what_an_error_exits_with(error: Exception, code: int, of_the_index: int) -> None:
    assert (exit_codes.exit_code(error), exit_codes.index_exit_code(error)) == (code, of_the_index)


def test_a_fault_of_ours_is_no_verdict_of_an_index_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    async def fails(*args: object, **options: object) -> int:
        raise KeyError("a fault of ours")

    monkeypatch.setattr(indexing, "verify", fails)
    done = CliRunner().invoke(app, ["index", "verify", "--data", str(tmp_path)])
    assert done.exit_code == exit_codes.FAILED
    assert "a fault of ours" in capsys.readouterr().err + done.output


def test_index_commands_have_codes_that_all_commands_have() -> None:
    assert set(exit_codes.INDEX_EXIT_CODES) < set(exit_codes.EXIT_CODES)
