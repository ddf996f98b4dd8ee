"""The field registry: the single definition of what a field means for search.

The index body, the names that queries may use, the aliases, the facet and sort lists and `docs/ref-fields.md` are all
derived from `REGISTRY`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import replace

from mappings.core import CONTENT, IDENTITY, RECORD
from mappings.field import FOLD, NUMERIC, FacetKind, Field, FieldType, Unit, Visibility
from mappings.folding import fold_key
from mappings.metadata import METADATA, OPEN, SOUND

__all__ = [
    "FOLD",
    "NUMERIC",
    "REGISTRY",
    "FacetKind",
    "Field",
    "FieldType",
    "Registry",
    "Unit",
    "Visibility",
]

_OPEN = frozenset({FieldType.FLAT, FieldType.CUSTOM})
_NONE: frozenset[str] = frozenset()
_TECHNICAL = frozenset(field.name for field in (*IDENTITY, *CONTENT, *OPEN, *SOUND)) | frozenset(
    "mime_type module submodule external_url video_embed source_path user_id version state is_public "
    "metadata.negative_prompt metadata.seed metadata.steps metadata.guidance_scale metadata.sampler metadata.ppi "
    "metadata.frame_rate metadata.word_count metadata.orientation metadata.software metadata.exposure_time "
    "cost.credits_used cost.currency cost.amount".split()
)
_NEAR = 0.6  # difflib's default cutoff; lower values suggest names that merely share letters


class Registry:
    """The fields by every name and alias. Built once; read-only afterwards."""

    def __init__(self, fields: Iterable[Field]) -> None:
        self.fields: tuple[Field, ...] = tuple(fields)
        self._by_name: dict[str, Field] = {}
        for field in self.walk():
            for name in (field.name, *field.aliases):
                if self._by_name.setdefault(name, field) is not field:
                    raise ValueError(f"the name {name!r} is used for both {self._by_name[name].name} and {field.name}")

    def walk(self) -> Iterator[Field]:
        """Yield every field; a nested object comes before its children."""
        for field in self.fields:
            yield field
            yield from field.children

    def get(self, name: str) -> Field:
        """Return the field with this exact public name. Raises KeyError if there is none."""
        return self._by_name[name]

    def resolve(self, name: str, roles: Set[str] = _NONE) -> Field | None:
        """Return the field that a name or alias refers to for a caller with these roles, or None.

        Case does not matter. Names such as `exif.FNumber` and `custom.colour` return a leaf of their open object, with
        its `key`. Fields that the roles may not see are None, like unknown fields.
        """
        field = self._by_name.get(name) or self._by_name.get(name.lower()) or self._leaf(name)
        return field if field is not None and visible(field, roles) else None

    def _leaf(self, name: str) -> Field | None:
        for prefix, owner in self._open.items():
            if name[: len(prefix)].lower() == prefix:
                key = fold_key(name[len(prefix) :])
                if not key:
                    return None
                if owner.type is FieldType.FLAT:
                    return replace(
                        owner,
                        name=f"{owner.name}.{key}",
                        path=f"{owner.path}.{key}",
                        key=key,
                        aliases=(),
                        facet=FacetKind.TERMS,
                    )
                return replace(
                    owner, name=f"{owner.name}.{key}", path=owner.path, key=key, aliases=(), facet=FacetKind.TERMS
                )
        return None

    @property
    def _open(self) -> dict[str, Field]:
        return _open_prefixes(self)

    def visible(self, roles: Set[str] = _NONE) -> list[Field]:
        """Return the fields that these roles may use."""
        return [field for field in self.walk() if visible(field, roles)]

    def names(self, roles: Set[str] = _NONE) -> list[str]:
        """Return every name and alias that these roles may use, sorted."""
        return sorted(name for name, field in self._by_name.items() if visible(field, roles))

    def facets(self, roles: Set[str] = _NONE) -> list[Field]:
        """Return the fields that can be counted in a facet."""
        return [f for f in self.walk() if f.facet is not FacetKind.NONE and visible(f, roles)]

    def sortable(self, roles: Set[str] = _NONE) -> list[Field]:
        """Return the fields that results can be sorted by."""
        return [f for f in self.walk() if f.sortable and visible(f, roles)]

    def bare(self, roles: Set[str] = _NONE) -> list[Field]:
        """Return the fields that bare words search, highest weight first."""
        found = [f for f in self.walk() if f.boost is not None and visible(f, roles)]
        return sorted(found, key=lambda f: -(f.boost or 0.0))

    def is_technical(self, field: Field) -> bool:
        """Return whether a field is for machines rather than people: identifiers, hashes, details of files."""
        return field.name in _TECHNICAL

    def near(self, name: str, roles: Set[str] = _NONE, among: Iterable[str] | None = None) -> tuple[str, ...]:
        """Return up to three names similar to `name`, the most similar first.

        `among` limits the candidates; by default they are all names that the roles may use.
        """
        import difflib

        candidates = list(among) if among is not None else self.names(roles)
        return tuple(difflib.get_close_matches(name.lower()[:64], candidates, n=3, cutoff=_NEAR))


def visible(field: Field, roles: Set[str]) -> bool:
    """Return whether a caller with these roles may use the field."""
    if field.visibility is Visibility.PUBLIC:
        return True
    return field.visibility is Visibility.ADMIN and "admin" in roles


def _open_prefixes(registry: Registry) -> dict[str, Field]:
    return {f"{name}.": f for f in registry.fields if f.type in _OPEN for name in (f.name, *f.aliases)}


REGISTRY = Registry(RECORD + METADATA)
