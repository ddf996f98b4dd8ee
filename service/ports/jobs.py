"""The jobs port: long-running operations whose state lives in the store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from service.ports.store import Record

STATUSES = ("queued", "running", "completed", "failed", "cancelled")
"""The statuses of an operation, in the order in which it goes through them."""


class Cancelled(Exception):
    """The run is to end: the operation was cancelled, or gives way to others. A handler must let it propagate."""


class Progress(Protocol):
    """How a handler reports; every call raises :class:`Cancelled` when the run is to end."""

    async def __call__(self, completed: int, total: int) -> None:
        """Write the operation's progress.

        Call it as often as you like: the first call, the last (completed = total) and a few per second are written.
        """
        ...

    async def save(
        self, checkpoint: Mapping[str, Any], *, total: int, succeeded: int, skipped: int, failed: int
    ) -> None:
        """Write a checkpoint and the counts that belong to it, at once and in one write.

        A later run finds both in the record, so what was counted by then is neither done nor counted again. Attempts
        are counted anew from each save: an operation that makes progress is not given up.
        """
        ...


Handler = Callable[[Record, Progress], Awaitable[Mapping[str, Any]]]
"""Runs one operation and returns its result (JSON).

It must be idempotent: after a crash it runs again, from the record's ``checkpoint`` if it saved one, else from the
start.
"""


class Jobs(Protocol):
    """Runs operations: records of kind ``operation``.

    The caller inserts {org_id, type, status: "queued", params, created_at}; the adapter writes the other fields::

        status        one of STATUSES
        attempts      runs started since it last saved a checkpoint; a run counts from its start
        outages       runs in a row that met an outage of an engine; they are no attempts
        run_after     a queued operation waits until then (the caller may set it too); absent or null: it is due, first
        started_at    start of the last run             completed_at   when it became completed, failed or cancelled
        progress      {completed, total, percentage}    percentage is a whole number, 0 to 100, rounded down; with
                      {succeeded, skipped, failed}      if the handler saves checkpoints
        checkpoint    what the handler saved last       expires_at     when a finished operation may be removed: after
                                                                       ``keep_seconds``, if the caller gave them
        result        what the handler returned         error          {type, message} of the last failed run, else null

    State, progress, result and errors live in that record, so an operation whose process died is found and run again:
    by :meth:`start`, and by a check every few seconds. An operation has at most one run at a time. If its handler
    raises InvalidInput, it fails at once; after Unavailable it is retried with back-off for as long as the outage
    lasts, since that is no fault of the operation; after any other error it is retried with back-off, up to the
    adapter's maximum number of attempts. The message of an error that is not an AssetryError goes to the log only.

    A worker leaves operations of a type that it has no handler for to others, so that old and new versions work side by
    side. Each organization has its fair share of the workers: the next operation is of the organization that has the
    fewest running (on all workers), of several the one whose turn was longest ago, and of its operations the one that
    has been due the longest. A run that saves checkpoints and has lasted for a while gives way to an organization that
    has fewer running, and continues later.
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
