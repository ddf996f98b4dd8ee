"""Who wrote a record last, and by which call: ``updated_by`` and ``created_by`` of its body.

``updated_by`` is {user_id, key_id, call_id, changed}: ``changed`` names the fields of the record that the write set or
dropped, sorted. ``created_by`` is {user_id, key_id, call_id, at}: ``at`` is when the record was really made, whatever
an import says of its ``created_at``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from service.core.access.keys import Principal
from service.core.shared.calls import current_call
from service.ports.clock import Clock
from service.ports.store import Body, Change
from service.times import timestamp

UPDATED_BY = "updated_by"
CREATED_BY = "created_by"
_OWN = frozenset({UPDATED_BY, CREATED_BY})
_FIELDS = 64
"""Fields that ``changed`` names at most."""


@dataclass(frozen=True, slots=True)
class Author:
    """Somebody who writes: a user with a key, or a part of the service (no user, ``key_id`` empty)."""

    user_id: str | None
    key_id: str | None = None

    @classmethod
    def of(cls, who: Principal) -> Author:
        """Return a caller as an author."""
        return cls(who.user_id, who.key_id or None)

    def as_body(self) -> Body:
        """Return {user_id, key_id, call_id}, with the call that is under way."""
        return {"user_id": self.user_id, "key_id": self.key_id, "call_id": current_call()}


SERVICE = Author(None)
"""The service itself, such as the folding of usage."""


def signed_new(body: Body, author: Author, clock: Clock) -> Body:
    """Return a new record's body with its author."""
    by = author.as_body()
    return {
        **body,
        CREATED_BY: {**by, "at": timestamp(clock.now())},
        UPDATED_BY: {**by, "changed": []},
    }


def signed(change: Change, author: Author) -> Change:
    """Return a change with its author."""
    return Change(
        set={**change.set, UPDATED_BY: {**author.as_body(), "changed": _names(change)}},
        unset=change.unset,
        increment=change.increment,
    )


def _names(change: Change) -> list[str]:
    increased: Iterable[str] = (path.partition(".")[0] for path in change.increment)
    return sorted({*change.set, *change.unset, *increased} - _OWN)[:_FIELDS]
