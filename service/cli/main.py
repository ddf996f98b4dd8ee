"""The command line: ``assetry serve | work | keys | import | search | index | db | backups | doctor | demo``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from query.errors import QueryError
from service.cli.exit_codes import EXITS, INTERRUPTED, exit_code
from service.cli.index import index_app
from service.cli.options import Data, Host, Json, OpsPort, run, run_interruptible
from service.errors import AssetryError

_EPILOG = "Exit codes: " + "; ".join(f"{code} {doc}" for code, doc in EXITS.items()) + "."

app = typer.Typer(
    help="Assetry: search your files like a search engine. Start with: assetry demo",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
keys_app = typer.Typer(help="API keys: create, list, revoke.", no_args_is_help=True)
db_app = typer.Typer(help="The engines that keep data: init.", no_args_is_help=True)
backups_app = typer.Typer(help="What permanent deletes kept: list, restore.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
app.add_typer(index_app, name="index")
app.add_typer(db_app, name="db")
app.add_typer(backups_app, name="backups")

Org = Annotated[str, typer.Option(help="Organization that the assets belong to.")]


@app.command()
def serve(
    data: Data = None,
    host: Host = None,
    port: Annotated[
        int | None, typer.Option(help="Port; 0 takes a free one. [env: ASSETRY_PORT; default: 8080]")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Run the indexer and the worker in this process, too, whatever the engines.")
    ] = False,
) -> None:
    """Run the API, and in the same process what has no engine of its own to meet it at.

    That is the indexer where the search engine is embedded (no ASSETRY_OPENSEARCH_URL) and the worker where there is no
    ASSETRY_REDIS_URL; with --all both are. Settings are environment variables, see docs/ref-settings.md. SIGTERM and
    Ctrl-C let requests, the batch and the jobs under way finish; a second one ends it at once.
    """
    from service import settings
    from service.cli.commands import serving

    run(serving.serve(settings.load(data=data, host=host, port=port), everything=everything))


@app.command()
def work(data: Data = None, host: Host = None, port: OpsPort = None) -> None:
    """Run jobs: from Redis, or where there is no ASSETRY_REDIS_URL from the store. Start as many as you like."""
    from service import settings
    from service.cli.commands import serving

    run(serving.work(settings.load(data=data, host=host, ops_port=port)))


@db_app.command("init")
def db_init(
    data: Data = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    json: Json = False,
) -> None:
    """Set up MongoDB (collections, indexes, validators) and the S3 bucket; what is there already is left alone.

    Run it before the first start and after each upgrade; running it again does nothing. The embedded engines need none.
    """
    from service import settings
    from service.cli.commands import database

    run_interruptible(database.init(settings.load(data=data), dry_run=dry_run, as_json=json))


@app.command()
def doctor(data: Data = None, json: Json = False) -> None:
    """Examine every configured engine and this machine, and say how to fix what is not well.

    Exit code 1 when something failed; warnings are fine.
    """
    from service import settings
    from service.cli.commands import doctor as examination

    raise typer.Exit(run_interruptible(examination.examine(settings.load(data=data), as_json=json)))


@keys_app.command("create")
def keys_create(
    org: Annotated[str, typer.Option(help="Organization that the key opens.")],
    user: Annotated[str, typer.Option(help="User that the key speaks for.")],
    scopes: Annotated[
        str, typer.Option(help="Scopes, by commas: assets:read, assets:write, assets:import, admin; or * for all.")
    ] = "assets:read,assets:write",
    tier: Annotated[
        str, typer.Option(help="Requests an hour: free 1,000, pro 10,000, enterprise 100,000, unlimited.")
    ] = "enterprise",
    data: Data = None,
    json: Json = False,
) -> None:
    """Make an API key and print it. It is shown this once: only its hash is stored."""
    from service.cli.commands import keys

    run_interruptible(keys.create(data, org, user, scopes, tier, as_json=json))


@keys_app.command("list")
def keys_list(
    org: Annotated[str | None, typer.Option(help="Only this organization's.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """List API keys: ids, organizations, scopes. The keys themselves are not known."""
    from service.cli.commands import keys

    run_interruptible(keys.show(data, org, as_json=json))


@keys_app.command("revoke")
def keys_revoke(
    key_id: Annotated[str, typer.Argument(help="Id from: assetry keys list")], data: Data = None, json: Json = False
) -> None:
    """Make a key worthless, within five seconds also in a running service."""
    from service.cli.commands import keys

    run_interruptible(keys.revoke(data, key_id, as_json=json))


@app.command("import")
def import_(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders; folders are read recursively.")],
    data: Data = None,
    org: Org = "default",
    user: Annotated[str, typer.Option(help="User that the assets belong to.")] = "import",
    json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Import files: pictures with size, EXIF and GPS, SVG with its RDF, text, PDF, audio.

    Equal files are imported once, and importing again adds only what is new; so an interrupted import is simply run
    again. It works beside a running service, which makes the new assets searchable within a second or two. Files that
    cannot be read are reported one by one, stop nothing, and make the exit code 1.
    """
    from service.cli.commands import importing

    raise typer.Exit(run_interruptible(importing.import_paths(data, org, user, paths, as_json=json, quiet=quiet)))


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="Query text, such as: mountain type:image width:>1000")] = "",
    facets: Annotated[
        str, typer.Option(help='Fields to count values of: type,tags or JSON: [{"field": "tags", "size": 5}]')
    ] = "",
    filters: Annotated[str, typer.Option(help='JSON, such as: {"type": "image", "width": {"gte": 800}}')] = "",
    sort: Annotated[str, typer.Option(help="Sort keys: -created_at,title")] = "",
    limit: Annotated[int, typer.Option(help="Results to show, at most 100.", min=0, max=100)] = 20,
    offset: Annotated[int, typer.Option(help="Results to skip.", min=0, max=10_000)] = 0,
    lenient: Annotated[bool, typer.Option("--lenient", help="Take what cannot be read as plain words.")] = False,
    highlight: Annotated[bool, typer.Option("--highlight", help="Show where the words were found.")] = False,
    org: Org = "default",
    data: Data = None,
    json: Json = False,
) -> None:
    """Search from the command line: by the running service's engine, or by one started for this search alone."""
    from service.cli.commands import searching

    options = searching.Options(query, facets, filters, sort, limit, offset, lenient, highlight)
    run_interruptible(searching.search(data, org, options, as_json=json))


@backups_app.command("list")
def backups_list(org: Org = "default", data: Data = None, json: Json = False) -> None:
    """List what permanent deletes kept."""
    from service.cli.commands import backups

    run_interruptible(backups.show(data, org, as_json=json))


@backups_app.command("restore")
def backups_restore(
    backup_id: Annotated[str, typer.Argument(help="Id from: assetry backups list")],
    org: Org = "default",
    data: Data = None,
    json: Json = False,
) -> None:
    """Make a new asset of a backup; it gets a new id, since ids are never used twice."""
    from service.cli.commands import backups

    run_interruptible(backups.restore(data, org, backup_id, as_json=json))


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Folder for the sample library and its data.")] = Path("demo-library"),
    count: Annotated[int, typer.Option(help="Files to make.", min=20, max=5000)] = 300,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8080,
    once: Annotated[bool, typer.Option("--once", help="End after the queries instead of serving on.")] = False,
) -> None:
    """Make a sample library, import it, run five queries, and keep serving until Ctrl-C."""
    from service.cli.commands import demo as demonstration

    run(demonstration.demo(folder, count, host, port, once=once))


def main() -> None:
    """Run the command line; every error of ours is one line on standard error and an exit code with a meaning."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.exit(0)
    except (AssetryError, QueryError) as error:
        typer.echo(f"error: {error}", err=True)
        expected = getattr(error, "expected", None)
        if expected:
            typer.echo(f"expected: {expected}", err=True)
        sys.exit(exit_code(error))
