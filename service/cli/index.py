"""The command line's ``assetry index …``: follow, status, verify, reindex, rollback, purge, dead letters."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Coroutine
from typing import Annotated, Any, NoReturn

import typer

from service.cli.exit_codes import INDEX_EXITS, INTERRUPTED, index_exit_code
from service.cli.options import Data, Host, Json, OpsPort, run, run_interruptible

_EPILOG = "Exit codes: " + "; ".join(f"{code} {doc}" for code, doc in INDEX_EXITS.items()) + "."

index_app = typer.Typer(
    help="The search index: follow, status, verify, reindex, rollback, purge, dead letters.",
    epilog=_EPILOG,
    no_args_is_help=True,
)
letters_app = typer.Typer(help="Documents that the engine refuses: list, retry.", epilog=_EPILOG, no_args_is_help=True)
index_app.add_typer(letters_app, name="dead-letters")

Index = Annotated[
    str | None, typer.Option("--index", help="A physical index; default: the one that searches see.", metavar="NAME")
]
LettersIndex = Annotated[
    str | None, typer.Option("--index", help="A physical index; default: all that get writes.", metavar="NAME")
]


def _exit(work: Coroutine[Any, Any, int]) -> NoReturn:
    """Run a command and exit with what it returns, or with the code of what kept it from that."""
    from indexer.bulk.loop import Halted, IndexGone
    from indexer.leadership.lease import LeaseLost
    from service.errors import AssetryError
    from service.ports.search import Rejected

    try:
        code = run_interruptible(work)
    except KeyboardInterrupt:
        typer.echo("interrupted: what was done is kept; run it again to go on", err=True)
        sys.exit(INTERRUPTED)
    except (AssetryError, Halted, IndexGone, LeaseLost) as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(index_exit_code(error))
    except Rejected as error:  # its reason is the engine's own words, which stay in the engine's log
        typer.echo(f"error: the search engine refused a request ({error.status} {error.error_type})", err=True)
        sys.exit(index_exit_code(error))
    except BrokenPipeError:  # whoever read the output has enough of it
        raise
    except Exception as error:  # noqa: BLE001 - Python would exit with 1, which is a verdict here
        traceback.print_exception(error)
        sys.exit(index_exit_code(error))
    raise typer.Exit(code)


def _settings(data: Any) -> Any:
    """Return the settings of a command that prints its own findings: the log has what goes beyond them."""
    from service import settings
    from service.runtime.logs import configure

    found = settings.load(data=data)
    configure(found.model_copy(update={"log_level": "error", "log_format": "text"}))
    return found


@index_app.command("follow")
def index_follow(data: Data = None, host: Host = None, port: OpsPort = None) -> None:
    """Run the indexer: feed the store's changes to OpenSearch. A second one stands by until the first ends."""
    from service import settings
    from service.cli.commands import serving

    run(serving.follow(settings.load(data=data, host=host, ops_port=port)))


@index_app.command("status", epilog=_EPILOG)
def index_status(data: Data = None, json: Json = False) -> None:
    """Say how the index is: state, lag, feed window, leader, dead letters, last reindex and verify, each index.

    Exit code 1 when it is not ready, or nobody feeds it.
    """
    from service.cli.commands import index_status as status

    _exit(status.status(_settings(data), as_json=json))


@index_app.command("verify", epilog=_EPILOG)
def index_verify(
    repair: Annotated[bool, typer.Option("--repair", help="Fix what differs, and look again.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Compare versions alone, not contents.")] = False,
    index: Index = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Compare the whole index with the store, beside whatever else writes to both.

    Differences are missing (no document), stale (behind its record), ahead (of it), orphan (a document without a
    record) and body (same version, other content). Each is looked at again once the indexer has passed it, so writes
    under way are no differences. Without --repair nothing is written to the index. Exit code 1 when differences were
    found, also with --repair.
    """
    from service.cli.commands import indexing

    _exit(indexing.verify(_settings(data), index, repair=repair, bodies=not fast, as_json=json))


@index_app.command("reindex", epilog=_EPILOG)
def index_reindex(
    accept: Annotated[
        bool, typer.Option("--accept-dead-letters", help="Swap although the new index refuses documents.")
    ] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Make a new index by today's mapping while searches and writes go on, verify it, and swap it in.

    Interrupted, it goes on where it was when it is run again. It refuses to swap (exit code 1) on any difference
    between the new index and the store. The index before is fed until the purge, so `assetry index rollback` loses
    nothing.
    """
    from service.cli.commands import indexing

    _exit(indexing.reindex(_settings(data), accept_dead_letters=accept, as_json=json))


@index_app.command("rollback", epilog=_EPILOG)
def index_rollback(
    skip: Annotated[bool, typer.Option("--skip-verify", help="Do not compare the index before first.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Have searches see the index before the last reindex again. Refused (exit code 1) if it was purged or differs."""
    from service.cli.commands import indexing

    _exit(indexing.rollback(_settings(data), verified=not skip, as_json=json))


@index_app.command("purge", epilog=_EPILOG)
def index_purge(
    days: Annotated[
        int, typer.Option("--tombstone-days", help="Take out documents of assets removed so long ago.", min=1)
    ] = 7,
    unfinished: Annotated[bool, typer.Option("--unfinished", help="Give up an interrupted reindex, too.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Delete the index before the last reindex, abandoned ones, and the documents of assets that are long gone."""
    from service.cli.commands import indexing

    _exit(indexing.purge(_settings(data), tombstone_days=days, unfinished=unfinished, as_json=json))


@letters_app.command("list", epilog=_EPILOG)
def letters_list(
    index: LettersIndex = None,
    limit: Annotated[int, typer.Option(help="Rows to show; --json has all.", min=1)] = 50,
    data: Data = None,
    json: Json = False,
) -> None:
    """List the documents that the engine refuses, with its reasons. Exit code 1 when there are any."""
    from service.cli.commands import dead_letters

    _exit(dead_letters.show(_settings(data), index, limit=limit, as_json=json))


@letters_app.command("retry", epilog=_EPILOG)
def letters_retry(
    assets: Annotated[list[str] | None, typer.Argument(help="Ids of assets; default: all of them.")] = None,
    index: LettersIndex = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Write refused documents again now; those that are accepted are dead letters no more."""
    from service.cli.commands import dead_letters

    _exit(dead_letters.retry(_settings(data), index, assets or [], as_json=json))


@index_app.command("resume", epilog=_EPILOG)
def index_resume(data: Data = None, json: Json = False) -> None:
    """Have an indexer that halted (over a fifth of the documents were refused) try again."""
    from service.cli.commands import dead_letters

    _exit(dead_letters.resume(_settings(data), as_json=json))
