"""The embedded jobs: operations run as asyncio tasks of this process."""

from __future__ import annotations

from service.adapters.jobs.limits import JobLimits
from service.adapters.jobs.store_jobs import StoredJobs
from service.ports.store import Record

__all__ = ["InprocessJobs", "JobLimits"]


class InprocessJobs(StoredJobs):
    """The jobs port in the process: a dispatcher takes what is due from the store, at once when it hears of it.

    Several processes may share a store; each hears only of its own operations at once, of the others' by its sweeps.
    """

    async def announce(self, operation: Record) -> None:
        """Let this process's dispatcher look."""
        self.rounds.wake()

    async def feed(self) -> float:
        """Begin what is due in the store."""
        return await self.begin_due()

    async def run_ended(self, operation_id: str) -> None:
        """Let the dispatcher look: there is room."""
        self.rounds.wake()
