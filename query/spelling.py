"""Did-you-mean: words that occur in no asset of the organization, replaced by the most similar ones that do.

The engine's own suggesters read the terms of all organizations, so they are not used. Instead a second search, sent
only if the first found little, looks for the words with typos allowed, under the same filter as every search, and the
corrections are read from its highlights.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mappings.analysis import WORDS
from mappings.fields import FieldType
from mappings.folding import fold_text
from query.clauses import And, Boosted, Clause, Match, Or
from query.dsl import words
from query.language.fuzziness import distance
from query.types import CompiledSearch, Spelling

MAX_WORDS = 5
_MIN_LENGTH = 3  # shorter words are one edit away from too many others
_ONE_EDIT = 5  # words up to this length may have one edit, longer ones two
_SAMPLE = 20  # hits from which the corrections of a word are read
_MAX_TERMS = 900  # terms of one query, in all fields; the engine stops at 1,024
_TIMEOUT = "1s"
_OPEN, _CLOSE = "\ue000", "\ue001"
_MARKED = re.compile(f"{_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}")
_WORD = re.compile(r"[^\W\d_]+")

Dsl = dict[str, Any]


def plan_spelling(clause: Clause, base: Dsl) -> Spelling | None:
    """Return how to check the words of a clause among the assets matching `base`; None if there is nothing to check."""
    found = tuple(_words_to_check(clause))[:MAX_WORDS]
    if not found:
        return None
    terms = _MAX_TERMS // (len(found) * len(words.BARE_PATHS))
    aggs: Dsl = {}
    for at, word in enumerate(found):
        similar = _similar(word, terms)
        aggs[f"exact{at}"] = {"filter": words.match(word.field, word.text, scoring=False)}
        aggs[f"near{at}"] = {"filter": similar, "aggs": {"hits": {"top_hits": _sample(word, similar)}}}
    query = {"bool": {"filter": [base], "should": [_similar(word, terms) for word in found], "minimum_should_match": 1}}
    return Spelling(found, {"query": query, "size": 0, "aggs": aggs, "timeout": _TIMEOUT, "track_total_hits": False})


def read_spelling(compiled: CompiledSearch, answer: Mapping[str, Any]) -> str | None:
    """Return the query text with corrected words; None if there is nothing to correct.

    `answer` is the engine's response to `compiled.spelling.body`, sent to the index like any other search.
    """
    spelling, text = compiled.spelling, compiled.text
    if spelling is None:
        return None
    aggregations = answer.get("aggregations") or {}
    parts: list[str] = []
    end = 0
    for at, word in enumerate(spelling.words):
        better = _best_correction(word.text, at, aggregations)
        place = _position_of(text, word)
        if better is not None and place is not None and place >= end:
            parts += [text[end:place], better]
            end = place + len(word.text)
    return "".join([*parts, text[end:]]) if parts else None


def _words_to_check(clause: Clause) -> Iterator[Match]:
    """Yield the words worth checking: not negated, letters only, and long enough."""
    if isinstance(clause, And | Or):
        for item in clause.items:
            yield from _words_to_check(item)
    elif isinstance(clause, Boosted):
        yield from _words_to_check(clause.item)
    elif isinstance(clause, Match) and _worth_checking(clause):
        yield clause


def _worth_checking(word: Match) -> bool:
    worded = word.field is None or (word.field.type is FieldType.TEXT and word.field.analysis == WORDS)
    return worded and len(word.text) >= _MIN_LENGTH and _WORD.fullmatch(word.text) is not None


def _similar(word: Match, terms: int) -> Dsl:
    """Return the query for a word with typos allowed after its first letter; `terms` limits its expansions."""
    return words.fuzzy(word.field, word.text, _edits(word.text), min(terms, 50), prefix=1)


def _edits(text: str) -> int:
    return 1 if len(text) <= _ONE_EDIT else 2


def _sample(word: Match, similar: Dsl) -> Dsl:
    paths = words.BARE_PATHS if word.field is None else (word.field.path,)
    return {
        "size": _SAMPLE,
        "_source": False,
        "highlight": {
            "type": "unified",
            "pre_tags": [_OPEN],
            "post_tags": [_CLOSE],
            "max_analyzer_offset": 100_000,
            "require_field_match": False,
            "highlight_query": similar,
            "fields": {path: {"number_of_fragments": 3} for path in paths},
        },
    }


def _best_correction(word: str, at: int, aggregations: Mapping[str, Any]) -> str | None:
    """Return the best correction of a word: the most similar, then the one in most hits, then the first."""
    if aggregations.get(f"exact{at}", {}).get("doc_count"):
        return None
    hits = aggregations.get(f"near{at}", {}).get("hits", {}).get("hits", {}).get("hits", ())
    counts: Counter[str] = Counter()
    for hit in hits:
        counts.update(dict.fromkeys(_marked(hit), 1))
    folded = fold_text(word)
    ranked = [
        (far, -count, at)
        for at, (candidate, count) in enumerate(counts.items())
        if 0 < (far := distance(folded, candidate)) <= _edits(word)
    ]
    return list(counts)[min(ranked)[2]] if ranked else None


def _marked(hit: Mapping[str, Any]) -> Iterable[str]:
    for fragments in (hit.get("highlight") or {}).values():
        for fragment in fragments:
            for marked in _MARKED.findall(fragment):
                folded = fold_text(marked)
                if _WORD.fullmatch(folded):
                    yield folded


def _position_of(text: str, word: Match) -> int | None:
    """Return the position of a word in the text; None if it is written with escapes."""
    offset, length = word.span
    start = offset + length - len(word.text)
    return start if start >= offset and text[start : start + len(word.text)] == word.text else None
