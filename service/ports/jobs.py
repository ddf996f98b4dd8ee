"""The jobs port: long work whose state lives in the store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from service.ports.store import Record

STATUSES = ("queued", "running", "completed", "failed", "cancelled")
"""The statuses of an operation, in the order of its life."""

Progress = Callable[[int, int], Awaitable[None]]
"""``await progress(completed, total)`` writes the operation's progress; raises Cancelled when a cancel was asked for.

Call it as often as you like: the first, the last (completed = total) and a few a second are written.
"""

Handler = Callable[[Record, Progress], Awaitable[Mapping[str, Any]]]
"""Runs one operation and returns its result (JSON).

It must be idempotent: after a crash it runs again from the start.
"""


class Cancelled(Exception):
    """The operation was cancelled; a handler lets it pass."""


class Jobs(Protocol):
    """Runs operations: records of kind ``operation``.

    The caller inserts {org_id, type, status: "queued", params, created_at}; jobs writes the other fields::

        status        one of STATUSES
        attempts      runs begun so far, each counted when it begins
        run_after     a queued one waits until then (the caller may set it, too); absent or null: it is due
        started_at    begin of the last run             completed_at   when it became completed, failed or cancelled
        progress      {completed, total, percentage}    percentage is a whole number, 0 to 100, rounded down
        result        what the handler returned         error          {type, message} of the last failed run, else null

    State, progress, result and errors live in that record, so a job lost with its process is swept up and run again: by
    :meth:`start`, and every few seconds for what a dead process left behind. At most one run of an operation is under
    way at a time. A handler that raises InvalidInput fails at once; after any other error it is tried again with
    backoff until it has had as many attempts as the adapter allows. The message of an error that is not an AssetryError
    stays in the log.
    """

    def register(self, type_: str, handler: Handler) -> None:
        """Say which handler runs operations of a type. Before :meth:`start`."""
        ...

    async def enqueue(self, operation_id: str) -> None:
        """Run the operation soon. Raises NotFound for an unknown id; a finished one is left alone; twice is once."""
        ...

    async def cancel(self, operation_id: str) -> Record:
        """Ask for the end of a queued or running operation and return its record. A finished one stays as it is.

        A queued one is ``cancelled`` at once; a running one when its handler next calls ``progress``, unless it ends
        before; and instead of being queued again, whatever ended its run. Raises NotFound.
        """
        ...

    async def start(self) -> None:
        """Begin to work, with what an earlier process left queued or running first."""
        ...

    async def drain(self) -> None:
        """Return when nothing runs, is due, or waits to be tried again; at once if not started."""
        ...

    async def close(self) -> None:
        """Stop, with a grace for handlers to finish. Safe to call twice.

        Those that take longer are cancelled, and their operations go back to ``queued``.
        """
        ...
