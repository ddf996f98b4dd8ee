"""Every row of the table of asset fields is honoured everywhere: whoever adds one adds an example here, too."""

from __future__ import annotations

from typing import Any

import pytest

from indexer.documents import search_document
from service.api.dialects.native import answers, views
from service.core.access.keys import Principal
from service.core.assets import objects
from service.core.files.links import Links
from service.errors import InvalidInput, NotAllowed
from service.model import ASSET_FIELDS, IMPORT_ONLY, LIST_FIELDS, AssetBody, AssetCreate, AssetPatch
from service.ports.store import Record
from tests.unit.core.fakes import Shelf

EXAMPLES: dict[str, Any] = {
    "title": "A title",
    "description": "Words",
    "alt_text": "Words",
    "credit": "Kim",
    "creator": ["Kim"],
    "source_info": "A shelf",
    "license": "CC0",
    "rights_code": "R1",
    "tags": ["sea"],
    "rating": 4,
    "people": [{"name": "Kim", "role": "author"}],
    "captured_at": "2024-01-15T00:00:00.000Z",
    "expires_at": "2034-01-15T00:00:00.000Z",
    "gps": {"lat": 1.0, "lon": 2.0},
    "colours": ["red"],
    "focus": {"x": 1, "y": 2},
    "external_url": "https://example.com/a",
    "module": "shelf",
    "submodule": "top",
    "status": "draft",
    "is_public": True,
    "collections": ["Summer"],
    "metadata": {"width": 5},
    "custom": {"colour": "red"},
    "type": "link",
    "filename": "a.txt",
    "mime_type": "text/plain",
    "created_at": "2014-01-15T00:00:00.000Z",
    "usage_stats": {"downloads": 1, "views": 2, "shares": 3, "favorites": 4},
    "cost": {"credits_used": 1, "currency": "EUR", "amount": 2.0},
}
"""A value of each field, as a record keeps it."""

ASKED = {"is_favorite": "favorited_by", "is_deleted": "deleted_at"}
"""Fields that are no field of a record: what they change there."""

NEW = {"type": "link", "external_url": "https://example.com", "title": "Without"}
WHO = Principal("acme", "kim", frozenset({"admin"}))


def shown(record: Record[AssetBody]) -> dict[str, Any]:
    context = objects.ViewContext(WHO, Links("secret", 3600), "https://host")
    return dict(views.asset(objects.body_of(record), context))


def test_every_field_has_an_example_and_a_place() -> None:
    assert set(ASSET_FIELDS) == set(EXAMPLES) | set(ASKED)
    assert set(ASSET_FIELDS) <= set(answers.Asset.__annotations__), "the native API shows it"
    assert set(AssetPatch.model_fields) <= set(AssetCreate.model_fields)
    assert set(LIST_FIELDS) == {name for name, value in EXAMPLES.items() if isinstance(value, list)}


@pytest.mark.parametrize("name", EXAMPLES)
async def test_what_is_given_is_kept_shown_and_searched(shelf: Shelf, name: str) -> None:
    record = await shelf.assets.create(WHO, AssetCreate.model_validate({**NEW, name: EXAMPLES[name]}))
    body: Any = record.body
    assert body[name] == EXAMPLES[name]
    assert shown(record)[name] == (EXAMPLES[name].replace(".000Z", "Z") if name.endswith("_at") else EXAMPLES[name])
    # What mappings/core.py does not name is in no search document.
    assert search_document(Record("asset", record.key, 1, dict(record.body), record.updated_at))[name] == body[name]


@pytest.mark.parametrize("name", sorted(set(AssetPatch.model_fields) - set(ASKED)))
async def test_null_leaves_what_stands_for_nothing(shelf: Shelf, name: str) -> None:
    kept = ASSET_FIELDS[name]
    made = await shelf.assets.create(WHO, AssetCreate.model_validate({**NEW, name: EXAMPLES[name]}))
    cleared = AssetPatch.model_validate({name: None})
    if kept.required:
        with pytest.raises(InvalidInput) as caught:
            await shelf.assets.change(WHO, made.key, cleared)
        assert caught.value.field == name
        return
    changed = await shelf.assets.change(WHO, made.key, cleared)
    body: Any = changed.body
    assert body.get(name) == kept.nothing()
    assert (name in body) == (kept.empty is not None)
    again = await shelf.assets.change(WHO, made.key, AssetPatch.model_validate({name: EXAMPLES[name]}))
    assert shown(again)[name] == shown(made)[name]


@pytest.mark.parametrize("name", LIST_FIELDS)
async def test_a_list_is_there_from_the_beginning(shelf: Shelf, name: str) -> None:
    body: Any = (await shelf.assets.create(WHO, AssetCreate.model_validate(NEW))).body
    assert body[name] == []


@pytest.mark.parametrize("name", IMPORT_ONLY)
async def test_what_only_imports_may_give(shelf: Shelf, name: str) -> None:
    writer = Principal("acme", "kim", frozenset({"assets:write"}))
    with pytest.raises(NotAllowed):
        await shelf.assets.create(writer, AssetCreate.model_validate({**NEW, name: EXAMPLES[name]}))
    assert name not in AssetPatch.model_fields
