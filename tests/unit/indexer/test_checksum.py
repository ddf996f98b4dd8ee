"""The checksum in a document: right only for this record, this projection, and a document that nobody changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from indexer.checksum import is_unchanged
from indexer.documents import bulk_item, plain_item
from mappings.index import index_body
from mappings.stemming import DEFAULT_LANGUAGES, use_languages
from service.ports.store import Record

BODY = {
    "org_id": "acme",
    "title": "Überfälle am Fluß",
    "tags": ["a", "b"],
    "metadata": {"duration": 2.0, "model": "x", "odd.name": 1},
    "custom": {"weight": 1.5},
}
RECORD = Record("asset", "asset_1", 3, BODY, "2024-01-01T00:00:00.000Z")


def returned(record: Record) -> dict[str, Any]:
    """Return a document as the engine does."""
    content = bulk_item(record).document
    assert isinstance(content, bytes)
    found: dict[str, Any] = orjson.loads(content)
    return found


@pytest.fixture
def _languages() -> Iterator[None]:
    yield
    use_languages(DEFAULT_LANGUAGES)


def test_a_document_that_comes_back_is_unchanged() -> None:
    assert is_unchanged(RECORD, returned(RECORD))


@pytest.mark.parametrize(
    "changed",
    [
        {"body": {**BODY, "title": "Another"}},
        {"body": {**BODY, "metadata": {**BODY["metadata"], "odd.name": 2}}},  # type: ignore[dict-item]
        {"updated_at": "2024-01-02T00:00:00.000Z"},
        {"key": "asset_2"},
        {"body": {**BODY, "odd": b"\\x00"}},
    ],
    ids=str,
)
def test_of_another_record_it_is_wrong(changed: dict[str, Any]) -> None:
    assert not is_unchanged(replace(RECORD, **changed), returned(RECORD))


def test_whatever_is_changed_in_a_document_shows() -> None:
    source = returned(RECORD)
    for path in [("title",), ("tags",), ("metadata", "model"), ("fold", "stems"), ("fold", "metadata"), ("deleted",)]:
        spoiled = orjson.loads(orjson.dumps(source))
        at = spoiled
        for name in path[:-1]:
            at = at[name]
        at[path[-1]] = "spoiled"
        assert not is_unchanged(RECORD, spoiled), path
        del at[path[-1]]
        assert not is_unchanged(RECORD, spoiled), path


@pytest.mark.parametrize("fold", [None, "text", {}, {"checksum": "00"}, {"checksum": None}])
def test_without_a_checksum_nothing_is_known(fold: Any) -> None:
    assert not is_unchanged(RECORD, {**returned(RECORD), "fold": fold})


@pytest.mark.usefixtures("_languages")
def test_of_another_projection_it_is_wrong() -> None:
    source = returned(RECORD)
    use_languages(("english", "german"))
    assert not is_unchanged(RECORD, source)
    assert is_unchanged(RECORD, returned(RECORD))


def test_an_index_of_another_mapping_gets_it_only_where_it_has_a_place() -> None:
    root = index_body()["mappings"]
    item = plain_item(RECORD, root=root)
    assert item == plain_item(RECORD)
    del root["properties"]["fold"]["properties"]["checksum"]
    older = plain_item(RECORD, root=root).document
    assert isinstance(older, dict)
    assert "checksum" not in older["fold"]
    del root["properties"]["title"]
    root["properties"]["fold"]["properties"]["checksum"] = {}
    document = plain_item(RECORD, root=root).document
    assert isinstance(document, dict)
    assert "title" not in document
    assert is_unchanged(RECORD, document)


def test_a_tombstone_has_none() -> None:
    document = plain_item(replace(RECORD, tombstone=True)).document
    assert isinstance(document, dict)
    assert "fold" not in document
