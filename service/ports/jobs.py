"""The jobs port: long work whose state lives in the store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from service.ports.store import Record

STATUSES = ("queued", "running", "completed", "failed", "cancelled")
"""The statuses of an operation, in the order of its life."""


class Cancelled(Exception):
    """The run is to end: a cancel was asked for, or the run gives way to others. A handler lets it pass."""


class Progress(Protocol):
    """How a handler reports; every call raises :class:`Cancelled` when the run is to end."""

    async def __call__(self, completed: int, total: int) -> None:
        """Write the operation's progress.

        Call it as often as you like: the first, the last (completed = total) and a few a second are written.
        """
        ...

    async def save(
        self, checkpoint: Mapping[str, Any], *, total: int, succeeded: int, skipped: int, failed: int
    ) -> None:
        """Write a checkpoint and the counts that belong to it, at once and in one write.

        A later run finds both in the record, so what was counted by then is neither done nor counted again. An
        operation that saves has come on: its attempts count from here.
        """
        ...


Handler = Callable[[Record, Progress], Awaitable[Mapping[str, Any]]]
"""Runs one operation and returns its result (JSON).

It must be idempotent: after a crash it runs again, from the record's ``checkpoint`` if it saved one, else from the
start.
"""


class Jobs(Protocol):
    """Runs operations: records of kind ``operation``.

    The caller inserts {org_id, type, status: "queued", params, created_at}; jobs writes the other fields::

        status        one of STATUSES
        attempts      runs begun since it last saved a checkpoint, each counted when it begins
        run_after     a queued one waits until then (the caller may set it, too); absent or null: it is due, first
        started_at    begin of the last run             completed_at   when it became completed, failed or cancelled
        progress      {completed, total, percentage}    percentage is a whole number, 0 to 100, rounded down; with
                      {succeeded, skipped, failed}      of a handler that saves
        checkpoint    what the handler saved last       expires_at     when a finished one may be removed: after
                                                                       ``keep_seconds``, if the caller gave them
        result        what the handler returned         error          {type, message} of the last failed run, else null

    State, progress, result and errors live in that record, so a job lost with its process is swept up and run again: by
    :meth:`start`, and every few seconds for what a dead process left behind. At most one run of an operation is under
    way at a time. A worker leaves operations of a type that it has no handler for to others, so that old and new
    versions work side by side.

    Each organization has its fair share: with room for one more, the next is of the organization that has the fewest
    under way (on all workers), of several the one whose turn was longest ago, and of its operations the one that is due
    the longest. A run that saves checkpoints and has lasted for a while gives way to an organization with fewer under
    way, and goes on later.

    A handler that raises InvalidInput fails at once; after any other error it is tried again with
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
