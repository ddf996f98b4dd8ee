"""Trace one faceted search and one write through a running service, and print the files and functions they pass.

    scripts/walk                     the totals, and each file with its functions in order of first call
    scripts/walk --json              the same for programs
    scripts/walk --markdown          the two tables of docs/explain-architecture.md
    scripts/walk --update            write those tables into docs/explain-architecture.md
    scripts/walk --tree DIRECTORY    trace another checkout (of an older commit, say) with this one's installed packages

The service is a whole one on embedded engines, with API, indexer and worker in this process; requests reach it as HTTP
over ASGI. The two walks are:

- **search**: ``GET /v1/asset-library/assets/search/facets`` with a query of five clauses and two facets;
- **write**: ``POST /v1/asset-library/assets``, from the request until a search that waits for its ``X-Index-Token`` is
  told that the index has caught up. That search itself does not count.

The counting rule:

1. A *function* is a ``def`` of the project (``service``, ``indexer``, ``query``, ``mappings``), methods and nested ones
   included. Lambdas, comprehensions, generated code (dataclasses) and libraries do not count. A *file* counts when one
   of its functions does.
2. What runs in the request's own context counts: its task, the tasks that it starts, and the work it hands to threads.
3. What runs elsewhere meanwhile (the indexer's tasks, callbacks of the event loop, and what they hand to threads) is
   grouped by the outermost function of the project on its stack. A group counts as a whole when it runs a line that it
   did not run while the service was idle; otherwise it is a background loop that runs anyway (lease renewal, status
   publication, sweeps) and does not count. Nor do two loops that react to a change for other purposes: the relay of
   events, and the lease renewal, which saves how far the indexer is.
4. Each walk is made several times with other words and values, after one that warms caches up; what every time has in
   common counts, in the order of first call in the last.
"""

from __future__ import annotations

import argparse
import asyncio
import contextvars
import importlib
import itertools
import json
import logging
import queue
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import httpx
import structlog

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "explain-architecture.md"
PREFIX = "/v1/asset-library"
PACKAGES = ("service", "indexer", "query", "mappings")
PLACES = (("service.api.app", "service.runtime.bootstrap"), ("service.asgi", "service.bootstrap"))
"""Where ``create_app`` and ``open_service`` are, in this tree and in older ones."""

WORDS = ("mountain", "harbour", "meadow", "skyline", "portrait", "glacier", "orchard", "lantern")
IDLE_SECONDS = 6.0
"""How long the service is watched doing nothing: twice the period of the slowest loop that matters, lease renewal."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the project: its file below the tree, and its qualified name."""

    file: str
    name: str


class Part(Enum):
    """What the code that runs in a context belongs to."""

    WALK = "walk"
    BESIDE = "beside"
    """Of this script: the search that waits for a write."""


TraceFunction = Callable[[FrameType, str, Any], Any]

ASIDE = ("service/core/events/relay.py", "indexer/leadership/renewal.py")
"""Files whose tasks do something about each change, but not to make it searchable."""

_part: contextvars.ContextVar[Part | None] = contextvars.ContextVar("part", default=None)
_handed_by: contextvars.ContextVar[Function | None] = contextvars.ContextVar("handed_by", default=None)
"""In a thread: the outermost function of whoever handed it the work."""


@dataclass
class Group:
    """What ran below one outermost function: each function and each line, with the moment of its first time."""

    functions: dict[Function, int] = field(default_factory=dict)
    lines: dict[tuple[CodeType, int], int] = field(default_factory=dict)


@dataclass
class Seen:
    """What ran in a stretch of time: in the walk's own context, and elsewhere by the outermost function."""

    own: Group = field(default_factory=Group)
    groups: defaultdict[Function, Group] = field(default_factory=lambda: defaultdict(Group))
    moments: Iterator[int] = field(default_factory=itertools.count)

    def counted(self, idle: Seen) -> list[Function]:
        """Return what belongs to a walk by the counting rule, in order of first call."""
        first = dict(self.own.functions)
        for root, group in self.groups.items():
            if root.file in ASIDE:
                continue
            if new := group.lines.keys() - idle.groups[root].lines.keys():
                start = min(group.lines[line] for line in new)  # what came before was idling
                for function, moment in group.functions.items():
                    first[function] = min(max(moment, start), first.get(function, sys.maxsize))
        return sorted(first, key=first.__getitem__)


class Tracer:
    """Notes what the project's functions run in every thread, while it is told to."""

    def __init__(self, tree: Path) -> None:
        self._tree = f"{tree}/"
        self._functions: dict[CodeType, Function | None] = {}
        self._lock = threading.Lock()
        self._seen: Seen | None = None

    def install(self) -> None:
        """Watch this thread and all that start from now on."""
        threading.settrace(self._called)
        sys.settrace(self._called)

    async def watch(self, work: Awaitable[Any]) -> Seen:
        """Return what runs until ``work`` is done."""
        seen = self._seen = Seen()
        try:
            await work
        finally:
            self._seen = None
        return seen

    def _called(self, frame: FrameType, event: str, argument: Any) -> TraceFunction | None:
        """Note a call, or that a coroutine goes on; then the lines that it runs."""
        function = self._function(frame.f_code)
        if function is None:
            return None
        self._note(frame, function)
        return self._ran

    def _ran(self, frame: FrameType, event: str, argument: Any) -> TraceFunction | None:
        if event == "line" and (function := self._function(frame.f_code)) is not None:
            self._note(frame, function)
        return self._ran

    def _note(self, frame: FrameType, function: Function) -> None:
        seen, part = self._seen, _part.get()
        if seen is None or part is Part.BESIDE:
            return
        with self._lock:
            group = seen.own if part is Part.WALK else seen.groups[self._root(frame)]
            moment = next(seen.moments)
            group.functions.setdefault(function, moment)
            group.lines.setdefault((frame.f_code, frame.f_lineno), moment)

    def _root(self, frame: FrameType) -> Function:
        """Return the outermost function of the project on the stack, or on that of who handed this thread its work."""
        found = _handed_by.get() or self.outermost(frame)
        assert found is not None
        return found

    def outermost(self, frame: FrameType) -> Function | None:
        """Return the outermost function of the project on a stack."""
        found: Function | None = None
        outer: FrameType | None = frame
        while outer is not None:
            found = self._function(outer.f_code) or found
            outer = outer.f_back
        return found

    def _function(self, code: CodeType) -> Function | None:
        """Return the function that a code object is of, None where it is none of the project's."""
        try:
            return self._functions[code]
        except KeyError:
            found = self._functions[code] = self._read(code)
            return found

    def _read(self, code: CodeType) -> Function | None:
        file = code.co_filename.removeprefix(self._tree)
        if file == code.co_filename or file.split("/")[0] not in PACKAGES or code.co_name.startswith("<"):
            return None
        return Function(file, code.co_qualname.replace(".<locals>", "").replace("<lambda>.", ""))


def follow_work_into_threads(tracer: Tracer) -> None:
    """Let threads work in the name of whoever put the work into their queue: pools and the store's writer have one."""

    class FollowedQueue(queue.SimpleQueue[Any]):
        def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
            by = _handed_by.get() or tracer.outermost(sys._getframe(1))
            super().put((_part.get(), by, item), block, timeout)

        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            part, by, item = super().get(block, timeout)
            _part.set(part)
            _handed_by.set(by)
            return item

        def get_nowait(self) -> Any:
            """Take what is done together with what was taken before: if either is the walk's, both are."""
            part, by, item = super().get(block=False)
            if part is Part.WALK:
                _part.set(part)
                _handed_by.set(by)
            return item

    queue.SimpleQueue = FollowedQueue  # type: ignore[misc]


@asynccontextmanager
async def service(data: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of a whole service on embedded engines, with a key of its own."""
    load = importlib.import_module("service.settings").load
    for app_module, root_module in PLACES:
        try:
            create_app = importlib.import_module(app_module).create_app
            open_service = importlib.import_module(root_module).open_service
            break
        except ModuleNotFoundError:
            continue
    else:
        raise SystemExit(f"no create_app in {[app for app, _ in PLACES]}: add where it is to PLACES")
    async with open_service(load(data=data, log_level="error"), everything=True) as running:
        key, _ = await running.base.keys.create("acme", "walker", ["assets:read", "assets:write"])
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=create_app(running.context, running.gauges)),
            base_url="http://assetry.test",
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
        )
        async with client:
            yield client


async def within(part: Part, work: Awaitable[Any]) -> Any:
    """Await ``work`` in a task whose context is marked with ``part``."""

    async def marked() -> Any:
        _part.set(part)
        return await work

    return await asyncio.create_task(marked())


class Walks:
    """The requests of the walks; each time with other words, so that no answer comes from a cache of texts."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def search(self, time: int) -> None:
        """Search with facets."""
        word = WORDS[time]
        query = f"type:image AND (tags:{word} OR title:{word}) AND width:[{1024 + time} TO 2048] AND model:stable*"
        params = {"query": query, "facets": "type,tags"}
        await self._ok(within(Part.WALK, self._client.get(f"{PREFIX}/assets/search/facets", params=params)))

    async def write(self, time: int) -> None:
        """Create an asset, and return when a search sees it."""
        word = WORDS[time]
        given = {
            "type": "image",
            "title": f"The {word} at noon",
            "tags": [word, "walk"],
            "metadata": {"width": 1024 + time, "height": 768, "model": "stable-diffusion-xl"},
        }
        written = await self._ok(within(Part.WALK, self._client.post(f"{PREFIX}/assets", json=given)))
        params = {"q": word, "wait_for": written.headers["X-Index-Token"], "wait_timeout": "30"}
        found = await self._ok(within(Part.BESIDE, self._client.get(f"{PREFIX}/assets/search", params=params)))
        assert found.json()["index_caught_up"], found.text
        assert found.json()["total_count"] == 1, found.text

    async def ready(self) -> None:
        """Return when the service can serve."""
        async with asyncio.timeout(60):
            while (await self._client.get("/readyz")).status_code != httpx.codes.OK:
                await asyncio.sleep(0.05)

    async def _ok(self, answer: Awaitable[httpx.Response]) -> httpx.Response:
        response = await answer
        if response.is_error:
            raise SystemExit(f"{response.request.method} {response.request.url}: {response.text}")
        return response


async def trace(tree: Path, idle_seconds: float, times: int) -> dict[str, list[Function]]:
    """Return the functions of each walk, in order of first call."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    tracer = Tracer(tree)
    tracer.install()
    follow_work_into_threads(tracer)
    with tempfile.TemporaryDirectory(prefix="assetry-walk-") as data:
        async with service(Path(data)) as client:
            walks = Walks(client)
            await walks.ready()
            await walks.search(0)
            await walks.write(0)  # last, so that what follows a write later (the checkpoint) is seen in the idle trace
            idle = await tracer.watch(asyncio.sleep(idle_seconds))
            found = {}
            for name, walk in {"search": walks.search, "write": walks.write}.items():
                await walk(1)
                counts = [(await tracer.watch(walk(time))).counted(idle) for time in range(2, 2 + times)]
                common = set(counts[0]).intersection(*counts[1:])
                found[name] = [function for function in counts[-1] if function in common]
    sys.settrace(None)
    return found


def by_file(functions: Iterable[Function]) -> dict[str, list[str]]:
    """Return the names of functions by file, both in order of first call."""
    files: dict[str, list[str]] = {}
    for function in functions:
        files.setdefault(function.file, []).append(function.name)
    return files


def totals(files: dict[str, list[str]]) -> str:
    """Return how many there are."""
    return f"files {len(files)}, functions {sum(map(len, files.values()))}"


def table(files: dict[str, list[str]]) -> str:
    """Return a Markdown table: a row a file, in order of first call within folders in order of first call."""
    folders: dict[str, list[str]] = {}
    for file in files:
        folders.setdefault(file.rpartition("/")[0], []).append(file)
    lines = ["| folder | file | functions |", "|---|---|---|"]
    for folder, paths in folders.items():
        for place, path in enumerate(paths):
            names = ", ".join(f"`{name}`" for name in files[path])
            lines.append(f"| {'' if place else f'`{folder}/`'} | `{path.rpartition('/')[2]}` | {names} |")
    return "\n".join([*lines, "", f"{totals(files)[0].upper()}{totals(files)[1:]}."])


def updated(page: str, walks: dict[str, dict[str, list[str]]]) -> str:
    """Return the page with new tables between its markers ``<!-- walk: NAME -->`` and ``<!-- end of walk -->``."""
    for name, files in walks.items():
        head, start, rest = page.partition(f"<!-- walk: {name} -->\n")
        _, end, tail = rest.partition("<!-- end of walk -->")
        if not end:
            raise SystemExit(f"{PAGE.name} has no markers for the walk {name}")
        page = f"{head}{start}{table(files)}\n{end}{tail}"
    return page


def main() -> None:
    """Trace, and print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print {walk: {files, functions, walk: {file: [function]}}}")
    form.add_argument("--markdown", action="store_true", help="print the tables of docs/explain-architecture.md")
    form.add_argument("--update", action="store_true", help="write the tables into docs/explain-architecture.md")
    parser.add_argument("--tree", type=Path, default=ROOT, help="trace the code of another checkout")
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS, help="seconds of the idle trace (%(default)s)")
    parser.add_argument(
        "--times",
        type=int,
        default=5,
        choices=range(1, len(WORDS) - 1),
        help="how often each walk is made (%(default)s)",
    )
    options = parser.parse_args()
    tree = options.tree.resolve()
    sys.path.insert(0, str(tree))
    walks = {name: by_file(found) for name, found in asyncio.run(trace(tree, options.idle, options.times)).items()}
    if options.json:
        shown = {
            name: {"files": len(files), "functions": sum(map(len, files.values())), "walk": files}
            for name, files in walks.items()
        }
        print(json.dumps(shown, indent=2))
    elif options.markdown:
        print("\n\n".join(f"**{name}**\n\n{table(files)}" for name, files in walks.items()))
    elif options.update:
        PAGE.write_text(updated(PAGE.read_text(), walks))
        print("\n".join(f"{name}: {totals(files)}" for name, files in walks.items()))
    else:
        for name, files in walks.items():
            print(f"{name}: {totals(files)}")
            for file, names in files.items():
                print(f"  {file}: {', '.join(names)}")


if __name__ == "__main__":
    main()
