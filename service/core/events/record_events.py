"""The events of records as a caller may see them: of their organization, and of what their key allows."""

from __future__ import annotations

import difflib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from service.core.access.keys import Principal
from service.core.events.following import Logged, LogReader
from service.core.events.records import EVENT_KINDS, EVENT_TYPES, RESYNC, RecordEvent
from service.errors import InvalidInput
from service.ports.clock import Clock

_DIGITS = 16
"""Digits of a position at most."""

_MOVED_SECONDS = 10.0
"""How often a caller who sees none of the events is told how far the log was read."""

_EXPIRED = "Events behind the one that you named are no longer kept."


@dataclass(frozen=True, slots=True)
class Seen:
    """What a caller sees: an event (its type and JSON) or, with neither, how far the log was read; and the position."""

    position: int
    type: str | None = None
    body: Mapping[str, Any] | None = None


class RecordEvents:
    """The use case of whoever follows what happens to records."""

    def __init__(self, reader: LogReader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock

    async def follow(self, who: Principal, types: frozenset[str], position: int | None) -> AsyncGenerator[Seen, None]:
        """Yield what a caller may see behind a position (None: from now on), for ever.

        ``types`` are the types that are wanted, none for all; a ``resync`` comes in any case: it says that others may
        be missing. Every event has a position from which to go on; a caller who sees none is told now and then how far
        the log was read, or their position would fall out of it. Raises Unavailable.
        """
        told = 0.0
        async with aclosing(self._reader.follow(position)) as pages:
            async for page in pages:
                for item in page:
                    now = self._clock.monotonic()
                    if (seen := self._shown(who, types, item)) is not None:
                        yield seen
                    elif item.event is None and (not told or now - told >= _MOVED_SECONDS):
                        yield Seen(item.position)
                    else:
                        continue
                    told = now

    def _shown(self, who: Principal, types: frozenset[str], item: Logged) -> Seen | None:
        if item.lost:
            return Seen(item.position, RESYNC, {"type": RESYNC, "reason": _EXPIRED})
        event = item.event
        if event is None:
            return None
        if event.type == RESYNC:
            return Seen(item.position, RESYNC, {"type": RESYNC, "reason": event.reason})
        if event.org_id != who.org_id or (types and event.type not in types) or not may_see(who, event.kind):
            return None
        return Seen(item.position, event.type, as_json(event, who))


def may_see(who: Principal, kind: str) -> bool:
    """Whether a caller may see the events of a kind."""
    return who.is_admin or EVENT_KINDS[kind].scope in who.scopes


def as_json(event: RecordEvent, who: Principal) -> dict[str, Any]:
    """Return an event as a caller may see it: hidden fields, keys and calls are for admins only."""
    hidden = frozenset() if who.is_admin else EVENT_KINDS[event.kind].hidden
    actor = None
    if event.actor is not None:
        actor = dict(event.actor) if who.is_admin else {"user_id": event.actor.get("user_id")}
    return {
        "id": event.id,
        "type": event.type,
        "kind": event.kind,
        "key": event.key,
        "rev": event.rev,
        "at": event.at,
        "actor": actor,
        "changed": None if event.changed is None else [name for name in event.changed if name not in hidden],
        "trashed": event.trashed,
    }


def read_types(text: str, who: Principal) -> frozenset[str]:
    """Read a list of types of events, by commas; empty means all.

    Raises InvalidInput for one that does not exist, NotAllowed for one whose records the caller may not read.
    """
    types = frozenset(name.strip() for name in text.split(",") if name.strip())
    for name in sorted(types):
        if name not in EVENT_TYPES:
            near = difflib.get_close_matches(name, EVENT_TYPES, n=1)
            meant = f" Did you mean {near[0]}?" if near else ""
            raise InvalidInput(
                f"There is no event type {name[:80]!r}.{meant}",
                field="types",
                provided=name,
                expected=", ".join(EVENT_TYPES),
            )
        who.allow(EVENT_KINDS[EVENT_TYPES[name]].scope)
    return types


def read_position(text: str | None) -> int | None:
    """Read the position that a client names as ``Last-Event-ID``. Raises InvalidInput."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise InvalidInput(
            "Last-Event-ID is not the id of an event of this stream.",
            field="Last-Event-ID",
            provided=text,
            expected="the `id` of an event, as the stream gave it, or nothing to begin with what happens from now on",
        )
    return int(text)
