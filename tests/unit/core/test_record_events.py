"""What an event says of a record, and which of it a caller may see."""

from __future__ import annotations

from typing import Any

import pytest

from service.core.access.keys import Principal
from service.core.events.record_events import as_json, read_position, read_types
from service.core.events.records import EVENT_TYPES, RecordEvent, Told, event_of, resync
from service.core.shared.authorship import Actor, acting, actor, signed, signed_new
from service.errors import InvalidInput, NotAllowed
from service.ports.store import Change, Record

SINCE = "2026-01-02T00:00:00.000Z"
BEFORE, AFTER = "2026-01-01T00:00:00.000Z", "2026-01-03T00:00:00.000Z"


def record(rev: int, *, tombstone: bool = False, made: str = BEFORE, **body: Any) -> Record:
    fields = {"org_id": "acme"} if tombstone else {"org_id": "acme", "created_by": {"at": made}, **body}
    return Record("asset", "a", rev, fields, AFTER, tombstone)


def by(*changed: str) -> dict[str, Any]:
    return {"user_id": "kim", "key_id": "k", "call_id": None, "changed": list(changed)}


TRASHED: dict[str, Any] = {"deleted_at": AFTER}
CASES: tuple[tuple[str, Record, Told | None, str], ...] = (
    ("the first rev", record(1), None, "created"),
    ("made since, changed before anybody heard of it", record(3, made=AFTER), None, "created"),
    ("made since and told", record(3, made=AFTER), Told(2, False), "updated"),
    ("made long ago", record(3), None, "updated"),
    ("without an author, as old ones are", Record("asset", "a", 3, {"org_id": "acme"}, AFTER), None, "updated"),
    ("told outside of the trash", record(3, **TRASHED), Told(1, False), "trashed"),
    ("told in the trash", record(3), Told(1, True), "restored"),
    ("told in the trash, and still there", record(3, **TRASHED), Told(1, True), "updated"),
    ("the last write put it there", record(3, **TRASHED, updated_by=by("deleted_at")), None, "trashed"),
    ("the last write took it out", record(3, updated_by=by("deleted_at")), None, "restored"),
    ("the last write was another", record(3, **TRASHED, updated_by=by("title")), None, "updated"),
    ("gone", record(4, tombstone=True), Told(3, False), "deleted"),
    ("gone, and nobody had heard of it", record(2, tombstone=True), None, "deleted"),
)  # fmt: skip


@pytest.mark.parametrize(("found", "told", "action"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_type_of_an_event(found: Record, told: Told | None, action: str) -> None:
    event = event_of(found, told, SINCE)
    assert event.type == f"asset.{action}"
    assert event.id == f"asset/a/{found.rev}"
    assert event.trashed == ("deleted_at" in found.body)
    assert RecordEvent.read(event.as_body()) == event


def test_a_resync_survives_the_log() -> None:
    event = resync(7, AFTER, "why")
    assert RecordEvent.read(event.as_body()) == event


def test_writes_bear_their_author() -> None:
    assert actor() == Actor()
    with acting(Actor("kim", "key_1", "req_1")):
        body = signed_new({"title": "x"}, AFTER)
        change = signed(Change(set={"title": "y", "usage_window": 1}, unset=["b"], increment={"stats.views": 1}))
    assert body["created_by"] == {"user_id": "kim", "key_id": "key_1", "call_id": "req_1", "at": AFTER}
    assert body["updated_by"] == {"user_id": "kim", "key_id": "key_1", "call_id": "req_1", "changed": []}
    assert change.set["updated_by"]["changed"] == ["b", "stats", "title"]
    assert signed(Change()).set["updated_by"] == {"user_id": None, "key_id": None, "call_id": None, "changed": []}


def test_callers_see_what_is_theirs() -> None:
    event = event_of(record(2, updated_by=by("admin_tags", "title")), None, SINCE)
    user, admin = Principal("acme", "kim", frozenset({"assets:read"})), Principal("acme", "boss", frozenset({"admin"}))
    assert as_json(event, user)["actor"] == {"user_id": "kim"}
    assert as_json(event, user)["changed"] == ["title"]
    assert as_json(event, admin)["actor"] == {"user_id": "kim", "key_id": "k", "call_id": None}
    assert as_json(event, admin)["changed"] == ["admin_tags", "title"]
    assert "org_id" not in as_json(event, admin)


def test_types_are_read() -> None:
    who = Principal("acme", "kim", frozenset({"assets:read"}))
    assert read_types("", who) == read_types(" , ", who) == frozenset()
    assert read_types("asset.created, asset.deleted", who) == {"asset.created", "asset.deleted"}
    assert read_types(",".join(EVENT_TYPES), who) == EVENT_TYPES.keys()
    with pytest.raises(InvalidInput, match=r"Did you mean asset\.created"):
        read_types("asset.creatd", who)
    with pytest.raises(NotAllowed):
        read_types("asset.created", Principal("acme", "kim", frozenset({"assets:write"})))


@pytest.mark.parametrize(("text", "position"), [(None, None), ("0", 0), ("1999", 1999)])
def test_positions_are_read(text: str | None, position: int | None) -> None:
    assert read_position(text) == position


@pytest.mark.parametrize("text", ["-1", "x", "1.5", "１", "9" * 17, " 1"])
def test_a_position_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="Last-Event-ID"):
        read_position(text)
