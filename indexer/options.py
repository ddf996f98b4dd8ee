"""What can be chosen of a follower."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from indexer.bulk.loop import BatchLimits

MEMORY_RUN = 1000
"""From this many documents on, a bulk request of the embedded engine makes a run that it never merges again."""

MEMORY_TRICKLE = 10
"""Documents in one bulk request to the embedded engine where there are fewer than a run."""


@dataclass(frozen=True, slots=True)
class FollowOptions:
    """What can be chosen of a follower.

    Attributes:
        alias: What searches call the index; physical indexes are named after it.
        index_refresh: The engine's own refresh interval, in its time units: a net for what is written while nobody
            follows. The follower refreshes itself, so an engine that did it as often would do the work twice.
        shards: Primary shards of a new index.
        replicas: Copies of each shard.
        feed_limit: Changes in one batch of the feed.
        page: Records read and projected at once.
        page_bytes: How heavy the documents of such a page may be: of heavy ones, fewer are read.
        lanes: Bulk requests under way at once: three keep an engine of two cores busy while the next is projected.
        batches: Batches of the feed under way at once: while one is written, the next is read. Tokens stay in order.
        linger_seconds: How long the follower waits for company for what comes next, after a batch that was not full,
            while nobody waits for their own write.
        bounds: What one bulk request holds at most.
        trickle: How many documents one bulk request holds where the feed has fewer than ``bounds.count`` (None: all).
        refresh_seconds: The shortest time between two refreshes while nobody waits for their own write; 0 refreshes
            after each batch, which is right where a refresh is free.
        checkpoint_seconds: How often the token is saved, so also how much is repeated after a crash.
        check_seconds: How often the follower looks whether the alias still shows its index.
        plan_seconds: How often it looks whether the plan asks for other indexes.
        renew_seconds: How often the leader gives a sign of life.
        ttl_seconds: How long a stand-by waits for one before it takes over.
        look_seconds: How often a stand-by looks.
        shards_seconds: How long a reindex waits for replicas before the swap; a cluster of one node never has them.
        epoch: Raised when the store is restored from a backup, so that its old revs win over the lost ones.
    """

    alias: str = "assets"
    index_refresh: str = "5s"
    shards: int = 1
    replicas: int = 0
    feed_limit: int = 1000
    page: int = 500
    page_bytes: int = 16 * 2**20
    lanes: int = 3
    batches: int = 2
    linger_seconds: float = 0.05
    bounds: BatchLimits = field(default_factory=BatchLimits)
    trickle: int | None = None
    refresh_seconds: float = 0.5
    checkpoint_seconds: float = 0.5
    check_seconds: float = 10.0
    plan_seconds: float = 1.0
    renew_seconds: float = 3.0
    ttl_seconds: float = 10.0
    look_seconds: float = 1.0
    shards_seconds: float = 60.0
    epoch: int = 0

    @classmethod
    def embedded(cls, alias: str = "assets") -> Self:
        """Return what suits the embedded engine, which refreshes for nothing but merges inside a write.

        It indexes ten runs of one size class (1-9, 10-99, 100-999 documents) again as one, and takes no other call
        meanwhile. Requests of a thousand documents are never merged; requests of ten, the smallest of their class,
        keep the longest pause at the thousand documents of one merge (measured: 1.7 s, against 4.3 s with forty).
        """
        bounds = BatchLimits(count=MEMORY_RUN, size=50 * 2**20)
        return cls(
            alias=alias,
            page=MEMORY_RUN,
            bounds=bounds,
            trickle=MEMORY_TRICKLE,
            lanes=1,
            batches=1,
            linger_seconds=0.0,
            refresh_seconds=0.0,
        )
