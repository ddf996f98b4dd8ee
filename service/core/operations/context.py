"""What a handler gets: its parameters, where an earlier run came to, and how it reports what it did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from service.core.access.keys import Principal
from service.core.operations.items import STATUSES, Item, ItemPages, OutcomePage
from service.ports.jobs import Progress
from service.ports.store import Record, Store

P = TypeVar("P", bound=BaseModel)


class OperationContext(Generic[P]):
    """One run of an operation.

    A handler that works on items reports them by :meth:`advance`, a page at a time, with the checkpoint behind them: a
    run that is killed goes on from the last checkpoint, and no item is counted twice. Where a repetition of an item
    would come to another outcome (what was changed then is unchanged now), the handler says by :meth:`plan` what it is
    about to do, and asks :meth:`unfinished` first. ``service.core.operations.changes`` does all that for handlers that
    change records.

    Every method but the properties raises :class:`service.ports.jobs.Cancelled` when the run is to end, which a handler
    lets pass, and Unavailable.
    """

    def __init__(self, store: Store, operation: Record, progress: Progress, parameters: P) -> None:
        self.operation = operation
        self.parameters = parameters
        self._progress = progress
        self._pages = ItemPages(store, operation.key, operation.org_id)
        saved = operation.body.get("checkpoint") or {}
        self._page = int(saved.get("pages", 0))
        self._checkpoint: Mapping[str, Any] | None = saved.get("handler")
        reached = operation.body.get("progress") or {}
        self._counts = Counter({status: int(reached.get(status, 0)) for status in STATUSES})
        self._total = int(reached.get("total", 0))

    @property
    def operation_id(self) -> str:
        """The operation's id."""
        return self.operation.key

    @property
    def org_id(self) -> str:
        """The organization that the operation belongs to, and outside of which it does nothing."""
        return str(self.operation.body["org_id"])

    @property
    def started_by(self) -> Principal:
        """Who started it, with the scopes of then."""
        by = self.operation.body.get("started_by") or {}
        return Principal(self.org_id, str(by.get("user_id", "")), frozenset(by.get("scopes", ())), by.get("key_id", ""))

    @property
    def checkpoint(self) -> Mapping[str, Any] | None:
        """What was saved last, by this run or an earlier one; None at the very start."""
        return self._checkpoint

    @property
    def counts(self) -> Mapping[str, int]:
        """{succeeded, skipped, failed} so far."""
        return {status: self._counts[status] for status in STATUSES}

    @property
    def total(self) -> int:
        """How many items there are, as far as it was said."""
        return self._total

    async def report(self, completed: int, total: int) -> None:
        """Show progress that no later run relies on; a few times a second it is written."""
        await self._progress(completed, total)

    async def begin(self, total: int, checkpoint: Mapping[str, Any]) -> None:
        """Say how many items there are, and save the first checkpoint."""
        self._total = total
        await self._save(checkpoint)

    async def advance(self, items: Iterable[Item], checkpoint: Mapping[str, Any]) -> None:
        """Count items that are done, keep those of which more is to be known, and save the checkpoint behind them."""
        counts = await self._pages.write(self._page, items, checkpoint)
        await self._count(counts, checkpoint)

    async def plan(self, items: Iterable[Item], checkpoint: Mapping[str, Any]) -> None:
        """Write down what is about to be done, with the outcomes that it will have; :meth:`advance` ends it."""
        await self._pages.write(self._page, items, checkpoint, planned=True)

    async def unfinished(self) -> OutcomePage | None:
        """Return what an earlier run planned and did not end; None if there is nothing. Ask before anything else.

        What it ended but did not count is counted here.
        """
        page = await self._pages.read(self._page)
        while page is not None and not page.planned:
            await self._count(page.counts, page.checkpoint)
            page = await self._pages.read(self._page)
        return page

    async def write_input(self, number: int, keys: Sequence[str]) -> None:
        """Keep a page, of a number from 0 on, of what is to be worked on."""
        await self._pages.write_input(number, keys)

    async def read_input(self, number: int) -> list[str]:
        """Return such a page. Raises NotFound."""
        return await self._pages.read_input(number)

    async def _count(self, counts: Mapping[str, int], checkpoint: Mapping[str, Any]) -> None:
        self._counts.update(counts)
        self._total = max(self._total, sum(self._counts.values()))
        self._page += 1
        await self._save(checkpoint)

    async def _save(self, checkpoint: Mapping[str, Any]) -> None:
        self._checkpoint = dict(checkpoint)
        saved = {"pages": self._page, "handler": self._checkpoint}
        await self._progress.save(saved, total=self._total, **self.counts)
