"""What one field of an asset is: its type, where it lives in the index and what may be done with it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FieldType(StrEnum):
    """How values of a field are read, compared and indexed."""

    KEYWORD = "keyword"  # exact, case-insensitive
    TEXT = "text"  # analysed: accents, case and width fold, words match anywhere
    INTEGER = "integer"
    FLOAT = "float"
    DATE = "date"
    BOOLEAN = "boolean"
    GEO = "geo"
    NESTED = "nested"  # a list of objects; the conditions of one group hold for one object
    FLAT = "flat"  # an open object whose leaves are compared as text
    CUSTOM = "custom"  # an organization's own fields, typed by their values


class FacetKind(StrEnum):
    """How a field is counted in a facet."""

    NONE = "none"
    TERMS = "terms"
    DATE = "date"  # by month


class Unit(StrEnum):
    """The unit that a number is stored in; a query may use others of the same quantity."""

    NONE = "none"
    BYTES = "bytes"
    SECONDS = "seconds"
    PIXELS = "pixels"


class Visibility(StrEnum):
    """Who may name a field. To everyone else it answers as unknown."""

    PUBLIC = "public"
    ADMIN = "admin"
    INTERNAL = "internal"


NUMERIC = frozenset({FieldType.INTEGER, FieldType.FLOAT})
FOLDED = frozenset({FieldType.KEYWORD, FieldType.NESTED, FieldType.FLAT, FieldType.CUSTOM})
WORDS_PATH = "fold.words"  # gathered texts that bare words look in
FOLD = "fold"  # the object of the search document that holds all that is derived; it never leaves the service


@dataclass(frozen=True, slots=True, repr=False)
class Field:
    """One field of the record as search sees it.

    `name` is the public dotted name and the path in the record. `path` is where the engine keeps what is queried: for
    keywords the case-folded twin `fold.<name>`, while the raw value at `name` serves display alone. `boost` is the
    weight of bare words in this field, None when they do not look there by itself; `gathered` fields are searched by
    bare words through the one field `fold.words`. `cased` says that the case in which values are written is worth
    showing; values of the others (types, formats, hashes) are in lower case anyway. `nested` is the path of the list of
    objects that holds the field. Values of a `hierarchical` field are paths with `/`: each also counts for the paths
    above it. `key` is set on a leaf of an open object: `exif.FNumber` has the key `fnumber`.
    """

    name: str
    type: FieldType
    doc: str
    example: str
    aliases: tuple[str, ...] = ()
    boost: float | None = None
    gathered: bool = False
    facet: FacetKind = FacetKind.NONE
    sortable: bool = False
    filterable: bool = True
    unit: Unit = Unit.NONE
    leading_wildcard: bool = False
    visibility: Visibility = Visibility.PUBLIC
    multi: bool = False
    analyzer: str = "words"
    unsigned: bool = False
    cased: bool = True
    hierarchical: bool = False
    children: tuple[Field, ...] = ()
    nested: str = ""
    key: str = ""
    path: str = ""

    def __post_init__(self) -> None:
        if not self.path:
            twin = self.type in FOLDED or self.nested
            object.__setattr__(self, "path", f"{FOLD}.{self.name}" if twin else self.name)

    def __repr__(self) -> str:
        return f"Field({self.name})"

    @property
    def folded(self) -> bool:
        """Whether whole values are kept at `fold.<name>` as a keyword, folded by `mappings.folding`."""
        if self.nested or self.key:
            return False
        if self.type is FieldType.TEXT:
            return self.sortable or self.facet is not FacetKind.NONE or self.leading_wildcard
        return self.type is FieldType.KEYWORD

    @property
    def keyword_path(self) -> str | None:
        """Where whole values are compared, counted and sorted; None where only words are kept."""
        if self.type is not FieldType.TEXT:
            return self.path
        return f"{FOLD}.{self.name}" if self.folded else None

    @property
    def raw_path(self) -> str | None:
        """Where a facet reads how files write a value; None where the folded value is that already."""
        if self.facet is FacetKind.NONE or not self.cased or self.nested:
            return None
        if self.type is FieldType.KEYWORD:
            return self.name
        return f"{self.name}.raw" if self.type is FieldType.TEXT else None

    @property
    def text_path(self) -> str | None:
        """Where bare words look for this field: the text, or the analysed twin of a keyword."""
        if self.boost is None:
            return None
        return self.path if self.type is FieldType.TEXT else f"{self.name}.text"
