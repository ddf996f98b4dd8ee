"""Exit codes of the command line: one table."""

from __future__ import annotations

from query.errors import QueryError
from service import errors as e

OK = 0
PROBLEMS = 1
USAGE = 2
SETTINGS = 3
UNAVAILABLE = 4
INTERRUPTED = 130

FAILED = 2
"""The exit code of ``assetry index …`` if it could not complete: wrong usage, or an engine that is down."""

EXIT_CODES: dict[int, str] = {
    OK: "success",
    PROBLEMS: "completed with problems: some files could not be imported, the id was not found, a check failed",
    USAGE: "invalid command line or query",
    SETTINGS: "invalid setting or environment; the message names it",
    UNAVAILABLE: "an engine or the data folder is unavailable; try again",
    INTERRUPTED: "interrupted by Ctrl-C; everything reported so far is done, and the command can be run again",
}

INDEX_EXIT_CODES: dict[int, str] = {
    OK: "success, no differences",
    PROBLEMS: "differences were found (even if repaired), the swap was refused, dead letters remain, or not ready",
    FAILED: "could not run: an engine is down, there is no index, another process already runs it, or invalid usage",
    SETTINGS: EXIT_CODES[SETTINGS],
    INTERRUPTED: "interrupted; progress is kept, and running the command again resumes it",
}
"""The exit codes of ``assetry index status | verify | reindex | rollback | purge | dead-letters | resume``."""


def exit_code(error: Exception) -> int:
    """Return the exit code for an error."""
    match error:
        case e.SettingsError():
            return SETTINGS
        case e.Unavailable() | e.HistoryLost():
            return UNAVAILABLE
        case e.NotFound():
            return PROBLEMS
        case e.AssetryError() | QueryError():
            return USAGE
    return PROBLEMS


def index_exit_code(error: Exception) -> int:
    """Return the exit code of an index command for an error, so that schedulers can tell problems from outages.

    An engine that does not respond at startup is a settings error for other commands; here it is an outage.
    """
    return SETTINGS if isinstance(error, e.SettingsError) and not isinstance(error, e.Unreachable) else FAILED
