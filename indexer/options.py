"""What can be chosen of a follower."""

from __future__ import annotations

from dataclasses import dataclass, field

from indexer.bulk import Bounds


@dataclass(frozen=True, slots=True)
class FollowOptions:
    """What can be chosen of a follower.

    Attributes:
        alias: What searches call the index; physical indexes are named after it.
        index_refresh: The engine's own refresh interval, in its time units.
        shards: Primary shards of a new index.
        replicas: Copies of each shard.
        feed_limit: Changes in one batch of the feed.
        page: Records read and projected at once.
        lanes: Bulk requests under way at once.
        bounds: What one bulk request holds at most.
        refresh_seconds: The shortest time between two refreshes while nobody waits for their own write; 0 refreshes
            after each batch, which is right where a refresh is free.
        checkpoint_seconds: How often the token is saved, so also how much is repeated after a crash.
        check_seconds: How often an idle follower looks whether its index is still there.
        epoch: Raised when the store is restored from a backup, so that its old revs win over the lost ones.
    """

    alias: str = "assets"
    index_refresh: str = "500ms"
    shards: int = 1
    replicas: int = 0
    feed_limit: int = 1000
    page: int = 500
    lanes: int = 2
    bounds: Bounds = field(default_factory=Bounds)
    refresh_seconds: float = 0.5
    checkpoint_seconds: float = 1.0
    check_seconds: float = 10.0
    epoch: int = 0
