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

COULD_NOT = 2
"""What ``assetry index …`` answers when it comes to no verdict: wrong usage, and engines that are away."""

EXITS: dict[int, str] = {
    OK: "done, and nothing to report",
    FOUND: "done, but not all is well: some files could not be imported, nothing matches the id, not ready",
    USAGE: "the command line or the query is wrong",
    SETTINGS: "a setting or the environment is wrong; the message names it",
    UNAVAILABLE: "an engine or the data folder cannot be reached; try again",
    INTERRUPTED: "interrupted by Ctrl-C; what was reported is done, and the command can be run again",
}

INDEX_EXITS: dict[int, str] = {
    OK: "clean, or done",
    FOUND: "differences were found (also with --repair), a swap was refused, documents are refused still, not ready",
    COULD_NOT: "it could not run: an engine does not answer, there is no index, another process is at it, wrong usage",
    SETTINGS: EXITS[SETTINGS],
    INTERRUPTED: "interrupted; what was done is kept, and running it again goes on",
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
            return FOUND
        case e.AssetryError() | QueryError():
            return USAGE
    return FOUND


def index_exit_code(error: Exception) -> int:
    """Return the exit code of an index command for an error: whoever schedules it tells findings from outages.

    An engine that does not answer at the start is a fault of the settings elsewhere; here it is an outage.
    """
    return SETTINGS if isinstance(error, e.SettingsError) and not isinstance(error, e.Unreachable) else COULD_NOT
