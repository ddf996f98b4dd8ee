"""Autocompletion: what can be inserted at a position of a query text.

At the start of a word these are field names and words of the assets; after `name:` they are values of that field, each
with the number of records that have it among those matching the rest of the text, or words of it.

Someone who types must not wait: values are counted, and words collected, among the first records that have one that
starts so, not among all.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from mappings.analysis import tokens
from mappings.fields import NUMERIC, REGISTRY, FacetKind, Field, FieldType
from mappings.folding import fold_text
from query.compile import compile_search
from query.dsl.highlights import texts_of
from query.errors import QueryError
from query.facets.read import read_facet
from query.facets.request import FacetRequest
from query.language import field_values
from query.language.flags import FLAGS, PSEUDO, PseudoField
from query.language.limits import LIMITS
from query.render import quoted, word
from query.types import Caller, CompiledSearch, SearchRequest

DEFAULT_SIZE = 10
MAX_SIZE = 50
_UNFILTERED = 1000  # values counted if the engine cannot select them by prefix
_PREFIX_LENGTH = 100
_TEXT_LENGTH = 1000  # characters of a text in which words are looked for
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
    technical: bool = False


SAMPLE = 10_000
"""Records of a shard among which values are counted."""
_WORD_SAMPLE = 100  # records from which words are collected
_SHORTEST = LIMITS.wildcard_literals  # letters before words are looked for


@dataclass(frozen=True, slots=True)
class Words:
    """The words that start with `prefix`, in one text field or in all that bare words search; `rest` as in values."""

    prefix: str
    rest: str
    field: Field | None = None

    def search(self, caller: Caller, now: datetime) -> CompiledSearch | None:
        """Return the search for records that have such words; None where the prefix is too short."""
        pattern = "".join(f"\\{sign}" if not sign.isalnum() else sign for sign in self.prefix) + "*"
        if len(self.prefix) < _SHORTEST or field_values.blank(self.prefix):
            return None
        text = pattern if self.field is None else f"{self.field.name}:{pattern}"
        found = _narrowed(text, self.rest, caller, now, SearchRequest(limit=0))
        if found is None:
            return None
        fields = [field.name for field in self._fields()]
        # The first records that come: in a filter none is scored, and without an order none is compared.
        kept = {name: part for name, part in found.body.items() if name not in {"sort", "from"}}
        body = {
            **kept,
            "query": {"bool": {"filter": [found.body["query"]]}},
            "size": _WORD_SAMPLE,
            "terminate_after": _WORD_SAMPLE,
            "track_total_hits": False,
            "_source": fields,
        }
        return replace(found, body=body)

    def read(self, answer: Mapping[str, Any], size: int) -> list[Value]:
        """Return the words, those first that are in more records, and in fields of more weight."""
        folded = fold_text(self.prefix)
        weights: Counter[str] = Counter()
        written: dict[str, str] = {}
        for hit in answer["hits"]["hits"]:
            seen: dict[str, float] = {}
            for field in self._fields():
                for text in texts_of(hit["_source"], field):
                    normal = unicodedata.normalize("NFC", text[:_TEXT_LENGTH])
                    for token in tokens(normal, field.analysis):
                        if token.text.startswith(folded) and not token.spaceless:
                            written.setdefault(token.text, normal[token.start : token.end].lower())
                            seen[token.text] = max(seen.get(token.text, 0), field.boost or 1)
            weights.update(seen)
        return [Value(written[word], query_literal(written[word]), None) for word, _ in weights.most_common(size)]

    def _fields(self) -> list[Field]:
        if self.field is not None:
            return [self.field]
        return [f for f in REGISTRY.fields if f.boost is not None or (f.gathered and f.type is FieldType.TEXT)]


@dataclass(frozen=True, slots=True)
class FieldCompletion:
    """The names that start with `prefix`. `offset` and `length` say which part of the text a name or word replaces.

    `words` finds the words that can stand there too; None where only a name can.
    """

    prefix: str
    names: tuple[Name, ...]
    offset: int = 0
    length: int = 0
    words: Words | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """A value for display, its text in a query, and the number of records that have it (None: not all were counted)."""

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
    words: Words | None = None

    def search(self, caller: Caller, now: datetime, *, size: int = DEFAULT_SIZE) -> CompiledSearch | None:
        """Return the search that counts the values; None if there is nothing to count.

        The rest of the text narrows the search if it compiles; the organization's filter always applies.
        """
        if self.target is None:
            return None
        field = self.target
        request = SearchRequest(facets=[_facet(field, self.prefix, size)], limit=0)
        pattern = ""
        if self.prefix and field.type in {FieldType.KEYWORD, FieldType.TEXT}:
            pattern = f"{field.name}:{''.join(s if s.isalnum() else chr(92) + s for s in self.prefix)}*"
        found = _narrowed(pattern, self.rest, caller, now, request)
        if found is None:
            found = _narrowed("", self.rest, caller, now, request)
        assert found is not None
        return replace(found, body={**found.body, "terminate_after": SAMPLE, "track_total_hits": False})

    def read(self, compiled: CompiledSearch, answer: Mapping[str, Any], *, size: int = DEFAULT_SIZE) -> list[Value]:
        """Return the values with their counts, the most frequent first."""
        counts = read_facet(compiled.facets[0], answer.get("aggregations") or {})
        folded = self.prefix.casefold()
        whole = not answer.get("terminated_early")
        found = [
            Value(v, query_literal(v), n if whole else None)
            for v, n in counts.items()
            if v.casefold().startswith(folded)
        ]
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
        rest = _rest(text[: match.start()], text[end:], "")
        words = Words(_unescape(prefix), rest) if offset == 0 or text[offset - 1] != ":" else None
        return FieldCompletion(_unescape(prefix), names, offset, end - offset, words)
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
            found.append(Name(name, field.doc, str(field.type), REGISTRY.is_technical(field)))
    if pseudo:
        kinds = {entry.name: entry for entry in PSEUDO.values()}
        found += [Name(p.name, p.doc, "flag") for p in kinds.values() if p.name.startswith(folded)]
    return tuple(sorted(found, key=lambda name: (name.name != folded, name.technical, name.name)))


def _values(name: str, prefix: str, offset: int, length: int, rest: str, roles: Set[str]) -> ValueCompletion:
    target = PSEUDO.get(name.lower()) or REGISTRY.resolve(name, roles)
    if isinstance(target, PseudoField):
        fixed = tuple(Value(v, v, None) for v in _fixed(target) if v.startswith(prefix.lower()))
        field = REGISTRY.get("user_id") if target.name == "by" else None
        return ValueCompletion(target.name, prefix, offset, length, fixed, rest, field)
    shown = target.name if target is not None else name
    counted = target if target is not None and target.facet is not FacetKind.NONE else None
    words = None
    if target is not None and counted is None and target.type is FieldType.TEXT and not target.nested:
        words = Words(prefix, rest, target)
    return ValueCompletion(shown, prefix, offset, length, (), rest, counted, words)


def _narrowed(pattern: str, rest: str, caller: Caller, now: datetime, request: SearchRequest) -> CompiledSearch | None:
    """Return the search for a pattern under the rest of the text, without the rest if it does not compile.

    None if the pattern does not compile: too short, or of no letters.
    """
    for text in (f"({rest}) {pattern}" if rest and pattern else rest or pattern, pattern):
        try:
            return compile_search(replace(request, text=text), caller, now)
        except QueryError:
            continue
    return None


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
