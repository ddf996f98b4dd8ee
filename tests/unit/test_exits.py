from __future__ import annotations

import pytest

from service import errors as e
from service import exits


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


def test_index_commands_have_codes_that_all_commands_have() -> None:
    assert set(exits.INDEX_EXITS) < set(exits.EXITS)
