"""``assetry demo``: the whole path from sample files to faceted search over HTTP."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import orjson

from service import settings
from service.api.app import create_app
from service.cli.output import console, print_table, progress
from service.core.access.keys import SCOPES, Keys, Principal
from service.core.assets.imports import Source
from service.demo.library import make_library
from service.errors import NotAuthenticated, SettingsError, Unavailable
from service.ingest.folder import walk
from service.runtime.base import open_base
from service.runtime.bootstrap import open_importer, open_service
from service.runtime.logs import configure
from service.runtime.server import Server, address, bind
from service.runtime.signals import stoppable
from service.settings import Settings

ORG, USER = "default", "demo"
_PREFIX = "/v1/asset-library"
_READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Query:
    """One query of the demonstration."""

    what: str
    path: str
    params: dict[str, str]


QUERIES: tuple[Query, ...] = (
    Query("Words, best match first", "/assets/search", {"q": "mountain landscape", "type": "image", "limit": "5"}),
    Query(
        "Fields, a group, a range and a wildcard, with facets",
        "/assets/search/facets",
        {
            "query": "type:image AND (tags:mountain OR tags:landscape) AND width:[1024 TO 2048] "
            "AND model:stable-diffusion*",
            "facets": "tags,model",
            "limit": "5",
        },
    ),
    Query(
        "All assets, counted by type, camera make and month",
        "/assets/search/facets",
        {"facets": "type,camera_make,captured_at", "limit": "0"},
    ),
    Query(
        "Fuzzy and boosted words, largest first",
        "/assets/search/advanced",
        {"query": "sunst~1^2 OR lake", "sort": "-file_size", "limit": "5"},
    ),
    Query(
        "Everything except images, with filters as JSON",
        "/assets/search/advanced",
        {"query": "NOT type:image", "filters": '{"file_size": {"gte": 500}}', "facets": "type", "limit": "5"},
    ),
)


async def demo(folder: Path, count: int, host: str | None, port: int | None, *, once: bool) -> None:
    """Create the library, import it, run the queries and serve.

    Without a ``port`` it is the usual one, or a free one if that is taken. Raises SettingsError if it cannot listen.
    """
    folder = folder.absolute()
    chosen = settings.load(data=folder / "data", host=host, port=port, log_level="warning", log_format="text")
    configure(chosen)
    library = folder / "files"
    with _listener(chosen, is_given=port is not None) as listener:  # first: what fails should fail at once
        _make(library, count)
        key = await _fill(chosen, library, folder / "api-key")
        await _show_all(chosen, listener, key, folder, once=once)


async def _show_all(chosen: Settings, listener: socket.socket, key: str, folder: Path, *, once: bool) -> None:
    async with _serving(chosen, listener) as (url, ended):
        await _ready(url)
        for query in QUERIES:
            answer = await asyncio.to_thread(_get, url, query, key)
            _show(query, answer)
        _print_summary(url, key, folder, once=once)
        if not once:
            console().print("Serving. Press Ctrl-C to stop.")
            await ended


def _make(library: Path, count: int) -> None:
    """Create the sample library once; an incomplete library is created again."""
    mark = library.with_name("files.complete")
    if mark.exists() and mark.read_text() == str(count):
        console().print(f"Using the existing sample library: {library}", markup=False)
        return
    shutil.rmtree(library, ignore_errors=True)
    console().print(f"Creating {count} sample files in {library} …", markup=False)
    with progress(quiet=False) as bar:
        task = bar.add_task("creating files", total=count)
        make_library(library, count, progress=lambda done, total: bar.update(task, completed=done, total=total))
    mark.write_text(str(count))


def _listener(chosen: Settings, *, is_given: bool) -> socket.socket:
    names = chosen.given_as("host"), chosen.given_as("port")
    try:
        return bind(chosen.host, chosen.port, names)
    except SettingsError as error:
        if is_given or error.setting != names[1]:
            raise
        listener = bind(chosen.host, 0, names)
        console().print(
            f"Port {chosen.port} is in use, so this listens on port {listener.getsockname()[1]}; to choose: --port",
            markup=False,
        )
        return listener


async def _fill(chosen: Settings, library: Path, key_file: Path) -> str:
    """Import the library and create an API key, in the same way as the commands do. Returns the key."""
    who = Principal(ORG, USER, frozenset(SCOPES))
    async with open_base(chosen) as base:
        async with open_importer(base) as imports:
            with progress(quiet=False) as bar:
                task = bar.add_task("importing", total=sum(1 for _ in walk([library])))
                found = (Source(item.path, item.relative) for item in walk([library]))
                summary = await imports.run(who, found, lambda _: bar.advance(task))
        for failed in summary.failed:
            console().print(f"failed: {failed.path}: {failed.message}", markup=False)
        console().print(f"{summary.imported} files imported, {summary.duplicates} already present.")
        return await _key(base.keys, key_file)


async def _key(keys: Keys, path: Path) -> str:
    """Return the key of an earlier run if it still works, else a new one, which is kept for later runs."""
    with suppress(OSError, NotAuthenticated):
        known = path.read_text().strip()
        await keys.authenticate(known)
        return known
    key, _ = await keys.create(ORG, USER, list(SCOPES))
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(key + "\n")
    return key


@asynccontextmanager
async def _serving(chosen: Settings, listener: socket.socket) -> AsyncIterator[tuple[str, asyncio.Task[None]]]:
    """Run the service; the task ends when the server is stopped."""
    with stoppable() as stop:
        async with open_service(chosen) as service:
            app = create_app(replace(service.context, stopping=stop), service.gauges)
            task = asyncio.create_task(Server(app, lambda: None, chosen.shutdown_seconds).run_on(listener, stop))
            try:
                with service.base.folder.announced(address(listener)):
                    yield address(listener), task
            finally:
                stop.set()
                await task


async def _ready(url: str) -> None:
    """Wait until the service reports that the index has caught up."""

    def probe() -> bool:
        try:
            with urlopen(f"{url}/readyz", timeout=5) as answer:  # noqa: S310 - our own URL
                return bool(answer.status == 200)
        except OSError:
            return False

    async with asyncio.timeout(_READY_SECONDS):
        while not await asyncio.to_thread(probe):
            await asyncio.sleep(0.05)


def _get(url: str, query: Query, key: str) -> dict[str, Any]:
    request = Request(  # noqa: S310 - our own URL
        f"{url}{_PREFIX}{query.path}?{urlencode(query.params)}", headers={"Authorization": f"Bearer {key}"}
    )
    with urlopen(request, timeout=30) as answer:  # noqa: S310
        body: dict[str, Any] = orjson.loads(answer.read())
    if "total_count" not in body:
        raise Unavailable("demo", "the response of the service has no total_count")
    return body


def _show(query: Query, answer: dict[str, Any]) -> None:
    out = console()
    out.print()
    out.print(query.what, style="bold")
    out.print(f"GET {_PREFIX}{query.path}?{urlencode(query.params)}", style="dim", markup=False, soft_wrap=True)
    if answer["results"]:
        rows = [(hit["id"], hit["type"], hit["title"], ", ".join(hit["tags"][:5])) for hit in answer["results"]]
        print_table(("id", "type", "title", "tags"), rows)
    out.print(f"{answer['total_count']} found")
    for name, counts in answer.get("facets", {}).items():
        print_table((name, "count"), list(counts.items())[:8])


def _print_summary(url: str, key: str, folder: Path, *, once: bool) -> None:
    facets = f"{url}{_PREFIX}/assets/search/facets?query=lake&facets=type,tags"
    serving = f"""
API key   {key}
API       {url}{_PREFIX}/assets/search?q=mountain
Health    {url}/readyz
Files     {folder / "files"}
Store     {folder / "data"}

Try:  curl -H "Authorization: Bearer {key}" "{facets}"
"""
    ended = f"""
API key   {key}
Files     {folder / "files"}
Store     {folder / "data"}

Try:  {shlex.join([sys.argv[0], "search", "lake", "--facets", "type,tags", "--data", str(folder / "data")])}
      {shlex.join([sys.argv[0], "serve", "--data", str(folder / "data")])}
"""
    sys.stdout.write((ended if once else serving) + "\n")
    sys.stdout.flush()
