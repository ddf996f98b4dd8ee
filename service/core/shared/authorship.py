"""Who wrote a record last, and by which call: ``updated_by`` and ``created_by`` of its body.

``updated_by`` is {user_id, key_id, call_id, changed}: ``changed`` names the fields of the record that the write set or
dropped, sorted; a tombstone's names none. ``created_by`` is {user_id, key_id, call_id, at}: ``at`` is when the record
was really made, whatever an import says of its ``created_at``. Who acts is known to the task that serves a request or
runs an operation (:func:`acting`), so no use case has to hand it through; outside of any, it is the service itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from service.ports.store import Body, Change

UPDATED_BY = "updated_by"
CREATED_BY = "created_by"
USAGE_WINDOW = "usage_window"
"""The number of the last window of usage that was added to a record's statistics."""

LAST_OPERATION = "last_operation"
"""The operation that changed a record last: what it writes when it goes on after a crash is told from what it wrote."""

GIVEN = "given"
"""The fields that people gave of those that a file fills in."""

_OWN = frozenset({UPDATED_BY, CREATED_BY, USAGE_WINDOW, LAST_OPERATION, GIVEN})
"""Bookkeeping: nobody's change."""

_FIELDS = 64
"""Fields that ``changed`` names at most."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a user with a key, by a call (the id of a request or an operation); nobody is the service itself."""

    user_id: str | None = None
    key_id: str | None = None
    call_id: str | None = None

    def as_body(self) -> Body:
        """Return {user_id, key_id, call_id}."""
        return {"user_id": self.user_id, "key_id": self.key_id, "call_id": self.call_id}


SERVICE = Actor()
"""The service itself, such as the folding of usage."""

_acting: ContextVar[Actor] = ContextVar("assetry_actor", default=SERVICE)


def actor() -> Actor:
    """Return who acts in this task."""
    return _acting.get()


@contextmanager
def acting(who: Actor) -> Iterator[None]:
    """Act as somebody until the block ends; so do the tasks that are begun in it."""
    token = _acting.set(who)
    try:
        yield
    finally:
        _acting.reset(token)


def signed_new(body: Mapping[str, Any], at: str) -> Body:
    """Return the body of a new record with who makes it, and when."""
    by = actor().as_body()
    return {**body, CREATED_BY: {**by, "at": at}, UPDATED_BY: {**by, "changed": []}}


def signed(change: Change) -> Change:
    """Return a change with who makes it, and what it changes."""
    increased = (path.partition(".")[0] for path in change.increment)
    changed = sorted({*change.set, *change.unset, *increased} - _OWN)[:_FIELDS]
    by = {**actor().as_body(), "changed": changed}
    return Change(set={**change.set, UPDATED_BY: by}, unset=change.unset, increment=change.increment)
