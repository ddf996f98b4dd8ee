"""Noticing that a database lost what ``assetry db init`` gave it: unique indexes and validators may be dropped.

Without them nothing fails at once: two records get the same slug, and later everything that relies on it goes wrong.
"""

from __future__ import annotations

import asyncio
import logging

from pymongo.errors import PyMongoError

from service.adapters.mongo.client import Database
from service.adapters.mongo.schema import SetupStep, missing
from service.errors import AssetryError

log = logging.getLogger(__name__)

CHECK_SECONDS = 300.0
"""How often it is checked while a store is open: one listing for each kind."""


def lacks(steps: list[SetupStep]) -> str:
    """Return what a database lacks, by the first step that would repair it."""
    first = f"{steps[0].action} {steps[0].collection} {steps[0].detail}".rstrip()
    more = f", and {len(steps) - 1} more steps" if len(steps) > 1 else ""
    return f"the database lacks what `assetry db init` sets up ({first}{more})"


class SetupWatch:
    """Looks from time to time what a database lacks. ``problem`` says it, None if it lacks nothing."""

    def __init__(self, database: Database, *, every: float = CHECK_SECONDS) -> None:
        self.problem: str | None = None
        self._database = database
        self._every = every
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, with the first look after a while: at the start somebody has just looked."""
        self._task = asyncio.create_task(self._run(), name="mongo-setup")

    async def stop(self) -> None:
        """End. Safe to call twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def look(self) -> None:
        """Look now. Raises Unavailable."""
        async with self._database.time_limit():
            steps = await missing(self._database)
        problem = lacks(steps) if steps else None
        if problem != self.problem:
            log.log(logging.ERROR if problem else logging.INFO, "%s", problem or "the database lacks nothing any more")
        self.problem = problem

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            try:
                await self.look()
            except (AssetryError, PyMongoError) as error:
                log.info("cannot look whether the database is set up: %s", error)
