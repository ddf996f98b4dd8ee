"""Highlights: the words of a query, marked in the texts in which they were found.

The engines only hold analysed words, so the texts of a hit are marked here, by the analysis that indexed them. Each
field is marked by the words that search it: `title:lake` marks nothing in a description. Texts are escaped as HTML;
`<em>` and `</em>` are the only tags in a fragment.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from mappings.analysis import ANY, ONE, Token, query_groups, texts, tokens
from mappings.fields import REGISTRY, Field, FieldType
from mappings.stemming import stems
from query.clauses import Clause, Fuzzy, Match, Not, Phrase, Wildcard
from query.dsl.words import pattern_groups
from query.language.fuzziness import edits_of, within

OPEN, CLOSE = "<em>", "</em>"
_FRAGMENTS = 3  # per long text; short texts are returned whole
_FRAGMENT_SIZE = 150  # characters
_MAX_ANALYSED = 20_000  # characters of a text in which words are looked for
_MAX_WORDS = 64  # words marked in one field
_LONG = frozenset({"description", "metadata.prompt", "metadata.negative_prompt"})
_FIELDS = tuple(f for f in REGISTRY.fields if f.type is FieldType.TEXT or f.text_path is not None)

Word: TypeAlias = Match | Phrase | Wildcard | Fuzzy
Span: TypeAlias = tuple[int, int]
Test: TypeAlias = Callable[[Token], bool]


class Highlighter:
    """Marks the words of one query, hit by hit."""

    def __init__(self, clause: Clause) -> None:
        """`clause` is the meaning of the query text; negated words are not marked."""
        found = list(_words(clause))
        self._fields: list[tuple[Field, list[list[Test]]]] = []
        for field in _FIELDS:
            wanted = [sequence for word in found if _looks_in(word, field) for sequence in _sequences(word, field)]
            if wanted:
                self._fields.append((field, wanted[:_MAX_WORDS]))

    def mark(self, document: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return {public field name: fragments} for a search document, only for fields in which words were found."""
        found: dict[str, list[str]] = {}
        for field, wanted in self._fields:
            fragments = [part for text in texts_of(document, field) for part in _fragments(text, field, wanted)]
            if fragments:
                found[field.name] = fragments
        return found


def _words(clause: Clause) -> Iterator[Word]:
    """Yield the words of a clause, except negated ones."""
    if isinstance(clause, Match | Phrase | Wildcard | Fuzzy):
        yield clause
        return
    if isinstance(clause, Not):
        return
    for part in (*getattr(clause, "items", ()), *filter(None, [getattr(clause, "item", None)])):
        yield from _words(part)


def _looks_in(word: Word, field: Field) -> bool:
    if word.field is None:
        return field.boost is not None or field.gathered
    return word.field.name == field.name and word.field.type is FieldType.TEXT


def _sequences(word: Word, field: Field) -> list[list[Test]]:
    """Return what is marked for a word of a query: sequences of tokens, each described by tests."""
    if isinstance(word, Phrase):
        parts = texts(tokens(word.text, field.analysis))
        return [[_equal(part)] for part in parts] if word.slop else [[_equal(part) for part in parts]]
    if isinstance(word, Wildcard):
        groups: Sequence[tuple[str, ...]] = pattern_groups(word.pattern, field.analysis)
        return [[_fitting(part) for part in group] for group in groups]
    groups = query_groups(word.text, field.analysis)
    if isinstance(word, Fuzzy):
        return [[_near(part, word.edits) for part in group] for group in groups]
    return [[_inflected(part) if len(group) == 1 else _equal(part) for part in group] for group in groups]


def _equal(part: str) -> Test:
    return lambda token: token.text == part


def _inflected(part: str) -> Test:
    wanted = frozenset(stems(part))
    return lambda token: not wanted.isdisjoint(stems(token.text))


def _fitting(part: str) -> Test:
    fitting = re.compile(re.escape(part).replace(ANY, ".*").replace(ONE, "."), re.DOTALL)
    return lambda token: fitting.fullmatch(token.text) is not None


def _near(part: str, edits: int | None) -> Test:
    most = edits_of(part) if edits is None else edits
    return lambda token: within(part, token.text, 0 if token.spaceless else most)


def texts_of(document: Mapping[str, Any], field: Field) -> list[str]:
    """Return the texts of a field in a search document."""
    value: Any = document
    for name in field.name.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]


def _fragments(text: str, field: Field, wanted: list[list[Test]]) -> list[str]:
    text = unicodedata.normalize("NFC", text)
    marks = _merged(_spans(tokens(text[:_MAX_ANALYSED], field.analysis), wanted))
    if not marks:
        return []
    if field.name not in _LONG:
        return [_marked(text, marks, (0, len(text)))]
    windows = _windows(text, marks)
    best = sorted(range(len(windows)), key=lambda at: (-_inside(marks, windows[at]), at))[:_FRAGMENTS]
    return [_marked(text, marks, windows[at]) for at in sorted(best)]


def _spans(found: list[Token], wanted: list[list[Test]]) -> list[Span]:
    return [
        (token.start, token.end)
        for at in range(len(found))
        for sequence in wanted
        if sequence and at + len(sequence) <= len(found)
        if all(test(found[at + step]) for step, test in enumerate(sequence))
        for token in found[at : at + len(sequence)]
    ]


def _merged(spans: list[Span]) -> list[Span]:
    """Return spans in order, each once; characters of one run of writing without spaces are one span."""
    found: list[Span] = []
    for start, end in sorted(set(spans)):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _windows(text: str, marks: list[Span]) -> list[Span]:
    """Return the parts of a long text that show its marks, cut between words where there is a space."""
    found: list[Span] = []
    for start, end in marks:
        if found and end <= found[-1][1]:
            continue
        room = max(0, _FRAGMENT_SIZE - (end - start)) // 2
        first = max(found[-1][1] if found else 0, start - room)
        last = min(len(text), max(end, first + _FRAGMENT_SIZE))
        first = max(first, text.find(" ", first, start) + 1) if first else 0
        space = text.rfind(" ", end, last)
        found.append((first, space if space > end and last < len(text) else last))
    return found


def _inside(marks: list[Span], window: Span) -> int:
    return sum(window[0] <= start and end <= window[1] for start, end in marks)


def _marked(text: str, marks: list[Span], window: Span) -> str:
    parts: list[str] = []
    at = window[0]
    for start, end in marks:
        if window[0] <= start and end <= window[1]:
            parts += [html.escape(text[at:start]), OPEN, html.escape(text[start:end]), CLOSE]
            at = end
    return "".join([*parts, html.escape(text[at : window[1]])])
