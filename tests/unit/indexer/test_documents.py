from __future__ import annotations

from typing import Any

import orjson
import pytest

from indexer.documents import (
    MAX_REV,
    bulk_item,
    mapped,
    search_document,
    tombstone_document,
    vanished_item,
    version,
)
from mappings.derived import aspect, derived_metadata
from mappings.index import index_body
from service.ports.search import BulkItem
from service.ports.store import Body, Record

UPDATED = "2024-05-01T10:00:00.000Z"


def record(body: Body, *, rev: int = 3, tombstone: bool = False) -> Record:
    return Record("asset", "asset_7", rev, {"org_id": "acme", **body}, UPDATED, tombstone)


def decoded(item: BulkItem) -> Any:
    assert isinstance(item.document, bytes)
    return orjson.loads(item.document)


@pytest.mark.parametrize(
    ("body", "path", "expected"),
    [
        ({}, "id", "asset_7"),
        ({}, "asset_id", "asset_7"),
        ({}, "org_id", "acme"),
        ({}, "rev", 3),
        ({}, "deleted", False),
        ({}, "updated_at", UPDATED),
        ({"updated_at": "1999-01-01T00:00:00.000Z"}, "updated_at", UPDATED),
        ({"title": "Bergsee"}, "title", "Bergsee"),
        ({"tags": ["Nature", "ALPS"]}, "tags", ["Nature", "ALPS"]),
        ({"tags": ["Nature", "ALPS"]}, "fold.tags", ["nature", "alps"]),
        ({"type": "image"}, "fold.type", "image"),
        ({"metadata": {"width": 4000, "height": 3000}}, "metadata.aspect", "landscape"),
        ({"metadata": {"width": 4000, "height": 3000}}, "fold.metadata.aspect", "landscape"),
        ({"metadata": {"camera_make": "Canon", "camera_model": "EOS 5D"}}, "metadata.camera", "Canon EOS 5D"),
        ({"metadata": {"codec": "h264"}}, "metadata.codec", "h264"),
        ({"metadata": {"codec": "H264"}}, "fold.extra", {"codec": "h264"}),
        ({"metadata": {"exif": {"Lens": {"Nested": 1}}}}, "metadata.exif", {"Lens": {"Nested": 1}}),
        ({"custom": {"Weight": 5}}, "custom", {"Weight": 5}),
        (
            {"custom": {"Weight": 5}},
            "fold.custom",
            [{"key": "weight", "kind": "number", "keyword": "5", "number": 5.0}],
        ),
        ({"focus": {"x": 1, "y": 2}}, "focus", {"x": 1, "y": 2}),
        ({"deleted_at": UPDATED}, "deleted", False),
        ({"deleted": True, "rev": 99, "asset_id": "asset_8"}, "rev", 3),
        ({"deleted": True, "rev": 99, "asset_id": "asset_8"}, "deleted", False),
    ],
)
def test_a_document_holds_what_searches_show_and_ask(body: Body, path: str, expected: object) -> None:
    found: Any = search_document(record(body))
    for name in path.split("."):
        found = found[name]
    assert found == expected


@pytest.mark.parametrize("name", ["import_key", "blob", "backup_of"])
def test_what_the_registry_does_not_know_stays_out(name: str) -> None:
    assert name not in search_document(record({name: "internal"}))


def test_a_document_is_a_function_of_the_record_and_leaves_it_alone() -> None:
    body: Body = {"org_id": "acme", "metadata": {"width": 10, "height": 10}, "custom": {"a": [1, "x"]}}
    before = orjson.dumps(body)
    first = search_document(Record("asset", "asset_7", 1, body, UPDATED))
    assert first == search_document(Record("asset", "asset_7", 1, body, UPDATED))
    assert orjson.dumps(body) == before


def test_every_name_of_a_document_is_mapped() -> None:
    properties = index_body()["mappings"]["properties"]
    assert set(search_document(record({"title": "x", "metadata": {}}))) <= set(properties)


def test_a_record_of_no_organization_is_refused() -> None:
    with pytest.raises(ValueError, match="org_id"):
        search_document(Record("asset", "asset_7", 1, {"title": "x"}, UPDATED))


def test_a_tombstone_is_a_document_that_says_so() -> None:
    gone = record({}, rev=9, tombstone=True)
    assert tombstone_document(gone) == {"asset_id": "asset_7", "org_id": "acme", "rev": 9, "deleted": True}
    assert decoded(bulk_item(gone)) == tombstone_document(gone)


def test_an_index_of_another_mapping_is_given_what_it_knows() -> None:
    root = {"dynamic": "strict", "properties": {"asset_id": {}, "title": {}, "fold": {"properties": {"type": {}}}}}
    item = bulk_item(record({"title": "Bergsee", "type": "image", "tags": ["a"]}), root=root)
    assert decoded(item) == {"asset_id": "asset_7", "title": "Bergsee", "fold": {"type": "image"}}


def test_todays_mapping_cuts_nothing_of_a_document_that_is_cut_to_it() -> None:
    kept = record({"title": "x", "tags": ["a"], "metadata": {"width": 3, "codec": "h264"}, "custom": {"a": 1}})
    assert decoded(bulk_item(kept, root=index_body()["mappings"])) == decoded(bulk_item(kept))


@pytest.mark.parametrize(
    ("epoch", "rev", "expected"), [(0, 1, 1), (0, 2**40 - 1, 2**40 - 1), (1, 1, 2**40 + 1), (3, 7, 3 * 2**40 + 7)]
)
def test_a_version_is_the_epoch_above_the_rev(epoch: int, rev: int, expected: int) -> None:
    assert version(record({}, rev=rev), epoch) == expected


def test_a_vanished_key_outranks_every_rev_of_its_epoch_but_none_of_the_next() -> None:
    item = vanished_item("asset_7", epoch=1)
    assert version(record({}, rev=MAX_REV), 1) == item.version < version(record({}, rev=1), 2)
    assert decoded(item)["deleted"] is True


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"width": 100, "height": 100}, "square"),
        ({"width": 100, "height": 96}, "square"),
        ({"width": 100, "height": 95}, "landscape"),
        ({"width": 199, "height": 100}, "landscape"),
        ({"width": 200, "height": 100}, "panorama"),
        ({"width": 100, "height": 200}, "portrait"),
        ({"width": 300, "height": 200, "orientation": 6}, "portrait"),
        ({"width": 300, "height": 200, "orientation": "3"}, "landscape"),
        ({"width": 0, "height": 200}, None),
        ({"width": 300}, None),
        ({"width": "300", "height": 200}, None),
        ({}, None),
    ],
)
def test_the_aspect_is_the_shape_as_shown(metadata: Body, expected: str | None) -> None:
    assert aspect(metadata) == expected


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"camera_make": "Canon", "camera_model": "Canon EOS 5D"}, {"camera": "Canon EOS 5D"}),
        ({"camera_make": "NIKON", "camera_model": "D800"}, {"camera": "NIKON D800"}),
        ({"camera_make": "Canon"}, {"camera": "Canon"}),
        ({"camera_model": "D800"}, {"camera": "D800"}),
        ({"camera_make": 7, "camera_model": ""}, {}),
        ({"camera": "mine", "camera_make": "Canon"}, {}),
        ({"aspect": "odd", "width": 1, "height": 1}, {}),
    ],
)
def test_derived_leaves_never_replace_given_ones(metadata: Body, expected: Body) -> None:
    assert derived_metadata(metadata) == expected


@pytest.mark.parametrize(
    ("value", "node", "expected"),
    [
        ({"a": 1, "b": 2}, {"properties": {"a": {"type": "long"}}}, {"a": 1}),
        ({"a": 1, "b": 2}, {"dynamic": False, "properties": {"a": {"type": "long"}}}, {"a": 1, "b": 2}),
        ({"a": {"x": 1, "y": 2}}, {"properties": {"a": {"properties": {"x": {"type": "long"}}}}}, {"a": {"x": 1}}),
        ({"a": {"x": {"y": 2}}}, {"properties": {"a": {"type": "object", "enabled": False}}}, {"a": {"x": {"y": 2}}}),
        ({"a": 5}, {"properties": {"a": {"properties": {"x": {"type": "long"}}}}}, {"a": 5}),
        (
            {"a": [{"x": 1, "y": 2}, {"y": 3}, 5]},
            {"properties": {"a": {"type": "nested", "properties": {"x": {"type": "long"}}}}},
            {"a": [{"x": 1}, {}, 5]},
        ),
    ],
)
def test_an_object_is_cut_to_what_the_mapping_takes(value: Body, node: Body, expected: Body) -> None:
    assert mapped(value, node) == expected


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("codec", True),
        (" ", True),
        ("codec.name", True),
        ("codec.", True),
        ("*", True),
        ("", False),
        (".", False),
        ("..", False),
        (".codec", False),
        ("codec..name", False),
        ("codec. .name", False),
        ("width.unit", False),
        ("width.", False),
        ("exif.Make", True),
        ("exif..Make", False),
    ],
)
def test_a_leaf_whose_name_the_engine_takes_for_a_path_stays_in_the_record(name: str, kept: bool) -> None:
    document = decoded(bulk_item(record({"metadata": {name: "x", "height": 2}})))
    assert document["metadata"] == ({name: "x", "height": 2} if kept else {"height": 2})
