"""The jobs port: long-running operations whose state lives in the store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from service.ports.store import Record

STATUSES = ("queued", "running", "completed", "failed", "cancelled")
"""The statuses of an operation, in the order in which it goes through them."""

Progress = Callable[[int, int], Awaitable[None]]
"""``await progress(completed, total)`` writes the operation's progress; raises Cancelled when it was cancelled.

Call it as often as you like: the first call, the last (completed = total) and a few per second are written.
"""

Handler = Callable[[Record, Progress], Awaitable[Mapping[str, Any]]]
"""Runs one operation and returns its result (JSON).

It must be idempotent: after a crash it runs again from the start.
"""


class Cancelled(Exception):
    """The operation was cancelled. A handler must let this exception propagate."""


class Jobs(Protocol):
    """Runs operations: records of kind ``operation``.

    The caller inserts {org_id, type, status: "queued", params, created_at}; the adapter writes the other fields::

        status        one of STATUSES
        attempts      runs started so far; a run counts from its start
        run_after     a queued operation waits until then (the caller may set it too); absent or null: it is due
        started_at    start of the last run             completed_at   when it became completed, failed or cancelled
        progress      {completed, total, percentage}    percentage is a whole number, 0 to 100, rounded down
        result        what the handler returned         error          {type, message} of the last failed run, else null

    State, progress, result and errors live in that record, so an operation whose process died is found and run again:
    by :meth:`start`, and by a check every few seconds. An operation has at most one run at a time. If its handler
    raises InvalidInput, it fails at once; after any other error it is retried with back-off, up to the adapter's
    maximum number of attempts. The message of an error that is not an AssetryError goes to the log only.
    """

    def register(self, type_: str, handler: Handler) -> None:
        """Register the handler that runs operations of this type. Call it before :meth:`start`."""
        ...

    async def enqueue(self, operation_id: str) -> None:
        """Run the operation soon. Raises NotFound for an unknown id. Idempotent; a finished operation is left alone."""
        ...

    async def cancel(self, operation_id: str) -> Record:
        """Cancel a queued or running operation and return its record. A finished one is left alone.

        A queued one is ``cancelled`` at once; a running one when its handler next calls ``progress``, unless it
        finishes first. A cancelled operation is never queued again, however its run ended. Raises NotFound.
        """
        ...

    async def start(self) -> None:
        """Start working, first on what an earlier process left queued or running."""
        ...

    async def drain(self) -> None:
        """Return when nothing is running, due or waiting for a retry; at once if not started."""
        ...

    async def close(self) -> None:
        """Stop, after a grace period in which handlers may finish. Safe to call twice.

        Handlers that take longer are cancelled, and their operations go back to ``queued``.
        """
        ...
