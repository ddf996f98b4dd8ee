"""Events of records: what an event is, and how one is made of a record as it is now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from service.core.shared.authorship import CREATED_BY, UPDATED_BY
from service.ports.store import Body, Record

RESYNC = "resync"
"""The type of an event that belongs to no record: events may be missing before it, so read again what you hold."""


@dataclass(frozen=True, slots=True)
class EventKind:
    """A kind of record whose changes are events.

    Attributes:
        prefix: What the types of its events start with.
        scope: The scope without which nobody sees them.
        hidden: Fields that only admins may know of.
        trash: The field that is set while a record is in the trash, None where there is none.
    """

    prefix: str
    scope: str
    hidden: frozenset[str] = frozenset()
    trash: str | None = None

    @property
    def types(self) -> tuple[str, ...]:
        """The types of its events."""
        actions = ("created", "updated", *(("trashed", "restored") if self.trash else ()), "deleted")
        return tuple(f"{self.prefix}.{action}" for action in actions)


EVENT_KINDS: Mapping[str, EventKind] = {
    "asset": EventKind("asset", "assets:read", hidden=frozenset({"admin_tags"}), trash="deleted_at"),
}
"""The kinds of records whose changes are events; another one is a line here."""

EVENT_TYPES: Mapping[str, str] = {
    **{type_: kind for kind, described in EVENT_KINDS.items() for type_ in described.types},
}
"""Every type of event, and the kind of its record."""


@dataclass(frozen=True, slots=True)
class RecordEvent:
    """Something that happened to a record, or a :data:`RESYNC`.

    Attributes:
        id: ``<kind>/<key>/<rev>``: the same whenever the same event is told, so that a consumer knows it again.
        type: ``asset.created`` and the like.
        kind: The record's kind.
        key: The record's key.
        rev: The record's rev; several writes that were faster than the relay are one event, with the last rev.
        org_id: The organization; None in a :data:`RESYNC`, which is everybody's.
        at: When the record was written, or the history was lost.
        actor: {user_id, key_id, call_id} of the last write; None where it is not known, as of old records.
        changed: The fields that the last write changed; None where it is not known.
        trashed: Whether the record is in the trash now.
        reason: Why to read everything again, in a :data:`RESYNC`.
    """

    id: str
    type: str
    kind: str
    key: str
    rev: int
    org_id: str | None
    at: str
    actor: Mapping[str, Any] | None = None
    changed: tuple[str, ...] | None = None
    trashed: bool = False
    reason: str | None = None

    def as_body(self) -> Body:
        """Return it as JSON, as the log keeps it."""
        body: Body = {
            "id": self.id,
            "type": self.type,
            "kind": self.kind,
            "key": self.key,
            "rev": self.rev,
            "org_id": self.org_id,
            "at": self.at,
            "actor": None if self.actor is None else dict(self.actor),
            "changed": None if self.changed is None else list(self.changed),
            "trashed": self.trashed,
        }
        return body if self.reason is None else {**body, "reason": self.reason}

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Return the event that :meth:`as_body` wrote."""
        changed = body.get("changed")
        return cls(**{**body, "changed": None if changed is None else tuple(changed)})


@dataclass(frozen=True, slots=True)
class Told:
    """What was last told of a record: its rev, and whether it was in the trash."""

    rev: int
    trashed: bool


def is_trashed(record: Record) -> bool:
    """Whether a record is in the trash, where its kind has one."""
    field = EVENT_KINDS[record.kind].trash
    return field is not None and record.body.get(field) is not None


def event_of(record: Record, told: Told | None, since: str) -> RecordEvent:
    """Return the event of a record or tombstone as it is now.

    ``told`` is what was told of it before, None if nothing was since ``since``: then a record that was made at that
    time or later is a new one to whoever hears of it, also if it was changed before anybody could be told.
    """
    body = record.body
    by: Mapping[str, Any] = body.get(UPDATED_BY) or {}
    changed = by.get("changed")
    return RecordEvent(
        id=f"{record.kind}/{record.key}/{record.rev}",
        type=f"{EVENT_KINDS[record.kind].prefix}.{_action(record, told, since)}",
        kind=record.kind,
        key=record.key,
        rev=record.rev,
        org_id=record.org_id,
        at=record.updated_at,
        actor={name: by.get(name) for name in ("user_id", "key_id", "call_id")} if by else None,
        changed=None if changed is None else tuple(changed),
        trashed=is_trashed(record),
    )


def resync(number: int, at: str, reason: str) -> RecordEvent:
    """Return the event that says that others may be missing; ``number`` makes its id unlike any other's."""
    return RecordEvent(f"{RESYNC}/{number}", RESYNC, "", "", 0, None, at, reason=reason)


def _action(record: Record, told: Told | None, since: str) -> str:
    if record.tombstone:
        return "deleted"
    made_at = (record.body.get(CREATED_BY) or {}).get("at", "")
    if record.rev == 1 or (told is None and made_at >= since):
        return "created"
    trashed = is_trashed(record)
    if told is None:
        field = EVENT_KINDS[record.kind].trash
        changed = (record.body.get(UPDATED_BY) or {}).get("changed") or ()
        moved = field is not None and field in changed
    else:
        moved = told.trashed != trashed
    return "updated" if not moved else "trashed" if trashed else "restored"
