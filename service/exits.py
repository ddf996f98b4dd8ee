"""Exit codes of the command line: one table."""

from __future__ import annotations

from query.errors import QueryError
from service import errors as e

OK = 0
FOUND = 1
USAGE = 2
SETTINGS = 3
UNAVAILABLE = 4
INTERRUPTED = 130

EXITS: dict[int, str] = {
    OK: "done, and nothing to report",
    FOUND: "done, but not all is well: some files could not be imported, nothing matches the id, not ready",
    USAGE: "the command line or the query is wrong",
    SETTINGS: "a setting or the environment is wrong; the message names it",
    UNAVAILABLE: "an engine or the data folder can not be reached; try again",
    INTERRUPTED: "interrupted by Ctrl-C; what was reported is done, and the command can be run again",
}


def exit_code(error: Exception) -> int:
    """Return the exit code for an error."""
    match error:
        case e.SettingsError():
            return SETTINGS
        case e.Unavailable() | e.HistoryLost():
            return UNAVAILABLE
        case e.NotFound():
            return FOUND
        case e.AssetryError() | QueryError():
            return USAGE
    return FOUND
