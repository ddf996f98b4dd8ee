"""The life of an operation as changes to its record; :class:`service.ports.jobs.Jobs` has the fields.

A running operation names its ``worker``, which writes a later ``lease_until`` again and again. So every process can
tell a run that goes on from one whose process died, whichever queue it came by. Only people read the time in it: other
processes see that the record changes, and compare no clock with the worker's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from service.errors import AssetryError, Unavailable
from service.ports.store import Change, Record
from service.times import timestamp

KIND = "operation"
FINISHED = frozenset({"completed", "failed", "cancelled"})
OUTCOMES = ("succeeded", "skipped", "failed")

LOST = {"type": "WorkerLost", "message": "Its process ended during every run."}
"""The error of an operation that takes its process down each time."""

_RELEASED: dict[str, Any] = {"worker": None, "lease_until": None}


def seconds_until_due(operation: Record, now: datetime) -> float:
    """Return how long a queued operation waits still; 0 when it is due."""
    after = operation.body.get("run_after")
    return max(0.0, (datetime.fromisoformat(after) - now).total_seconds()) if after else 0.0


def asked_to_end(operation: Record, now: datetime) -> Change | None:
    """Ask for the end; None when there is nothing to ask for (any more)."""
    if operation.body["status"] == "queued":
        return cancelled(operation, now)
    if operation.body["status"] in FINISHED or is_asked_to_end(operation):
        return None
    return Change(set={"cancel_requested": True})


def is_asked_to_end(operation: Record) -> bool:
    """Whether somebody asked for the end."""
    return bool(operation.body.get("cancel_requested"))


def claimed(operation: Record, worker: str, now: datetime, lease: float) -> Change:
    """Begin a run."""
    return Change(
        set={
            "status": "running",
            "worker": worker,
            "lease_until": timestamp(now + timedelta(seconds=lease)),
            "attempts": attempts(operation) + 1,
            "run_after": None,
            "started_at": timestamp(now),
            **({} if operation.body.get("checkpoint") else {"progress": progress(0, 0)}),
        }
    )


def renewed(now: datetime, lease: float) -> Change:
    """Go on with a run."""
    return Change(set={"lease_until": timestamp(now + timedelta(seconds=lease))})


def saved(checkpoint: Mapping[str, Any], counts: Mapping[str, int]) -> Change:
    """Keep what a run has done; ``counts`` are {total, succeeded, skipped, failed}."""
    outcomes = {name: counts[name] for name in OUTCOMES}
    reached = {**progress(sum(outcomes.values()), counts["total"]), **outcomes}
    return Change(set={"checkpoint": dict(checkpoint), "progress": reached, "attempts": 1, "outages": 0})


def completed(operation: Record, result: Mapping[str, Any], now: datetime) -> Change:
    """End a run with its result."""
    return _ended(operation, now, status="completed", result=dict(result), error=None)


def failed(operation: Record, error: Mapping[str, Any], now: datetime) -> Change:
    """End a run for good with its error."""
    return _ended(operation, now, status="failed", error=dict(error))


def cancelled(operation: Record, now: datetime) -> Change:
    """End an operation because a cancel was asked for."""
    return _ended(operation, now, status="cancelled", run_after=None)


def _ended(operation: Record, now: datetime, **fields: Any) -> Change:
    keep = operation.body.get("keep_seconds")
    expiry = {} if keep is None else {"expires_at": timestamp(now + timedelta(seconds=keep))}
    return Change(set={**_RELEASED, **fields, "completed_at": timestamp(now), **expiry})


def gave_way(now: datetime) -> Change:
    """Put an operation back behind those that are due by now; it goes on from its checkpoint."""
    return Change(set={**_RELEASED, "status": "queued", "run_after": timestamp(now), "attempts": 0})


def retried(error: Mapping[str, Any], now: datetime, delay: float) -> Change:
    """Put an operation back after a failed run, to wait ``delay`` seconds."""
    after = timestamp(now + timedelta(seconds=delay))
    return Change(set={**_RELEASED, "status": "queued", "error": dict(error), "run_after": after})


def waiting(error: Mapping[str, Any], attempts_: int, outages_: int, now: datetime, delay: float) -> Change:
    """Put an operation back whose run was the ``outages_``-th in a row to meet an outage: the run does not count."""
    again = retried(error, now, delay)
    return Change(set={**again.set, "attempts": max(0, attempts_ - 1), "outages": outages_})


def requeued(attempts_: int) -> Change:
    """Put an operation back whose run was broken off, with so many attempts counted.

    It is due by every clock, also by those that are behind this process's.
    """
    return Change(set={**_RELEASED, "status": "queued", "run_after": None, "attempts": max(0, attempts_)})


def recovered(operation: Record, most: int, now: datetime, *, died: bool = True) -> Change:
    """Put an operation back that nobody runs; end it when a cancel was asked for or it had its ``most`` attempts.

    If its worker has not ``died``, the store was out when the run began or ended: that run does not count.
    """
    if is_asked_to_end(operation):
        return cancelled(operation, now)
    if not died:
        return requeued(attempts(operation) - 1)
    return failed(operation, LOST, now) if attempts(operation) >= most else requeued(attempts(operation))


def attempts(operation: Record) -> int:
    """Return how many runs have begun."""
    return int(operation.body.get("attempts") or 0)


def outages(operation: Record) -> int:
    """Return how many runs in a row met an outage."""
    return int(operation.body.get("outages") or 0)


def progress(done: int, total: int) -> dict[str, int]:
    """Return a progress as records hold it."""
    percentage = min(100, max(0, 100 * done // total)) if total > 0 else 0
    return {"completed": done, "total": total, "percentage": percentage}


def described(error: Exception) -> dict[str, str]:
    """Return an error as records hold it: no engine's message, no stack trace."""
    if isinstance(error, Unavailable):
        return {"type": "Unavailable", "message": f"The {error.engine} did not answer."}
    if isinstance(error, AssetryError):
        return {"type": type(error).__name__, "message": error.message}
    return {"type": "InternalError", "message": "It failed unexpectedly; the log says why."}
