"""What the follower says of itself, for ``/readyz``, ``/metrics`` and ``assetry index status``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What the follower is doing."""

    STARTING = "starting"  # looking for an index and a checkpoint to go on from
    REINDEXING = "reindexing"  # filling an index from the whole store; the alias does not show it yet
    FOLLOWING = "following"
    WAITING = "waiting"  # the engine or the store does not answer; tried again with growing pauses
    HALTED = "halted"  # too many documents are refused; an operator must look
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class FollowerStatus:
    """One look at the follower.

    ``caught_up``: the index holds every write from before the follower's start (or the engine's loss), and searches see
    them; it stays true until the index is lost. ``indexed`` of ``total`` is the progress of the last full build, in
    live records. ``lag_seconds`` is how long changes have been waiting to be acknowledged (0: none wait). ``token`` is
    the change up to which all is acknowledged, ``searchable`` the one up to which searches see all. ``items`` counts
    bulk items by :class:`indexer.outcomes.Verdict`. ``dead_letters`` is how many are open.
    """

    state: State
    index: str | None
    indexed: int
    total: int
    lag_seconds: float
    token: str | None
    searchable: str | None
    caught_up: bool
    dead_letters: int
    items: Mapping[str, int]
    last_error: str | None
