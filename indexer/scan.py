"""A walk over every record of the store, pages in parallel."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from service.ports.store import Record, Store

Sink = Callable[[list[Record]], Awaitable[None]]


async def scan(store: Store, sink: Sink, *, page: int, lanes: int) -> None:
    """Give every asset record, tombstones included, to the sink in pages by key; return when all are taken.

    At most ``lanes`` pages are in the sink's hands at once, so memory stays flat. Records that change meanwhile may be
    given in either state. Raises what the store or the sink raises, after the other pages under way are cancelled.
    """
    under_way: set[asyncio.Task[None]] = set()
    after: str | None = None
    try:
        while records := await store.scan("asset", after=after, limit=page):
            after = records[-1].key
            under_way.add(asyncio.ensure_future(sink(records)))
            if len(under_way) >= lanes:
                under_way = await _settle(under_way, asyncio.FIRST_COMPLETED)
        await _settle(under_way, asyncio.ALL_COMPLETED)
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def _settle(tasks: set[asyncio.Task[None]], until: str) -> set[asyncio.Task[None]]:
    """Wait for tasks; return those still under way. Raises what a finished one raised."""
    if not tasks:
        return tasks
    done, rest = await asyncio.wait(tasks, return_when=until)
    for task in done:
        task.result()
    return rest
