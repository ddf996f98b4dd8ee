"""The status that an indexer leaves in the store for processes that run none, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum, StrEnum
from typing import Any

from indexer.verify.last_result import VerifyResult
from service.ports.store import Body


class State(StrEnum):
    """What the follower is doing."""

    STARTING = "starting"  # looking for an index and a checkpoint to go on from
    STANDBY = "standby"  # another process follows; this one takes over when that ends
    REINDEXING = "reindexing"  # filling an index from the whole store; the alias does not show it yet
    RECONCILING = "reconciling"  # following, and repairing what was missed while the history was lost
    FOLLOWING = "following"
    WAITING = "waiting"  # the engine or the store does not answer; tried again with growing pauses
    HALTED = "halted"  # too many documents are refused; an operator must look
    STOPPED = "stopped"


class Role(StrEnum):
    """What a follower is to its index."""

    NONE = "none"
    STANDBY = "stand-by"
    LEADER = "leader"


@dataclass(frozen=True, slots=True)
class Reconciling:
    """How far a reconcile is: why it began, the index at hand, the key up to which it is done, what it found so far."""

    reason: str
    index: str
    cursor: str | None = None
    checked: int = 0
    drift: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rebuilding:
    """How far a reindex is that is under way or failed: its index, its stage, live records ``done`` of ``total``."""

    index: str
    stage: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class FollowerStatus:
    """One look at the follower.

    Attributes:
        state: What it is doing.
        index: The physical index that searches see.
        indexed: Live records written by the last full build.
        total: Live records that it had to write.
        lag_seconds: How long changes have been waiting to be acknowledged (0: none wait).
        token: The change up to which every target has all.
        searchable: The change up to which searches see all; None while that is not known, as during a reconcile.
        caught_up: Searches see every write from before the follower's start (or the engine's loss); it stays true until
            the index is lost, or is to be reconciled.
        dead_letters: How many are open.
        items: Bulk items by :class:`indexer.bulk.outcomes.Verdict`.
        last_error: Why it waits or halted.
        role: Leader, stand-by or none. A stand-by shows the leader's token, searchable and caught_up.
        holder: Who holds the lease, as far as is known.
        fence: The number of the lease's present holder; it rises with every change.
        gen: The generation of the plan that the leader works by.
        targets: The physical indexes that get every write.
        outdated: The index was made by another mapping or projection; ``assetry index reindex`` brings it up to date.
        reconciling: How far a reconcile is, None if there is none.
        last_batch: Changes in the last batch of the feed.
        window_hours: How far the change feed reaches back, None if the store cannot say.
        rate: Records a second that were acknowledged over the last ten seconds.
        rebuild: How far an operator's reindex is, None if there is none.
        verified: What the last verify found, None if there was none.
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
    role: Role = Role.NONE
    holder: str | None = None
    fence: int = 0
    gen: int = 0
    targets: tuple[str, ...] = ()
    outdated: bool = False
    reconciling: Reconciling | None = None
    last_batch: int = 0
    window_hours: float | None = None
    rate: float = 0.0
    rebuild: Rebuilding | None = None
    verified: VerifyResult | None = None


KIND = "checkpoint"

NOBODY = "no indexer runs: start `assetry index follow`"

HEARTBEAT_SECONDS = 5.0
"""How often a status is written when nothing changes."""

STALE_SECONDS = 15.0
"""A status that was not written again for so long is of an indexer that is gone or hangs."""

UNKNOWN = FollowerStatus(
    state=State.STOPPED,
    index=None,
    indexed=0,
    total=0,
    lag_seconds=0.0,
    token=None,
    searchable=None,
    caught_up=False,
    dead_letters=0,
    items={},
    last_error=NOBODY,
)
"""What is known where no indexer ever was."""

_NESTED: Mapping[str, type[Any]] = {"reconciling": Reconciling, "rebuild": Rebuilding, "verified": VerifyResult}
_NAMES = {field.name for field in fields(FollowerStatus)}


def key_of(alias: str) -> str:
    """Return the key of the record that holds the status of an alias's indexer."""
    return f"status-{alias}"


def encode(status: FollowerStatus) -> dict[str, Any]:
    """Return a status as the record holds it."""
    return {name: _plain(getattr(status, name)) for name in sorted(_NAMES)}


def decode(body: Body) -> FollowerStatus:
    """Read a status, also one that an older or newer release wrote: what it lacks is unknown, the rest is left out."""
    known = {name: value for name, value in body.items() if name in _NAMES}
    state = str(body.get("state"))
    # A state that only a newer release knows is some way of working.
    known["state"] = State(state) if state in set(State) else State.FOLLOWING
    role = str(body.get("role"))
    known["role"] = Role(role) if role in set(Role) else Role.NONE
    known["targets"] = tuple(body.get("targets") or ())
    for name, kind in _NESTED.items():
        held = body.get(name)
        known[name] = _read(kind, held) if isinstance(held, dict) else None
    return replace(UNKNOWN, **known)


def _read(kind: type[Any], body: Mapping[str, Any]) -> Any:
    """Return a part of a status, None where it lacks something; what only a newer release knows of it is left out."""
    try:
        return kind(**{field.name: body[field.name] for field in fields(kind) if field.name in body})
    except TypeError:
        return None


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: words of an enumeration as texts, also as keys."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(held) for key, held in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(held) for held in value]
    return value
