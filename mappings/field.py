"""The definition of one field of an asset: its type, where it is in the index, and what can be done with it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mappings.analysis import WORDS


class FieldType(StrEnum):
    """How values of a field are read, compared and indexed."""

    KEYWORD = "keyword"  # exact, case-insensitive
    TEXT = "text"  # by word: accents, case and width are folded, words match anywhere
    INTEGER = "integer"
    FLOAT = "float"
    DATE = "date"
    BOOLEAN = "boolean"
    GEO = "geo"
    NESTED = "nested"  # a list of objects; the conditions of a group must hold for the same object
    FLAT = "flat"  # an open object whose leaves are compared as text
    CUSTOM = "custom"  # an organization's own fields, typed by their values


class FacetKind(StrEnum):
    """How a field is counted in a facet."""

    NONE = "none"
    TERMS = "terms"
    DATE = "date"  # by month


class Unit(StrEnum):
    """The unit in which a number is stored; queries may use other units of the same quantity."""

    NONE = "none"
    BYTES = "bytes"
    SECONDS = "seconds"
    PIXELS = "pixels"


class Visibility(StrEnum):
    """Who may use a field. For everyone else the field is unknown."""

    PUBLIC = "public"
    ADMIN = "admin"
    INTERNAL = "internal"


NUMERIC = frozenset({FieldType.INTEGER, FieldType.FLOAT})
FOLDED = frozenset({FieldType.KEYWORD, FieldType.NESTED, FieldType.FLAT, FieldType.CUSTOM})
FOLD = "fold"  # the object of the search document that holds everything derived; it never leaves the service
TEXT = f"{FOLD}.text"  # the analysed texts: what words search
WORDS_PATH = f"{FOLD}.words"  # gathered texts that bare words search
CHECKSUM_PATH = f"{FOLD}.checksum"  # of the record and the document (`indexer.checksum`); queries cannot name it
STEMS_PATH = f"{FOLD}.stems"  # the stems of words, plain where bare words look and as `field|stem` for each field


@dataclass(frozen=True, slots=True, repr=False)
class Field:
    """One field of the record, as seen by search.

    `name` is the public dotted name and the path in the record. `path` is the path that queries use in the engine: for
    keywords the case-folded twin `fold.<name>`, for texts the words `fold.text.<name>`; the raw value at `name` is for
    display only. `analysis` says how a text becomes words (`mappings.analysis`). `boost` is the
    weight of bare words in this field, None if they do not search it directly; `gathered` fields are searched by bare
    words through the single field `fold.words`. `cased` says that the original case of values should be shown; values
    of other fields (types, formats, hashes) are in lower case anyway. `nested` is the path of the list of objects that
    contains the field. Values of a `hierarchical` field are paths separated by `/`: each also counts for its ancestors.
    `values` are all values that a keyword may have, if they are a closed list.
    `key` is set on a leaf of an open object: `exif.FNumber` has the key `fnumber`.
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
    analysis: str = WORDS
    unsigned: bool = False
    cased: bool = True
    values: tuple[str, ...] = ()
    hierarchical: bool = False
    children: tuple[Field, ...] = ()
    nested: str = ""
    key: str = ""
    path: str = ""

    def __post_init__(self) -> None:
        if not self.path:
            twin = self.type in FOLDED or self.nested
            words = self.type is FieldType.TEXT and not self.nested
            path = f"{TEXT}.{self.name}" if words else f"{FOLD}.{self.name}" if twin else self.name
            object.__setattr__(self, "path", path)

    def __repr__(self) -> str:
        return f"Field({self.name})"

    @property
    def folded(self) -> bool:
        """Whether whole values are indexed at `fold.<name>` as a keyword, folded by `mappings.folding`."""
        if self.nested or self.key:
            return False
        if self.type is FieldType.TEXT:
            return self.sortable or self.facet is not FacetKind.NONE or self.leading_wildcard
        return self.type is FieldType.KEYWORD

    @property
    def keyword_path(self) -> str | None:
        """The path at which whole values are compared, counted and sorted; None if only words are indexed."""
        if self.type is not FieldType.TEXT:
            return self.path
        return f"{FOLD}.{self.name}" if self.folded else None

    @property
    def raw_path(self) -> str | None:
        """The path from which a facet reads the original spelling of a value; None if folding does not change it."""
        if self.facet is FacetKind.NONE or not self.cased or self.nested:
            return None
        return self.name if self.type in {FieldType.KEYWORD, FieldType.TEXT} else None

    @property
    def text_path(self) -> str | None:
        """The path that bare words search for this field: the words of the text, or of the keyword."""
        if self.boost is None:
            return None
        return self.path if self.type is FieldType.TEXT else f"{TEXT}.{self.name}"

    @property
    def inflected(self) -> bool:
        """Whether inflected forms of words are found in this field: not in the names of people."""
        return not self.nested and (self.type in {FieldType.TEXT, FieldType.CUSTOM} or self.boost is not None)
