"""Words and phrases to DSL: in one text field, or as bare words in all fields that have a weight in the registry."""

from __future__ import annotations

import re
from typing import Any

from mappings.field import WORDS_PATH
from mappings.fields import REGISTRY, Field
from mappings.folding import fold_sort, fold_text
from query.language.patterns import folded, pieces, prefix_of

PHRASE_BOOST = 2.0  # extra weight of consecutive words that occur in the same order
MARKED = "words"  # the analyzer of texts that can be highlighted
_TIE = 0.2  # share of their score that fields other than the best one add

_BARE = REGISTRY.bare()
_PATHS: tuple[tuple[str, float, str], ...] = (
    *((field.text_path or field.path, field.boost or 1.0, field.analyzer) for field in _BARE),
    (WORDS_PATH, 1.0, "words"),
)
BARE_PATHS: tuple[str, ...] = tuple(path for path, _, _ in _PATHS)
# File names are not highlighted: their analyzer inserts spaces, which the embedded engine's highlighter cannot handle.
MARKED_PATHS: tuple[str, ...] = tuple(path for path, _, analyzer in _PATHS if analyzer == MARKED)
BARE_FIELDS: tuple[str, ...] = tuple(path if boost == 1 else f"{path}^{boost:g}" for path, boost, _ in _PATHS)

# Where the analyzers split words: the standard tokenizer keeps `example.com`, `it's` and `3.5` together (UAX #29).
_JOINED = r"(?<=[^\W\d_])['.](?=[^\W\d_*?])|(?<=\d)['.,](?=[\d*?])"
_BREAKS = {
    "words": re.compile(rf"(?:(?!{_JOINED})[^\w*?])+"),
    "filename": re.compile(r"(?:(?!(?<=[^\W\d_])'(?=[^\W\d_*?]))[^\w*?]|_)+"),
}
_JOINTS = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")


def match(field: Field | None, text: str, edits: int | str = 0, expansions: int = 50) -> dict[str, Any]:
    """Return the query for a word: all of its tokens in one field, each at most `edits` edits away.

    A fuzzy word expands to at most `expansions` terms per field.
    """
    body: dict[str, Any] = {"query": text, "operator": "and"}
    if edits:
        body["fuzziness"] = edits
        body["max_expansions"] = expansions
    if field is not None:
        return {"match": {field.path: body}}
    return {"multi_match": {**body, "fields": list(BARE_FIELDS), "type": "best_fields", "tie_breaker": _TIE}}


def phrase(field: Field | None, text: str, slop: int) -> dict[str, Any]:
    """Return the query for words in order."""
    body: dict[str, Any] = {"query": text}
    if slop:
        body["slop"] = slop
    if field is not None:
        return {"match_phrase": {field.path: body}}
    return {"multi_match": {**body, "fields": list(BARE_FIELDS), "type": "phrase", "tie_breaker": _TIE}}


def phrase_boost(words: list[str]) -> dict[str, Any]:
    """Return the query that boosts records in which these bare words occur in this order."""
    body = phrase(None, " ".join(words), 0)
    body["multi_match"]["boost"] = PHRASE_BOOST
    return body


def pattern(field: Field | None, text: str) -> dict[str, Any]:
    """Return the query for a word with wildcards: it matches one word of the text.

    Punctuation between letters separates words, so `fair-tra*` is `fair` and `tra*`. In a field that allows leading
    wildcards (the file name) the pattern may also match the whole value.
    """
    if field is None:
        return {"dis_max": {"queries": [_text_pattern(path, text, kind, boost) for path, boost, kind in _PATHS]}}
    parts = text_pattern(field, text)
    if not field.leading_wildcard or field.keyword_path is None:
        return parts
    return {
        "bool": {
            "should": [term_pattern(field.keyword_path, folded(text, fold_sort)), parts],
            "minimum_should_match": 1,
        }
    }


def text_pattern(field: Field, text: str) -> dict[str, Any]:
    """Return the query that matches a pattern against the words of one text field."""
    return _text_pattern(field.path, text, field.analyzer, 1.0)


def term_pattern(path: str, text: str, boost: float = 1.0) -> dict[str, Any]:
    """Return the query that matches a folded pattern against whole terms."""
    start = prefix_of(text)
    body: dict[str, Any] = {"value": text if start is None else start}
    if boost != 1:
        body["boost"] = boost
    return {"wildcard" if start is None else "prefix": {path: body}}


def _text_pattern(path: str, text: str, analyzer: str, boost: float) -> dict[str, Any]:
    """Return the query for the words of a pattern, each of them a term of this field."""
    parts = [part for part in _BREAKS[analyzer].split(_folded_words(text, analyzer)) if part.strip("'")]
    queries = [
        term_pattern(path, part, boost) if "*" in part or "?" in part else {"term": {path: {"value": part}}}
        for part in parts
    ]
    if len(queries) == 1:
        return queries[0]
    return {"bool": {"must": queries}} if queries else {"match_none": {}}


def _folded_words(text: str, analyzer: str) -> str:
    """Fold a pattern; escaped wildcards separate words here, since no term contains them."""
    plain = "".join(part if wild else re.sub(r"[*?\\]", " ", fold_text(part)) for part, wild in pieces(text))
    return _JOINTS.sub(" ", plain) if analyzer == "filename" else plain
