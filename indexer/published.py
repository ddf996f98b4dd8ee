"""The status that an indexer leaves in the store for processes that run none, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

from indexer.status import FollowerStatus, Rebuilding, Reconciling, Role, State
from indexer.verified import Verified
from service.ports.store import Body

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

_NESTED: Mapping[str, type[Any]] = {"reconciling": Reconciling, "rebuild": Rebuilding, "verified": Verified}
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
