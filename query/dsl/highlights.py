"""Highlights: the words of a query, marked in the texts in which they were found.

Each field is highlighted by its own query, made of the words that search it, so that `title:lake` marks nothing in a
description. The engine escapes the text as HTML; `<em>` and `</em>` are the only tags in a fragment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from mappings.fields import REGISTRY, Field, FieldType
from query.clauses import Clause, Fuzzy, Match, Not, Phrase, Wildcard
from query.dsl import words

OPEN, CLOSE = "<em>", "</em>"
_FRAGMENTS = 3  # per long text; short texts are returned whole
_FRAGMENT_SIZE = 150  # characters
_MAX_ANALYZED = 100_000  # characters of a text that are searched; without it the engine rejects very long texts
_MAX_WORDS = 64  # words marked in one field
_LONG = frozenset({"description", "metadata.prompt", "metadata.negative_prompt"})

Dsl = dict[str, Any]


def _targets() -> dict[str, Field]:
    """Return the fields that can be highlighted, keyed by the path of their words, as text fields of that path.

    File names cannot be highlighted (see `query.dsl.words.MARKED_PATHS`).
    """
    found: dict[str, Field] = {}
    for field in REGISTRY.fields:
        path = field.path if field.type is FieldType.TEXT else field.text_path
        if path is not None and field.analyzer == words.MARKED:
            found[path] = replace(field, type=FieldType.TEXT, path=path)
    return found


_TARGETS = _targets()
_NAMES = {path: field.name for path, field in _TARGETS.items()}


def highlight_body(clause: Clause) -> Dsl | None:
    """Return the engine's `highlight` for the words of a clause; None if it has no words."""
    found = list(_words(clause))
    fields: Dsl = {}
    for path, field in _TARGETS.items():
        bare = field.boost is not None or field.gathered
        queries = [_query(word, field) for word in found if _looks_in(word, field, bare=bare)]
        if queries:
            fields[path] = {**_shape(field), "highlight_query": {"bool": {"should": queries[:_MAX_WORDS]}}}
    if not fields:
        return None
    return {
        "type": "unified",
        "encoder": "html",
        "pre_tags": [OPEN],
        "post_tags": [CLOSE],
        "max_analyzer_offset": _MAX_ANALYZED,
        "fields": fields,
    }


def read_highlights(hit: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return {public field name: fragments} for one hit of the engine's response."""
    found: Mapping[str, list[str]] = hit.get("highlight") or {}
    return {_NAMES[path]: list(found[path]) for path in _TARGETS if path in found}


def _shape(field: Field) -> Dsl:
    if field.name in _LONG:
        return {"number_of_fragments": _FRAGMENTS, "fragment_size": _FRAGMENT_SIZE}
    return {"number_of_fragments": 0}


def _words(clause: Clause) -> Iterator[Match | Phrase | Wildcard | Fuzzy]:
    """Yield the words of a clause, except negated ones."""
    if isinstance(clause, Match | Phrase | Wildcard | Fuzzy):
        yield clause
        return
    if isinstance(clause, Not):
        return
    for part in (*getattr(clause, "items", ()), *filter(None, [getattr(clause, "item", None)])):
        yield from _words(part)


def _looks_in(word: Match | Phrase | Wildcard | Fuzzy, field: Field, *, bare: bool) -> bool:
    return bare if word.field is None else word.field.name == field.name


def _query(word: Match | Phrase | Wildcard | Fuzzy, field: Field) -> Dsl:
    if isinstance(word, Phrase):
        return words.phrase(field, word.text, word.slop)
    if isinstance(word, Wildcard):
        return words.text_pattern(field, word.pattern)
    edits = ("AUTO" if word.edits is None else word.edits) if isinstance(word, Fuzzy) else 0
    return words.match(field, word.text, edits)
