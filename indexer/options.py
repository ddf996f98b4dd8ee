"""The options of a follower."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from indexer.bulk.loop import BatchLimits

MEMORY_RUN = 1000
"""From this many documents on, a bulk request to the embedded engine makes a segment that it never merges again."""

MEMORY_TRICKLE = 10
"""Documents in one bulk request to the embedded engine when there are too few for such a segment."""


@dataclass(frozen=True, slots=True)
class FollowOptions:
    """The options of a follower.

    Attributes:
        alias: The index name that searches use; physical indexes are named after it.
        index_refresh: The engine's own refresh interval, in its time units: a safety net for what is written without a
            follower. The follower refreshes itself, so an engine that refreshed as often would do the work twice.
        shards: Primary shards of a new index.
        replicas: Copies of each shard.
        feed_limit: Changes in one batch of the feed.
        page: Records read and projected at once.
        page_bytes: The maximum size of the documents of such a page: of large ones, fewer are read.
        lanes: Concurrent bulk requests: three keep an engine with two cores busy while the next is projected.
        batches: Concurrent batches of the feed: while one is written, the next is read. Tokens stay in order.
        linger_seconds: How long the follower waits for more changes after a batch that was not full, while no caller
            waits for its own write.
        bounds: The limits of one bulk request.
        trickle: Documents in one bulk request when the feed has fewer than ``bounds.count`` (None: all).
        refresh_seconds: The shortest time between two refreshes while no caller waits for its own write; 0 refreshes
            after each batch, which is right if a refresh costs nothing.
        checkpoint_seconds: How often the token is saved, and so how much is repeated after a crash.
        check_seconds: How often the follower checks that the alias still points to its index.
        plan_seconds: How often it checks whether the plan asks for other indexes.
        renew_seconds: How often the leader renews its lease.
        ttl_seconds: How long a standby sees no renewal before it takes over.
        look_seconds: How often a standby reads the lease.
        shards_seconds: How long a reindex waits for replicas before the swap; a cluster of one node never has them.
        epoch: Raised when the store is restored from a backup, so that its older revs win over the lost ones.
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
        """Return the options for the embedded engine, whose refreshes cost nothing, but which merges within a write.

        It re-indexes ten segments of one size class (1-9, 10-99, 100-999 documents) as one, and accepts no other call
        meanwhile. Requests of a thousand documents are never merged; requests of ten, the smallest of their class,
        limit the longest pause to that of merging a thousand documents (measured: 1.7 s, against 4.3 s with forty).
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
