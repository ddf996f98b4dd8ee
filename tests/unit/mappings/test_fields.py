"""The registry: names, aliases, visibility, near names."""

from __future__ import annotations

import pytest

from mappings.docs import render_fields
from mappings.fields import REGISTRY, FacetKind, Field, FieldType, Registry, Visibility
from tests.unit.query.compiling import ADMIN, clause

ADMINS = frozenset({"admin"})


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("width", "metadata.width"),
        ("metadata.width", "metadata.width"),
        ("WIDTH", "metadata.width"),
        ("downloads", "usage_stats.downloads"),
        ("amount", "cost.amount"),
        ("author", "creator"),
        ("size", "metadata.file_size"),
        ("colour", "colours"),
        ("color", "colours"),
        ("people.name", "people.name"),
        ("exif", "metadata.exif"),
        ("exif.FNumber", "metadata.exif.fnumber"),
        ("metadata.xmp.dc:Title", "metadata.xmp.dc_title"),
        ("extra.codec", "extra.codec"),
        ("custom.Colour", "custom.colour"),
    ],
)
def test_names(name: str, found: str) -> None:
    field = REGISTRY.resolve(name)
    assert field is not None
    assert field.name == found


@pytest.mark.parametrize(
    "name",
    [
        "",
        "nothing",
        "org_id",
        "deleted",
        "rev",
        "fold",
        "fold.tags",
        "favorited_by",
        "admin_tags",
        "tags.text",
        "metadata",
        "metadata.nothing",
        "exif.",
        "custom.",
        "custom...",
        "people.nothing",
    ],
)
def test_no_names(name: str) -> None:
    assert REGISTRY.resolve(name) is None


def test_roles() -> None:
    assert REGISTRY.resolve("admin_tags", ADMINS) is not None
    assert REGISTRY.resolve("favorited_by", ADMINS) is None
    assert "admin_tags" in REGISTRY.names(ADMINS)
    assert "admin_tags" not in REGISTRY.names()
    assert "admin_tags" not in {field.name for field in REGISTRY.facets()}
    assert REGISTRY.near("admin_tag") == ("tag",) or "admin_tags" not in REGISTRY.near("admin_tag")


def test_every_leaf_of_metadata_answers_to_its_own_name() -> None:
    for field in REGISTRY.walk():
        if field.name.startswith("metadata.") and field.type is not FieldType.FLAT:
            assert REGISTRY.resolve(field.name.partition(".")[2]) is field


def test_two_fields_can_not_share_a_name() -> None:
    one = Field("one", FieldType.TEXT, "", "", aliases=("x",))
    two = Field("two", FieldType.TEXT, "", "", aliases=("x",))
    with pytest.raises(ValueError, match="used for both one and two"):
        Registry([one, two])


def test_lists() -> None:
    facets = {field.name for field in REGISTRY.facets()}
    assert {"type", "module", "tags", "metadata.model", "created_at", "rating"} <= facets
    sorts = {field.name for field in REGISTRY.sortable()}
    assert {"created_at", "updated_at", "title", "filename", "usage_stats.downloads", "number"} <= sorts
    assert [field.name for field in REGISTRY.bare()][:3] == ["title", "tags", "filename"]


def test_near_names() -> None:
    assert REGISTRY.near("widht") == ("width",)
    assert REGISTRY.near("titel")[0] == "title"
    assert REGISTRY.near("qqqqqqq") == ()
    assert REGISTRY.near("nme", among=["name", "role"]) == ("name",)


@pytest.mark.parametrize("field", list(REGISTRY.walk()), ids=lambda field: field.name)
def test_every_field_is_described_by_an_example_that_compiles(field: Field) -> None:
    assert field.doc.endswith(".")
    assert clause(field.example, ADMIN) is not None
    assert field.keyword_path is not None or not (field.sortable or field.facet is not FacetKind.NONE)


def test_the_page_lists_all_but_internal_fields() -> None:
    page = render_fields()
    for field in REGISTRY.walk():
        assert (f"| `{field.name}` |" in page) == (field.visibility is not Visibility.INTERNAL)
