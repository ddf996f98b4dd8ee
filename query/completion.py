"""Autocompletion: what can be inserted at a position of a query text.

At the start of a word these are field names; after `name:` they are values of that field, each with the number of
records that have it among those matching the rest of the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mappings.fields import NUMERIC, REGISTRY, FacetKind, Field, FieldType
from query.compile import compile_search
from query.errors import QueryError
from query.facets.read import read_facet
from query.facets.request import FacetRequest
from query.language.flags import FLAGS, PSEUDO, PseudoField
from query.render import quoted, word
from query.types import Caller, CompiledSearch, SearchRequest

DEFAULT_SIZE = 10
MAX_SIZE = 50
_UNFILTERED = 1000  # values counted if the engine cannot select them by prefix
_PREFIX_LENGTH = 100
# The word that ends at the cursor: optional operators and brackets, a name and a colon, and the start of a value.
_TOKEN = re.compile(
    r"""[+\-!(]*
        (?:(?P<name>(?:[^\W\d]|\\.)(?:[\w.\-]|\\.)*):(?P<group>\s*\((?:[^()"]*\s)?|\s*)[+\-!<>=]*
           (?P<value>"(?:[^"\\]|\\.)*|[^\s"():]*)
          |(?P<word>[^\s:"()]*))\Z""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_AFTER = re.compile(r"[^\s()\":]*\"?")
_LEADING = re.compile(r"(?:(?<!\S)(?:AND|OR|NOT)\s*|&&\s*|\|\|\s*|[+\-!(]\s*|\s+)*\Z")
_TRAILING = re.compile(r"\A\s*(?:AND\b|&&)")
_HAS = frozenset({"has", "_exists_", "missing"})
_INTERVALS = ((7, "day"), (4, "month"), (0, "year"))  # by the length of the date typed so far


@dataclass(frozen=True, slots=True)
class Name:
    """A name that can precede a colon, with its description and the type of its values (`flag` for pseudo-fields)."""

    name: str
    doc: str
    type: str


@dataclass(frozen=True, slots=True)
class FieldCompletion:
    """The names that start with `prefix`. `offset` and `length` say which part of the text a name replaces."""

    prefix: str
    names: tuple[Name, ...]
    offset: int = 0
    length: int = 0


@dataclass(frozen=True, slots=True)
class Value:
    """A value for display, its text in a query, and the number of records that have it (None: not counted)."""

    value: str
    text: str
    count: int | None


@dataclass(frozen=True, slots=True)
class ValueCompletion:
    """The values of `field` that start with `prefix`. `offset` and `length` say which part of the text one replaces.

    `fixed` holds the values of pseudo-fields such as `is:`. All others are counted: send the body of `search` and pass
    the response to `read`. `rest` is the text without the word at the cursor.
    """

    field: str
    prefix: str
    offset: int = 0
    length: int = 0
    fixed: tuple[Value, ...] = ()
    rest: str = ""
    target: Field | None = None

    def search(self, caller: Caller, now: datetime, *, size: int = DEFAULT_SIZE) -> CompiledSearch | None:
        """Return the search that counts the values; None if there is nothing to count.

        The rest of the text narrows the search if it compiles; the organization's filter always applies.
        """
        if self.target is None:
            return None
        facet = _facet(self.target, self.prefix, size)
        try:
            return compile_search(SearchRequest(text=self.rest, facets=[facet], limit=0), caller, now)
        except QueryError:
            return compile_search(SearchRequest(facets=[facet], limit=0), caller, now)

    def read(self, compiled: CompiledSearch, answer: Mapping[str, Any], *, size: int = DEFAULT_SIZE) -> list[Value]:
        """Return the values with their counts, the most frequent first."""
        counts = read_facet(compiled.facets[0], answer.get("aggregations") or {})
        folded = self.prefix.casefold()
        found = [Value(v, query_literal(v), n) for v, n in counts.items() if v.casefold().startswith(folded)]
        return found[:size]


def completion(text: str, position: int, roles: Set[str] = frozenset()) -> FieldCompletion | ValueCompletion:
    """Return what can be inserted at `position` (in characters) of a query text, for a caller with these roles."""
    position = max(0, min(position, len(text)))
    match = _TOKEN.search(text, _start(text, position), position)
    assert match is not None  # the empty word always matches
    if match["name"] is None:
        offset = match.start("word")
        prefix = match["word"][:_PREFIX_LENGTH]
        end = _end(text, position)
        names = _names(_unescape(prefix), roles) if offset == 0 or text[offset - 1] != ":" else ()
        return FieldCompletion(_unescape(prefix), names, offset, end - offset)
    name, offset = _unescape(match["name"]), match.start("value")
    prefix = _unescape(match["value"].removeprefix('"'))[:_PREFIX_LENGTH]
    length = _end(text, position) - offset
    if name.lower() in _HAS:
        return FieldCompletion(prefix, _names(prefix, roles, pseudo=False), offset, length)
    rest = _rest(text[: match.start("name")], text[offset + length :], match["group"])
    return _values(name, prefix, offset, length, rest, roles)


def query_literal(value: str) -> str:
    """Return a value as it is written in a query, quoted or escaped where needed."""
    return quoted(value) if not value or any(character.isspace() for character in value) else word(value)


def _rest(before: str, after: str, group: str) -> str:
    """Return the text without the current word and the operators before it; empty if it is an alternative of an OR."""
    if "(" in group:
        after = after.lstrip().removeprefix(")")
    left = _LEADING.search(before)
    signs = left[0] if left else ""
    if "OR" in signs or "||" in signs:
        return ""
    return f"{before.removesuffix(signs)} {_TRAILING.sub('', after)}".strip()


def _start(text: str, position: int) -> int:
    """Return where to start looking for the word: close enough that long texts stay cheap."""
    return max(0, position - 4 * _PREFIX_LENGTH)


def _end(text: str, position: int) -> int:
    match = _AFTER.match(text, position)
    return match.end() if match else position


def _unescape(text: str) -> str:
    return _ESCAPE.sub(r"\1", text)


def _names(prefix: str, roles: Set[str], *, pseudo: bool = True) -> tuple[Name, ...]:
    """Return the names that start with a prefix: one per field; for `metadata` the name of the leaf."""
    folded = prefix.lower()
    found: list[Name] = []
    for field in REGISTRY.visible(roles):
        leaf = field.name.rpartition(".")[2]
        fitting = [name for name in (field.name, *field.aliases) if name.startswith(folded)]
        if fitting:
            name = leaf if leaf in fitting else fitting[0]
            found.append(Name(name, field.doc, str(field.type)))
    if pseudo:
        kinds = {entry.name: entry for entry in PSEUDO.values()}
        found += [Name(p.name, p.doc, "flag") for p in kinds.values() if p.name.startswith(folded)]
    return tuple(sorted(found, key=lambda name: (name.name != folded, name.name)))


def _values(name: str, prefix: str, offset: int, length: int, rest: str, roles: Set[str]) -> ValueCompletion:
    target = PSEUDO.get(name.lower()) or REGISTRY.resolve(name, roles)
    if isinstance(target, PseudoField):
        fixed = tuple(Value(v, v, None) for v in _fixed(target) if v.startswith(prefix.lower()))
        field = REGISTRY.get("user_id") if target.name == "by" else None
        return ValueCompletion(target.name, prefix, offset, length, fixed, rest, field)
    shown = target.name if target is not None else name
    counted = target if target is not None and target.facet is not FacetKind.NONE else None
    return ValueCompletion(shown, prefix, offset, length, (), rest, counted)


def _fixed(target: PseudoField) -> tuple[str, ...]:
    if target.name == "is":
        return tuple(FLAGS)
    if target.name == "by":
        return ("me",)
    return ("true", "false") if target.name.startswith("is_") else ()


def _facet(field: Field, prefix: str, size: int) -> FacetRequest:
    if field.type is FieldType.DATE:
        interval = next(name for least, name in _INTERVALS if len(prefix) >= least)
        return FacetRequest(field.name, interval=interval, order="-value")
    if field.type in NUMERIC or field.type is FieldType.BOOLEAN:
        return FacetRequest(field.name, _UNFILTERED if prefix else size)
    return FacetRequest(field.name, size, prefix=prefix)
