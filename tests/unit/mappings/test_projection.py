"""The derived part of a search document."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.projection import OPEN_LEAVES, custom_values, fold_object, open_leaves, paths_of, projection_paths
from tests.support.examples import examples

CASES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    (
        {"title": "Éa", "filename": "A_b.JPG"},
        {
            "title": "ea",
            "filename": "a_b.jpg",
            "text": {"title": "ea", "filename": "a b jpg"},
            "stems": "filename|a filename|b filename|jpg a b jpg title|ea ea",
        },
    ),
    (
        {"tags": ["A", "a", "Runs é", None]},
        {
            "tags": ["a", "runs é"],
            "text": {"tags": ["a", "a", "runs e"]},
            "stems": "tags|a a tags|run tags|e run e",
        },
    ),
    ({"type": "Image", "user_id": 7}, {"type": "image", "user_id": "7"}),
    (
        {"metadata": {"model": "SD-XL", "width": 5}},
        {"metadata": {"model": "sd-xl"}, "words": ["sd xl"], "stems": "sd xl"},
    ),
    (
        {"metadata": {"prompt": "東京 ★ !"}, "description": "!"},
        {
            "text": {"description": "|", "metadata": {"prompt": "東 京 ★"}},
            "stems": "metadata.prompt|東 metadata.prompt|京 metadata.prompt|★ 東 京 ★",
        },
    ),
    ({"metadata": {"seed": 2**64 - 1}}, {"metadata": {"seed": 2**64 - 1}}),
    ({"metadata": {"seed": str(2**64 - 1)}}, {"metadata": {"seed": 2**64 - 1}}),
    ({"metadata": {"seed": 2**64}}, {}),
    ({"metadata": {"seed": -1}}, {}),
    (
        {"metadata": {"exif": {"Image Make": "Canon", "ISO": [100, 200]}}},
        {"metadata": {"exif": {"image_make": "canon", "iso": ["100", "200"]}}},
    ),
    ({"metadata": {"Codec": "H264", "deep": {"A B": True}}}, {"extra": {"codec": "h264", "deep.a_b": "true"}}),
    (
        {"people": [{"name": "Ann", "role": "Editor"}, "odd"]},
        {"people": [{"name": "ann", "role": "editor"}], "words": ["ann"], "stems": "ann"},
    ),
    (
        {"suggested_tags": [{"tag": "Water", "confidence": 83.5}]},
        {"suggested_tags": [{"tag": "water", "confidence": 83.5}]},
    ),
    (
        {"creator": ["Jane"], "credit": "AP", "source_info": "AP"},
        {
            "creator": ["jane"],
            "words": ["ap", "jane"],
            "text": {"credit": "ap", "source_info": "ap"},
            "stems": "credit|ap source_info|ap ap jane",
        },
    ),
    ({"taxonomy": ["A/B/C", "a/x"]}, {"taxonomy": ["a", "a/b", "a/b/c", "a/x"]}),
    ({"storage_folder": "/Été//2024/"}, {"storage_folder": ["été", "été/2024"]}),
    ({"taxonomy": ["/", ""]}, {}),
    ({"cost": None, "metadata": None, "custom": None, "people": None}, {}),
    ({"cost": "odd", "metadata": 5, "custom": [1]}, {}),
]


@pytest.mark.parametrize(("record", "fold"), CASES)
def test_fold(record: dict[str, Any], fold: dict[str, Any]) -> None:
    assert fold_object(record) == fold


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2024-05-01T10:00:00+05:30", "2024-05-01T10:00:00+05:30"),
        ("2024-05-01T10:00:00-18:00", "2024-05-01T10:00:00-18:00"),
        ("2024-05-01T10:00:00+19:00", "2024-04-30T15:00:00+00:00"),
        ("2024-05-01T10:00:00+01:00:00.5", "2024-05-01T08:59:59.500000+00:00"),
        ("0001-01-01T10:00:00+23:00", None),
    ],
)
def test_a_date_has_an_offset_that_the_engine_reads(text: str, date: str | None) -> None:
    (entry,) = custom_values({"on": text})
    assert (entry["kind"], entry.get("date")) == ("date" if date else "text", date)


def test_custom_values_have_the_type_of_their_json() -> None:
    found = custom_values({"W": 7, "B": True, "D": "2024-05-01", "T": ["Dark Red", "x"], "big": 10**400, "o": {"a": 1}})
    assert found == [
        {"key": "w", "keyword": "7", "kind": "number", "number": 7.0},
        {"key": "b", "keyword": "true", "kind": "boolean"},
        {"key": "d", "keyword": "2024-05-01", "kind": "date", "date": "2024-05-01T00:00:00", "text": "2024 05 01"},
        {"key": "t", "keyword": "dark red", "kind": "text", "text": "dark red"},
        {"key": "t", "keyword": "x", "kind": "text", "text": "x"},
        {"key": "big", "keyword": str(10**400), "kind": "text"},
    ]


def test_deep_paths_are_bounded() -> None:
    found = paths_of("/".join("abcdefghij" * 10))
    assert len(found) == 32
    assert found[-1].count("/") == 99
    assert paths_of(["a/b", "A/B"]) == ["a", "a/b"]


def test_open_objects_are_bounded() -> None:
    assert len(open_leaves({f"k{n}": n for n in range(2000)})) == OPEN_LEAVES
    deep: dict[str, Any] = {"leaf": 1}
    for _ in range(50):
        deep = {"x": deep}
    assert open_leaves(deep) == {}


def test_paths_name_the_folded_fields() -> None:
    paths = projection_paths()
    assert {"tags", "title", "metadata.model", "favorited_by"} <= paths.keys()
    assert "metadata.width" not in paths


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=examples(300), deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["title", "tags", "metadata", "custom", "people", "suggested_tags", "cost"]), _JSON, max_size=4
    )
)
def test_no_record_breaks_it_and_none_is_changed(record: dict[str, Any]) -> None:
    before = repr(record)
    assert fold_object(record) == fold_object(record)
    assert repr(record) == before
