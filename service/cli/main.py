"""The command line.

``assetry serve | work | keys | import | search | bulk | reprocess | operations | index | db | backups | doctor |
demo``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from query.errors import QueryError
from service.cli.exit_codes import EXIT_CODES, INTERRUPTED, exit_code
from service.cli.index import index_app
from service.cli.options import Data, Host, Json, OpsPort, Quiet, run, run_interruptible
from service.errors import AssetryError, InvalidInput
from service.printable import printable

_EPILOG = "Exit codes: " + "; ".join(f"{code} {doc}" for code, doc in EXIT_CODES.items()) + "."

app = typer.Typer(
    help="Assetry: search your files like a search engine. Start with: assetry demo",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
keys_app = typer.Typer(help="API keys: create, list, revoke.", no_args_is_help=True)
db_app = typer.Typer(help="Persistent engines: init.", no_args_is_help=True)
backups_app = typer.Typer(help="Backups of permanently deleted assets: list, restore.", no_args_is_help=True)
operations_app = typer.Typer(help="Long-running operations: list, show, cancel, resume, undo.", no_args_is_help=True)
bulk_app = typer.Typer(help="Change many assets at once: update, delete.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
app.add_typer(index_app, name="index")
app.add_typer(db_app, name="db")
app.add_typer(backups_app, name="backups")
app.add_typer(operations_app, name="operations")
app.add_typer(bulk_app, name="bulk")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"assetry {version('assetry')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Assetry: search your files like a search engine. Start with: assetry demo."""


Org = Annotated[str, typer.Option(help="Organization of the assets.")]


@app.command()
def serve(
    data: Data = None,
    host: Host = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 picks a free one. [env: ASSETRY_PORT; default: 8080]")
    ] = None,
    roles: Annotated[
        str | None,
        typer.Option(
            help="What to run here: api,indexer,worker or fewer. [env: ASSETRY_ROLES; default: see above]",
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Run API, indexer and worker in this process: --roles api,indexer,worker.")
    ] = False,
) -> None:
    """Run the API, together with the indexer and the worker if they need no processes of their own.

    On SQLite (ASSETRY_MONGODB_URL is not set) all three run in this process. On MongoDB the indexer is included if the
    search engine is embedded (ASSETRY_OPENSEARCH_URL is not set), the worker if ASSETRY_REDIS_URL is not set. Settings
    are environment variables, see docs/ref-settings.md.
    SIGTERM or Ctrl-C lets running requests, batches and jobs finish; a second one stops the process immediately.
    """
    from service import settings
    from service.cli.commands import serving

    run(serving.serve(settings.load(data=data, host=host, port=port, roles=roles), everything=everything))


@app.command()
def work(data: Data = None, host: Host = None, port: OpsPort = None) -> None:
    """Run jobs from Redis, or from the store if ASSETRY_REDIS_URL is not set. Start as many workers as you like."""
    from service import settings
    from service.cli.commands import serving

    run(serving.work(settings.load(data=data, host=host, ops_port=port)))


@db_app.command("init")
def db_init(
    data: Data = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    json: Json = False,
) -> None:
    """Set up MongoDB (collections, indexes, validators) and the S3 bucket; existing objects are left unchanged.

    Run it before the first start and after each upgrade; running it again is harmless. Embedded engines need no setup.
    """
    from service import settings
    from service.cli.commands import database

    run_interruptible(database.init(settings.load(data=data), dry_run=dry_run, as_json=json))


@app.command()
def doctor(data: Data = None, json: Json = False) -> None:
    """Check every configured engine and this machine, and suggest fixes for any problems.

    Exit code 1 if a check failed; warnings do not count.
    """
    from service import settings
    from service.cli.commands import doctor as examination

    raise typer.Exit(run_interruptible(examination.examine(settings.load(data=data), as_json=json)))


@keys_app.command("create")
def keys_create(
    org: Annotated[str, typer.Option(help="Organization that the key gives access to.")],
    user: Annotated[str, typer.Option(help="User on whose behalf the key acts.")],
    scopes: Annotated[
        str, typer.Option(help="Comma-separated scopes: assets:read, assets:write, assets:import, admin; or * for all.")
    ] = "assets:read,assets:write",
    tier: Annotated[
        str, typer.Option(help="Requests per hour: free 1,000, pro 10,000, enterprise 100,000, unlimited.")
    ] = "enterprise",
    data: Data = None,
    json: Json = False,
) -> None:
    """Create an API key and print it. The key is shown only once: only its hash is stored."""
    from service.cli.commands import keys

    run_interruptible(keys.create(data, org, user, scopes, tier, as_json=json))


@keys_app.command("list")
def keys_list(
    org: Annotated[str | None, typer.Option(help="List only the keys of this organization.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """List API keys: ids, organizations, scopes. The keys themselves are not stored."""
    from service.cli.commands import keys

    run_interruptible(keys.show(data, org, as_json=json))


@keys_app.command("revoke")
def keys_revoke(
    key_id: Annotated[str, typer.Argument(help="Key id, from: assetry keys list")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Revoke an API key. Running services reject it within five seconds."""
    from service.cli.commands import keys

    run_interruptible(keys.revoke(data, key_id, as_json=json))


@app.command("import")
def import_(
    paths: Annotated[
        list[Path], typer.Argument(help="Files and folders; folders are imported recursively.", readable=False)
    ],
    data: Data = None,
    org: Org = "default",
    user: Annotated[str, typer.Option(help="Owner of the assets.")] = "import",
    json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not show a progress bar.")] = False,
) -> None:
    """Import files: images with dimensions, EXIF and GPS, SVG with its RDF, text, PDF, audio and video.

    Identical files are imported once, and a repeated import adds only new files, so simply rerun an interrupted import.
    The service can be running; it makes new assets searchable within a second or two. Files that cannot be read are
    reported individually and do not stop the import, but the exit code is then 1.
    """
    from service.cli.commands import importing

    raise typer.Exit(run_interruptible(importing.import_paths(data, org, user, paths, as_json=json, quiet=quiet)))


@app.command()
def search(
    query: Annotated[
        list[str] | None,
        typer.Argument(help="Query text, such as: mountain type:image 'width:>1000'"),
    ] = None,
    facets: Annotated[str, typer.Option(help='Facets: type,tags or JSON: [{"field": "tags", "size": 5}]')] = "",
    filters: Annotated[
        str, typer.Option(help='Filters as JSON, such as: {"type": "image", "width": {"gte": 800}}')
    ] = "",
    sort: Annotated[str, typer.Option(help="Sort keys, such as: -created_at,title")] = "",
    limit: Annotated[int, typer.Option(help="Results to show, at most 100.", min=0, max=100)] = 20,
    offset: Annotated[int, typer.Option(help="Results to skip.", min=0, max=10_000)] = 0,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Search invalid parts of the query as plain words.")
    ] = False,
    highlight: Annotated[bool, typer.Option("--highlight", help="Show where words were found.")] = False,
    org: Org = "default",
    data: Data = None,
    json: Json = False,
) -> None:
    """Search from the command line, with the running service's engine or a temporary one."""
    from service.cli.commands import searching

    options = searching.Options(" ".join(query or ()), facets, filters, sort, limit, offset, lenient, highlight)
    run_interruptible(searching.search(data, org, options, as_json=json))


@app.command()
def reprocess(
    query: Annotated[
        list[str] | None, typer.Argument(help="Query text, such as: type:image missing:camera; '' means every asset.")
    ] = None,
    filters: Annotated[str, typer.Option(help='JSON, such as: {"type": "image"}')] = "",
    resume: Annotated[
        str | None, typer.Option("--resume", help="Go on with an operation that was interrupted, in place of QUERY.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many assets it would be.")] = False,
    org: Org = "default",
    data: Data = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read the files of assets again, so that their records get what the readers of today find in them.

    What a person gave is never overwritten. The assets are those that the query finds now. Ctrl-C prints how far it
    came; the operation is kept, and goes on in a running service or with --resume. Files that cannot be read are
    reported, stop nothing, and make the exit code 1.
    """
    from service.cli.commands import reprocessing

    text = None if not query else " ".join(query)
    options = reprocessing.Options(text, filters, resume, dry_run=dry_run, as_json=json, quiet=quiet)
    raise typer.Exit(run_interruptible(reprocessing.reprocess(data, org, options)))


@operations_app.command("list")
def operations_list(
    status: Annotated[
        str | None, typer.Option(help="Only those: queued, running, completed, failed, cancelled.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Operations to show, the newest first.", min=1, max=1000)] = 20,
    org: Org = "default",
    data: Data = None,
    json: Json = False,
) -> None:
    """List operations: their states and counts."""
    from service.cli.commands import operations

    run_interruptible(operations.show_list(data, org, status, limit, as_json=json))


@operations_app.command("show")
def operations_show(
    operation_id: Annotated[str, typer.Argument(help="Id from: assetry operations list")],
    limit: Annotated[int, typer.Option(help="Failed items to show.", min=0, max=1000)] = 20,
    org: Org = "default",
    data: Data = None,
    json: Json = False,
) -> None:
    """Show an operation, and the first of its items that failed."""
    from service.cli.commands import operations

    run_interruptible(operations.show(data, org, operation_id, limit, as_json=json))


@operations_app.command("cancel")
def operations_cancel(
    operation_id: Annotated[str, typer.Argument(help="Id from: assetry operations list")],
    org: Org = "default",
    data: Data = None,
    json: Json = False,
) -> None:
    """Ask for the end of an operation; what it has done stays done."""
    from service.cli.commands import operations

    run_interruptible(operations.cancel(data, org, operation_id, as_json=json))


@operations_app.command("resume")
def operations_resume(
    operation_id: Annotated[str, typer.Argument(help="Id from: assetry operations list")],
    org: Org = "default",
    data: Data = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Go on with an operation that was interrupted, where it was. A running service does that by itself."""
    from service.cli.commands import bulk

    work = bulk.resume(data, org, operation_id, as_json=json, quiet=quiet)
    raise typer.Exit(run_interruptible(work))


@operations_app.command("undo")
def operations_undo(
    operation_id: Annotated[str, typer.Argument(help="Id from: assetry operations list")],
    org: Org = "default",
    data: Data = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Change back what an operation changed, as far as nobody has changed it since."""
    from service.cli.commands import bulk

    work = bulk.undo(data, org, operation_id, as_json=json, quiet=quiet)
    raise typer.Exit(run_interruptible(work))


@bulk_app.command("update")
def bulk_update(
    query: Annotated[list[str], typer.Argument(help="Query text, such as: type:image tags:draft; '' means all.")],
    set_: Annotated[str, typer.Option("--set", help='Fields as JSON, such as: {"license": "CC0"}')] = "",
    add_tag: Annotated[list[str] | None, typer.Option(help="Tag to add; may be given several times.")] = None,
    remove_tag: Annotated[list[str] | None, typer.Option(help="Tag to remove.")] = None,
    add_collection: Annotated[list[str] | None, typer.Option(help="Collection to put them into.")] = None,
    remove_collection: Annotated[list[str] | None, typer.Option(help="Collection to take them out of.")] = None,
    title_prefix: Annotated[str | None, typer.Option(help="Text before each title.")] = None,
    description_suffix: Annotated[str | None, typer.Option(help="Text behind each description.")] = None,
    filters: Annotated[str, typer.Option(help='JSON, such as: {"type": "image"}')] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    org: Org = "default",
    data: Data = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Change the metadata of all assets that a query finds.

    Each fails by itself. What was there before is kept for a week: assetry operations undo changes it back, as far as
    nobody has changed it since.
    """
    from service.cli.commands import bulk

    edits = bulk.Edits(
        set_,
        tuple(add_tag or ()),
        tuple(remove_tag or ()),
        tuple(add_collection or ()),
        tuple(remove_collection or ()),
        title_prefix,
        description_suffix,
    )
    options = bulk.Options(" ".join(query), filters, dry_run=dry_run, as_json=json, quiet=quiet)
    raise typer.Exit(run_interruptible(bulk.update(data, org, options, edits)))


def _confirmed(question: str) -> bool:
    """Ask a person. Raises InvalidInput where there is none."""
    if not sys.stdin.isatty():
        raise InvalidInput(f"{question} There is nobody to ask.", field="--yes", expected="--yes, or a terminal")
    return typer.confirm(question, err=True)


@bulk_app.command("delete")
def bulk_delete(
    query: Annotated[list[str], typer.Argument(help="Query text, such as: tags:draft; '' means all.")],
    permanent: Annotated[bool, typer.Option("--permanent", help="For good, rather than to the trash.")] = False,
    backup: Annotated[bool, typer.Option(help="Keep a backup of what is deleted for good.")] = True,
    reason: Annotated[str | None, typer.Option(help="Kept with the operation.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    filters: Annotated[str, typer.Option(help='JSON, such as: {"type": "image"}')] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be deleted.")] = False,
    org: Org = "default",
    data: Data = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Move all assets that a query finds to the trash, or delete them for good."""
    from service.cli.commands import bulk

    options = bulk.Options(" ".join(query), filters, dry_run=dry_run, as_json=json, quiet=quiet)
    work = bulk.delete(
        data,
        org,
        options,
        permanent=permanent,
        backup=backup,
        reason=reason,
        confirm=lambda question: yes or _confirmed(question),
    )
    raise typer.Exit(run_interruptible(work))


@backups_app.command("list")
def backups_list(org: Org = "default", data: Data = None, json: Json = False) -> None:
    """List backups of permanently deleted assets."""
    from service.cli.commands import backups

    run_interruptible(backups.show(data, org, as_json=json))


@backups_app.command("restore")
def backups_restore(
    backup_id: Annotated[str, typer.Argument(help="Backup id, from: assetry backups list")],
    org: Org = "default",
    data: Data = None,
    json: Json = False,
) -> None:
    """Restore a backup as a new asset. It gets a new id, since ids are never reused."""
    from service.cli.commands import backups

    run_interruptible(backups.restore(data, org, backup_id, as_json=json))


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Folder for the sample library and the data.")] = Path("demo-library"),
    count: Annotated[int, typer.Option(help="Number of files to create.", min=20, max=5000)] = 300,
    host: Host = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port to listen on; 0 picks a free one. [default: 8080, or a free one if that is in use]"),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Exit after the queries instead of serving.")] = False,
) -> None:
    """Create a sample library, import it, run five queries, and serve until Ctrl-C."""
    from service.cli.commands import demo as demonstration

    run(demonstration.demo(folder, count, host, port, once=once))


def main() -> None:
    """Run the command line; expected errors become one line on standard error and a defined exit code.

    An error of a query also shows where in its text it is.
    """
    try:
        _check_options(sys.argv[1:])
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.exit(0)
    except (AssetryError, QueryError) as error:
        from service.cli.output import print_error

        print_error(f"error: {error}")
        for note in getattr(error, "__notes__", ()):
            print_error(note)
        expected = getattr(error, "expected", None)
        if expected:
            print_error(f"expected: {expected}")
        sys.exit(exit_code(error))


def _check_options(words: Sequence[str]) -> None:
    """Raise InvalidInput for an option with control characters: the parser would print it as it is.

    A shell makes one of a file's name: ``assetry import *``.
    """
    for word in words:
        if word.startswith("-") and printable(word, one_line=True) != word:
            shown = printable(word, one_line=True)
            raise InvalidInput(f"There is no option {shown}.", expected=f"./{shown} if it is a file")
