"""The index body: every path that queries use is mapped, and nothing else can creep in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mappings.field import STEMS_PATH, WORDS_PATH
from mappings.fields import REGISTRY, FacetKind, Field, FieldType
from mappings.index import index_body, mapping_hash
from mappings.stemming import DEFAULT_LANGUAGES, use_languages

ROOT = index_body()["mappings"]


def _at(path: str) -> dict[str, Any]:
    node: dict[str, Any] = ROOT
    for name in path.split("."):
        node = (node.get("properties") or node.get("fields") or {})[name]
    return node


@pytest.mark.parametrize("field", list(REGISTRY.walk()), ids=lambda field: field.name)
def test_every_path_is_mapped(field: Field) -> None:
    assert _at(field.path)
    for path in (field.keyword_path, field.text_path):
        assert path is None or _at(path)
    if field.facet is not FacetKind.NONE and field.raw_path is not None:
        assert _at(field.raw_path)["type"] == "keyword"
    if field.type is FieldType.KEYWORD and not field.nested:
        # What is shown is never queried: kept for spellings in facets, else not read by the engine at all.
        shown = {"index": False, "type": "keyword"} if field.raw_path else {"type": "object", "enabled": False}
        assert shown.items() <= _at(field.name).items()
        assert _at(field.path)["type"] == "keyword"


def test_types() -> None:
    assert _at("metadata.width")["type"] == "long"
    assert _at("fold.metadata.seed")["type"] == "unsigned_long"
    assert _at("cost.amount")["type"] == "double"
    assert _at("gps")["type"] == "geo_point"
    assert _at("fold.metadata.exif")["type"] == "flat_object"
    assert _at("fold.custom")["type"] == "nested"
    assert _at("filename") == {"type": "object", "enabled": False}
    assert _at("fold.text.filename") == {"type": "text", "analyzer": "whitespace"}
    assert _at(STEMS_PATH)["index_options"] == "docs"
    assert _at(WORDS_PATH)["type"] == "text"
    assert _at("custom") == {"type": "object", "enabled": False}


def test_unknown_fields_are_refused_but_unknown_metadata_is_kept() -> None:
    assert ROOT["dynamic"] == "strict"
    assert _at("metadata")["dynamic"] is False


def test_settings() -> None:
    settings = index_body(shards=3, replicas=1, refresh="2s")["settings"]["index"]
    assert (settings["number_of_shards"], settings["number_of_replicas"], settings["refresh_interval"]) == (3, 1, "2s")


def test_the_body_is_json_and_its_hash_is_stable() -> None:
    assert json.loads(json.dumps(index_body())) == index_body()
    assert mapping_hash() == mapping_hash()
    assert len(mapping_hash()) == 16


def test_another_choice_of_languages_needs_another_index() -> None:
    english = mapping_hash()
    use_languages(("german", "english"))
    try:
        assert mapping_hash() != english
    finally:
        use_languages(DEFAULT_LANGUAGES)
    assert mapping_hash() == english


def test_bodies_are_independent() -> None:
    index_body()["mappings"]["properties"].clear()
    assert index_body()["mappings"]["properties"]
