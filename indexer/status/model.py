"""The status that an indexer leaves in the store for processes without an indexer, and how to read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum, StrEnum
from typing import Any

from indexer.verify.last_result import VerifyResult
from service.ports.store import Body


class State(StrEnum):
    """What the follower is doing."""

    STARTING = "starting"  # looking for an index and a checkpoint to continue from
    STANDBY = "standby"  # another process follows; this one takes over when that ends
    REINDEXING = "reindexing"  # filling an index from the whole store; the alias does not point to it yet
    RECONCILING = "reconciling"  # following, and repairing what was missed while the history was lost
    FOLLOWING = "following"
    WAITING = "waiting"  # the engine or the store does not answer; retried with back-off
    HALTED = "halted"  # too many documents are rejected; an operator has to act
    STOPPED = "stopped"


class Role(StrEnum):
    """The role of a follower."""

    NONE = "none"
    STANDBY = "standby"
    LEADER = "leader"


@dataclass(frozen=True, slots=True)
class Reconciling:
    """The progress of a reconcile: its reason, the current index, the last key that is done, and the drift so far."""

    reason: str
    index: str
    cursor: str | None = None
    checked: int = 0
    drift: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rebuilding:
    """The progress of an unfinished or failed reindex: its index, its stage, live records ``done`` of ``total``."""

    index: str
    stage: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class FollowerStatus:
    """The status of the follower at one moment.

    Attributes:
        state: What it is doing.
        index: The physical index that searches use.
        indexed: Live records written by the last full build.
        total: Live records that it had to write.
        lag_seconds: How long changes have been waiting to be acknowledged (0: none wait).
        token: The token of the last change that every target has acknowledged, with all before it.
        searchable: The token of the last change that searches see, with all before it; None while unknown, as during a
            reconcile.
        caught_up: Searches see every write from before the follower's start (or the engine's loss); it stays true until
            the index is lost or has to be reconciled.
        dead_letters: How many are open.
        items: Bulk items by :class:`indexer.bulk.outcomes.Verdict`.
        last_error: Why it is waiting or halted.
        role: Leader, standby or none. A standby shows the leader's token, searchable and caught_up.
        holder: The holder of the lease, as far as known.
        fence: The fencing token of the lease's current holder; it rises with every change.
        gen: The generation of the plan that the leader works by.
        targets: The physical indexes that get every write.
        outdated: The index was created with another mapping or projection; ``assetry index reindex`` updates it.
        reconciling: The progress of a reconcile, None if there is none.
        last_batch: Changes in the last batch of the feed.
        window_hours: How far back the change feed reaches, None if the store does not report it.
        rate: Records acknowledged per second over the last ten seconds.
        rebuild: The progress of an operator's reindex, None if there is none.
        verified: The result of the last verify, None if there was none.
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

NOBODY = "no indexer is running: start one with `assetry index follow`"

HEARTBEAT_SECONDS = 5.0
"""How often a status is written even if nothing changes."""

STALE_SECONDS = 15.0
"""The age at which a status counts as that of an indexer that has ended or hangs."""

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
"""The status where no indexer has ever run."""

_NESTED: Mapping[str, type[Any]] = {"reconciling": Reconciling, "rebuild": Rebuilding, "verified": VerifyResult}
_NAMES = {field.name for field in fields(FollowerStatus)}


def key_of(alias: str) -> str:
    """Return the key of the record that holds the status of an alias's indexer."""
    return f"status-{alias}"


def encode(status: FollowerStatus) -> dict[str, Any]:
    """Return a status as stored in the record."""
    return {name: _plain(getattr(status, name)) for name in sorted(_NAMES)}


def decode(body: Body) -> FollowerStatus:
    """Parse a status, even of an older or newer release: missing fields are unknown, additional ones are ignored."""
    known = {name: value for name, value in body.items() if name in _NAMES}
    state = str(body.get("state"))
    # A state that only a newer release knows is treated as working.
    known["state"] = State(state) if state in set(State) else State.FOLLOWING
    role = str(body.get("role"))
    known["role"] = Role(role) if role in set(Role) else Role.NONE
    known["targets"] = tuple(body.get("targets") or ())
    for name, kind in _NESTED.items():
        held = body.get(name)
        known[name] = _read(kind, held) if isinstance(held, dict) else None
    return replace(UNKNOWN, **known)


def _read(kind: type[Any], body: Mapping[str, Any]) -> Any:
    """Return a part of a status, None if a field is missing; fields that only a newer release knows are ignored."""
    try:
        return kind(**{field.name: body[field.name] for field in fields(kind) if field.name in body})
    except TypeError:
        return None


def _plain(value: Any) -> Any:
    """Return a value as JSON: enumeration members as text, also as keys."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(held) for key, held in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(held) for held in value]
    return value
