"""An open change feed, and how far back a store's feed reaches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol, runtime_checkable

from service.errors import AssetryError
from service.ports.store import Changed, Store


class Interrupted(Exception):
    """The follower was interrupted: it has to stop, or to start over."""


class Feed:
    """One open feed of a store."""

    def __init__(self, changes: AsyncIterator[list[Changed]], bell: asyncio.Event) -> None:
        self._changes = changes
        self._bell = bell

    async def next(self) -> list[Changed]:
        """Return the next batch, which may be empty. Raises Interrupted as soon as the bell is set, HistoryLost."""
        step = asyncio.ensure_future(anext(self._changes))
        step.add_done_callback(_looked_at)
        ring = asyncio.ensure_future(self._bell.wait())
        try:
            await asyncio.wait({step, ring}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ring.cancel()
            if not step.done():
                step.cancel()
            await asyncio.wait({step, ring})
        if self._bell.is_set():
            raise Interrupted
        return step.result()


def _looked_at(step: asyncio.Future[list[Changed]]) -> None:
    """Retrieve a step's result: if its waiter was cancelled, asyncio would report the exception as never retrieved."""
    if not step.cancelled():
        step.exception()


@asynccontextmanager
async def opened(store: Store, token: str, *, kind: str, limit: int, bell: asyncio.Event) -> AsyncIterator[Feed]:
    """Open the feed after a token, and close it at the end."""
    changes = store.changes(token, kinds=(kind,), limit=limit)
    try:
        yield Feed(changes, bell)
    finally:
        close = getattr(changes, "aclose", None)  # an async generator has it, the Protocol does not promise it
        if close is not None:
            await close()


@runtime_checkable
class Windowed(Protocol):
    """A store that knows how far back its feed reaches."""

    async def window(self) -> float | None:
        """Return the hours; None if they are unknown (or unlimited)."""
        ...


async def window(store: Store) -> float | None:
    """Return how many hours of changes the store's feed still has; None if it does not report that."""
    if not isinstance(store, Windowed):
        return None
    try:
        return await store.window()
    except AssetryError:  # the figure is only displayed; code that needs the store reports the failure itself
        return None
