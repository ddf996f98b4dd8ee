from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from service import errors as e
from service import exits
from service.cli import app
from service.commands import indexing


@pytest.mark.parametrize(
    ("error", "code", "of_the_index"),
    [
        (e.SettingsError("ASSETRY_X", "is wrong"), exits.SETTINGS, exits.SETTINGS),
        (e.Unreachable("ASSETRY_X", "nothing listens"), exits.SETTINGS, exits.COULD_NOT),
        (e.Unavailable("search", "no answer"), exits.UNAVAILABLE, exits.COULD_NOT),
        (e.HistoryLost("gone"), exits.UNAVAILABLE, exits.COULD_NOT),
        (e.InvalidInput("no such index"), exits.USAGE, exits.COULD_NOT),
    ],
)
def test_what_an_error_exits_with(error: Exception, code: int, of_the_index: int) -> None:
    assert (exits.exit_code(error), exits.index_exit_code(error)) == (code, of_the_index)


def test_a_fault_of_ours_is_no_verdict_of_an_index_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    async def fails(*args: object, **options: object) -> int:
        raise KeyError("a fault of ours")

    monkeypatch.setattr(indexing, "verify", fails)
    done = CliRunner().invoke(app, ["index", "verify", "--data", str(tmp_path)])
    assert done.exit_code == exits.COULD_NOT
    assert "a fault of ours" in capsys.readouterr().err + done.output


def test_index_commands_have_codes_that_all_commands_have() -> None:
    assert set(exits.INDEX_EXITS) < set(exits.EXITS)
