"""The commands ``assetry index …``: follow, status, verify, reindex, rollback, purge, dead-letters, resume."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Coroutine
from typing import Annotated, Any, NoReturn

import typer

from service.cli.exit_codes import INDEX_EXIT_CODES, INTERRUPTED, index_exit_code
from service.cli.options import Data, Host, Json, OpsPort, run, run_interruptible

_EPILOG = "Exit codes: " + "; ".join(f"{code} {doc}" for code, doc in INDEX_EXIT_CODES.items()) + "."

index_app = typer.Typer(
    help="Search index: follow, status, verify, reindex, rollback, purge, dead-letters, resume.",
    epilog=_EPILOG,
    no_args_is_help=True,
)
dead_letters_app = typer.Typer(
    help="Documents rejected by the search engine: list, retry.", epilog=_EPILOG, no_args_is_help=True
)
index_app.add_typer(dead_letters_app, name="dead-letters")

Index = Annotated[str | None, typer.Option("--index", help="Index name; default: the live index.", metavar="NAME")]
DeadLettersIndex = Annotated[
    str | None, typer.Option("--index", help="Index name; default: all indexes that are written to.", metavar="NAME")
]


def _exit(work: Coroutine[Any, Any, int]) -> NoReturn:
    """Run a command and exit with its exit code, or with the exit code of its error."""
    from indexer.bulk.loop import Halted, IndexGone
    from indexer.leadership.lease import LeaseLost
    from service.cli.output import print_error
    from service.errors import AssetryError
    from service.ports.search import Rejected

    try:
        code = run_interruptible(work)
    except KeyboardInterrupt:
        typer.echo("interrupted: progress is kept; run the command again to resume", err=True)
        sys.exit(INTERRUPTED)
    except (AssetryError, Halted, IndexGone, LeaseLost) as error:
        print_error(f"error: {error}")
        sys.exit(index_exit_code(error))
    except Rejected as error:  # the engine's own message stays in the engine's log
        typer.echo(f"error: the search engine rejected a request ({error.status} {error.error_type})", err=True)
        sys.exit(index_exit_code(error))
    except BrokenPipeError:  # the reader closed the pipe
        raise
    except Exception as error:  # noqa: BLE001 - Python would exit with 1, which has a meaning here
        traceback.print_exception(error)
        sys.exit(index_exit_code(error))
    raise typer.Exit(code)


def _settings(data: Any) -> Any:
    """Return the settings of a command that prints its own results: the log is limited to errors."""
    from service import settings
    from service.runtime.logs import configure

    found = settings.load(data=data)
    configure(found.model_copy(update={"log_level": "error", "log_format": "text"}))
    return found


@index_app.command("follow")
def index_follow(data: Data = None, host: Host = None, port: OpsPort = None) -> None:
    """Run the indexer, which writes changes in the store to OpenSearch. Additional indexers wait as standby."""
    from service import settings
    from service.cli.commands import serving

    run(serving.follow(settings.load(data=data, host=host, ops_port=port)))


@index_app.command("status", epilog=_EPILOG)
def index_status(data: Data = None, json: Json = False) -> None:
    """Show the status of the index: state, lag, feed window, leader, dead letters, last reindex and verify, indexes.

    Exit code 1 if the index is not ready or no indexer is running.
    """
    from service.cli.commands import index_status as status

    _exit(status.status(_settings(data), as_json=json))


@index_app.command("verify", epilog=_EPILOG)
def index_verify(
    repair: Annotated[bool, typer.Option("--repair", help="Fix the differences and check again.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Compare only versions, not contents.")] = False,
    index: Index = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Compare the whole index with the store, while both can be written to.

    Differences are: missing (no document), stale (older than its record), ahead (newer than its record), orphan (a
    document without a record) and body (same version, different content). Each is checked again once the indexer has
    caught up, so writes in progress are not reported. Without --repair nothing is written to the index. Exit code 1 if
    differences were found, even with --repair.
    """
    from service.cli.commands import indexing

    _exit(indexing.verify(_settings(data), index, repair=repair, bodies=not fast, as_json=json))


@index_app.command("reindex", epilog=_EPILOG)
def index_reindex(
    accept: Annotated[
        bool, typer.Option("--accept-dead-letters", help="Swap even if the new index rejects documents.")
    ] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Build a new index with the current mapping while searches and writes continue, verify it, and swap it in.

    If interrupted, run it again to resume. It refuses to swap (exit code 1) if the new index differs from the store in
    any way. The previous index is kept up to date until it is purged, so `assetry index rollback` loses nothing.
    """
    from service.cli.commands import indexing

    _exit(indexing.reindex(_settings(data), accept_dead_letters=accept, as_json=json))


@index_app.command("rollback", epilog=_EPILOG)
def index_rollback(
    skip: Annotated[bool, typer.Option("--skip-verify", help="Do not verify the previous index first.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Switch searches back to the previous index. Refused (exit code 1) if it was purged or has differences."""
    from service.cli.commands import indexing

    _exit(indexing.rollback(_settings(data), verified=not skip, as_json=json))


@index_app.command("purge", epilog=_EPILOG)
def index_purge(
    days: Annotated[
        int, typer.Option("--tombstone-days", help="Delete tombstones older than this number of days.", min=1)
    ] = 7,
    unfinished: Annotated[bool, typer.Option("--unfinished", help="Also abandon an interrupted reindex.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Delete the previous index, abandoned indexes, and the tombstones of assets deleted long ago."""
    from service.cli.commands import indexing

    _exit(indexing.purge(_settings(data), tombstone_days=days, unfinished=unfinished, as_json=json))


@dead_letters_app.command("list", epilog=_EPILOG)
def dead_letters_list(
    index: DeadLettersIndex = None,
    limit: Annotated[int, typer.Option(help="Rows to show; --json shows all.", min=1)] = 50,
    data: Data = None,
    json: Json = False,
) -> None:
    """List dead letters: documents rejected by the search engine, with the reasons. Exit code 1 if there are any."""
    from service.cli.commands import dead_letters

    _exit(dead_letters.show(_settings(data), index, limit=limit, as_json=json))


@dead_letters_app.command("retry", epilog=_EPILOG)
def dead_letters_retry(
    assets: Annotated[list[str] | None, typer.Argument(help="Asset ids; default: all.")] = None,
    index: DeadLettersIndex = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Retry dead letters now; documents that are accepted are removed from the list."""
    from service.cli.commands import dead_letters

    _exit(dead_letters.retry(_settings(data), index, assets or [], as_json=json))


@index_app.command("resume", epilog=_EPILOG)
def index_resume(data: Data = None, json: Json = False) -> None:
    """Resume an indexer that halted because the engine rejected more than a fifth of the documents."""
    from service.cli.commands import dead_letters

    _exit(dead_letters.resume(_settings(data), as_json=json))
