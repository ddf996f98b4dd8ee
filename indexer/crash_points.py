"""The named steps of following, building and reindexing: the points at which a crash must not lose anything.

The code reports each step with :func:`crash_point`. In production nothing observes them; tests install an observer that
kills the process, raises, or records the steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum


class CrashPoint(StrEnum):
    """Every named step, in chronological order; it is reported right after what it names has happened."""

    # leadership
    LEASE_TAKEN = "lease taken"  # this process holds the lease, nothing has been read yet
    SAVE_BEGINS = "save begins"  # a token is acknowledged and about to be saved
    SAVED = "saved"
    LEASE_RELEASED = "lease released"
    # following
    BATCH_READ = "batch read"  # changes are in memory
    RECORDS_READ = "records read"  # and so are their records
    TARGET_WRITTEN = "target written"  # one target acknowledged the batch, others may not have
    LETTER_WRITTEN = "letter written"  # a dead letter is durable
    BATCH_ACKNOWLEDGED = "batch acknowledged"  # by every target; the token has not been saved
    # the plan
    PLAN_SEEN = "plan seen"  # new targets are written to, but not acknowledged
    PLAN_ACKNOWLEDGED = "plan acknowledged"
    # a build by the leader
    BUILD_NOTED = "build noted"
    BUILD_CREATED = "build created"
    BUILD_PAGE = "build page"
    BUILD_FILLED = "build filled"
    BUILD_TOKEN_SAVED = "build token saved"  # noqa: S105 - a name
    BUILD_PROMOTED = "build promoted"  # the alias points to it, but the plan does not say so yet
    BUILD_SETTLED = "build settled"
    # reconciling
    RECONCILE_BEGUN = "reconcile begun"
    RECONCILE_PAGE = "reconcile page"
    RECONCILED = "reconciled"
    # a reindex, in the operator's process
    REINDEX_NOTED = "reindex noted"
    REINDEX_CREATED = "reindex created"
    REINDEX_JOINED = "reindex joined"  # the plan names the new index as a target
    REINDEX_ACKNOWLEDGED = "reindex acknowledged"  # the follower writes to it
    REINDEX_PAGE = "reindex page"  # a page is written, the cursor has not been saved
    REINDEX_CURSOR = "reindex cursor"
    REINDEX_FILLED = "reindex filled"
    REINDEX_DRAINED = "reindex drained"
    REINDEX_RESTORED = "reindex restored"
    REINDEX_VERIFIED = "reindex verified"
    SWAP_PERMITTED = "swap permitted"  # the alias can move, but the plan does not allow it yet
    SWAP_BEGINS = "swap begins"  # the plan allows the alias to move
    SWAPPED = "swapped"  # the alias has moved, but the plan does not say so yet
    SWAP_SETTLED = "swap settled"
    ROLLBACK_BEGINS = "rollback begins"
    ROLLED_BACK = "rolled back"
    PURGE_NOTED = "purge noted"  # nothing is written any more to what will be deleted
    PURGED = "purged"


Observer = Callable[[CrashPoint], None]


def _ignore(step: CrashPoint) -> None:
    """Ignore the step."""


_observers: list[Observer] = [_ignore]


def crash_point(step: CrashPoint) -> None:
    """Report that a step has been reached. Raises what an observer raises, if tests installed one."""
    _observers[-1](step)


@contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Pass each step that this process reaches to an observer, until the block ends."""
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)
