"""The indexer of a process: made from the settings, a candidate for the lease, and seen by other processes.

It is apart from the composition root, so that commands about the index need not import all of the service: that takes
several times as long as their work.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

from indexer.follow.follower import Follower
from indexer.leadership.lease import Candidate
from indexer.status.publication import Publisher
from service.adapters.shared.liveness import dismiss, enlist, known_dead
from service.ports.search import SearchEngine
from service.ports.store import Store
from service.runtime import engines
from service.runtime.base import Base
from service.runtime.index_metrics import IndexTimes


def make_follower(
    base: Base,
    engine: SearchEngine,
    stack: AsyncExitStack,
    *,
    notes: Store | None = None,
    times: IndexTimes | None = None,
) -> Follower:
    """Return an indexer that is not started, registered on this machine until the stack is closed."""
    times = times or IndexTimes()
    return Follower(
        base.store,
        engine,
        base.clock,
        engines.follow_options(base.settings),
        candidate=candidate(base, stack, "follower"),
        metrics=times,
        notes=notes,
    )


def candidate(base: Base, stack: AsyncExitStack, work: str) -> Candidate:
    """Return this process as a candidate for a lease, until the stack is closed."""
    name = enlist(f"{work}-{base.clock.sid()}")
    stack.callback(dismiss, name)
    return Candidate(name, known_dead)


def publish(base: Base, follower: Follower, stack: AsyncExitStack) -> None:
    """Publish the progress of a follower to other processes, until the stack is closed."""
    publisher = Publisher(base.store, base.clock, base.settings.index_prefix, follower.status)
    stack.push_async_callback(publisher.stop)
    publisher.start()
