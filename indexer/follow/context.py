"""What the parts of a leader share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from indexer.bulk.dead_letters import DeadLetters
from indexer.bulk.loop import LoopControl
from indexer.follow.progress import Progress
from indexer.follow.refresh import Refresher
from indexer.follow.writer import Writer
from indexer.indexes.physical import Indexes
from indexer.indexes.plan import Plans
from indexer.leadership.renewal import LeaseRenewer
from indexer.options import FollowOptions
from service.ports.clock import Clock
from service.ports.search import SearchEngine
from service.ports.store import Store


@dataclass(frozen=True, slots=True)
class LeaderContext:
    """The ports and the parts that live as long as a follower, for whatever it does while it leads.

    Attributes:
        store: The store that is followed.
        engine: Where the indexes are.
        clock: The time.
        options: What was chosen.
        indexes: The physical indexes and the alias.
        plans: Which of them get every write.
        renewer: Writes the lease's record: the token, and what goes with it.
        letters: What indexes refuse.
        writer: Keys or records in, acknowledgements out.
        refresher: Makes what is acknowledged searchable.
        progress: What the status says.
        control: Pauses an attempt, or ends it.
        bell: Set when what is under way is to end: a stop, a reset, a lost lease.
    """

    store: Store
    engine: SearchEngine
    clock: Clock
    options: FollowOptions
    indexes: Indexes
    plans: Plans
    renewer: LeaseRenewer
    letters: DeadLetters
    writer: Writer
    refresher: Refresher
    progress: Progress
    control: LoopControl
    bell: asyncio.Event
