"""Filters, documents and tokens, without a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from bson import decode, encode
from bson.int64 import Int64

from service.adapters.mongo.codec import CODEC, document, record, updated
from service.adapters.mongo.query import page_parts, where_filter
from service.adapters.mongo.token import Token, as_int, as_timestamp, read_token, time_of
from service.adapters.shared.pages import Cursor
from service.errors import HistoryLost
from service.ports.store import Change, Condition, Exists, In, Order, Range, Record
from tests.support.mongo_server import at, resume_token

LIVE = {"tombstone": False}

INDEXED: list[tuple[Mapping[str, Condition], Any]] = [
    ({}, LIVE),
    ({"org_id": "o"}, {"$and": [LIVE, {"org": "o"}]}),
    ({"org_id": In(["o", "p"])}, {"$and": [LIVE, {"org": {"$in": ["o", "p"]}}]}),
    ({"guid": "g"}, {"$and": [LIVE, {"unique.guid": "g"}]}),
    ({"guid": In(["g", "h"])}, {"$and": [LIVE, {"unique.guid": {"$in": ["g", "h"]}}]}),
    ({"sha256": "s"}, {"$and": [LIVE, {"body.sha256": "s"}]}),
    ({"created_at": Range(gte="a", lt="b")}, {"$and": [LIVE, {"body.created_at": {"$gte": "a", "$lt": "b"}}]}),
    ({"org_id": "o", "tags": "x"}, {"$and": [LIVE, {"org": "o"}, {"body.tags": "x"}]}),
    ({"tags": In(["x", "y"])}, {"$and": [LIVE, {"body.tags": {"$in": ["x", "y"]}}]}),
    ({"guid": Exists()}, {"$and": [LIVE, {"body.guid": {"$exists": True, "$ne": None}}]}),
    ({"guid": Exists(present=False)}, {"$and": [LIVE, {"body.guid": {"$eq": None}}]}),
]


@pytest.mark.parametrize(("where", "wanted"), INDEXED, ids=lambda value: str(value)[:60])
def test_conditions_on_indexed_paths_are_plain(where: Mapping[str, Condition], wanted: object) -> None:
    """They hold one value, so nothing but the condition is asked: an index serves it."""
    assert where_filter("asset", where) == wanted


def test_a_path_does_not_go_through_lists() -> None:
    _, asked = where_filter("asset", {"meta.w": "x"})["$and"]
    assert asked == {"$and": [{"$nor": [{"body.meta": {"$type": "array"}}]}, {"body.meta.w": "x"}]}


def test_a_page_is_a_walk_from_a_point() -> None:
    first, missing = page_parts("asset", {"org_id": "o"}, Order("created_at", descending=True), None)
    assert first.sort == [("body.created_at", -1), ("key", 1)]
    assert missing.sort == [("key", 1)]
    assert {"body.created_at": {"$eq": None}} in _leaves(missing.filter), "what an index takes"
    walk, numbers, _ = page_parts("asset", {"org_id": "o"}, Order("created_at", descending=True), Cursor("2024", "k"))
    assert {"body.created_at": {"$lte": "2024"}} in _leaves(walk.filter), "a bound that an index takes"
    assert {"body.created_at": {"$type": "number"}} in _leaves(numbers.filter)
    (rest,) = page_parts("asset", {"org_id": "o"}, Order("created_at"), Cursor(None, "k"))
    assert {"key": {"$gt": "k"}} in _leaves(rest.filter)


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    if isinstance(value, dict) and any(name in value for name in ("$and", "$or", "$nor")):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    return [value]


BODY = {
    "org_id": "o",
    "guid": "g",
    "n": 2**62,
    "small": 1,
    "f": 1.0,
    "t": [True, None],
    "m": {"a.b": {"$c": ""}},
    "schema": {"$ref": "#/x", "$id": 2**40, "more": [{"$ref": "y", "$id": {"$ref": "z", "$id": 1}, "$db": "d"}]},
}


def test_a_document_comes_back_as_plain_json() -> None:
    """The driver's own integers and references would not pass through every JSON writer."""
    raw = encode(document("asset", "a", dict(BODY), "now"))
    back = record("asset", decode(raw, CODEC))  # type: ignore[arg-type]
    assert back == Record("asset", "a", 1, BODY, "now")
    assert type(back.body["n"]) is int
    assert type(back.rev) is int
    assert type(back.body["f"]) is float
    assert orjson.loads(orjson.dumps(back.body)) == BODY


def test_an_update_copies_what_indexes_need() -> None:
    before = Record("asset", "a", 1, {"org_id": "o", "guid": "g", "flag": False, "x": 1}, "")
    after, update = updated(before, Change(set={"org_id": "p", "guid": None}, unset=["x"]), "now")
    assert update == {
        "$set": {"body.org_id": "p", "body.guid": None, "org": "p", "unique": {}, "updated_at": "now"},
        "$unset": {"body.x": ""},
        "$inc": {"rev": Int64(1)},
    }
    assert after.body == {"org_id": "p", "guid": None, "flag": False}


def test_a_token_comes_back_as_it_was_written() -> None:
    token = Token("d", as_int(at(7)), True, 3, {"": resume_token(7)}, "hash")
    assert read_token(str(token), "d") == token
    assert str(token).isascii()
    with pytest.raises(HistoryLost):
        read_token(str(token), "another")


PASSED: list[tuple[Token, Token, bool]] = [
    (Token("d", 5), Token("d", 4), True),
    (Token("d", 5), Token("d", 6), False),
    (Token("d", 5), Token("d", 5), True),
    (Token("d", 5), Token("d", 5, whole=True), False),
    (Token("d", 5, whole=True), Token("d", 5, whole=True), True),
    (Token("d", 6), Token("d", 5, whole=True), True),
    (Token("d", 5, marker=3), Token("d", 9, marker=3), True),
    (Token("d", 5, marker=2), Token("d", 9, marker=3), False),
    (Token("d", 9, marker=2), Token("d", 9, marker=3), True),
    (Token("d", marker=3), Token("d", marker=3), True),
    (Token("d", marker=2), Token("d", marker=3), False),
    (Token("d"), Token("d"), False),
]


@pytest.mark.parametrize(("token", "mark", "passed"), PASSED)
def test_what_a_feed_has_passed(token: Token, mark: Token, passed: bool) -> None:
    assert token.passed(mark) is passed


@pytest.mark.parametrize(
    "token", [None, {}, {"_data": "nx:5"}, {"_data": b"x"}, {"_data": "8265"}, {"_data": "83" * 9}]
)
def test_a_resume_token_of_another_form_tells_no_time(token: dict[str, Any] | None) -> None:
    assert time_of(token) == 0


def test_a_resume_token_starts_with_its_time() -> None:
    assert as_timestamp(time_of(resume_token(7, "2B04"))) == at(7)
