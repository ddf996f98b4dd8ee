"""Words and phrases to DSL: in one text field, or as bare words in all fields that have a weight in the registry.

A word is found by its stem (`mappings.stemming`): one term of `fold.stems`, which holds the words of all fields that
bare words search. That alone decides what matches, and is cheap. The order comes from the words as they are written, in
each field with its weight, so that exact forms come first; phrases, patterns and fuzzy words look at nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from mappings.analysis import ANY, FILENAME, ONE, WORDS, query_groups, texts, tokens
from mappings.field import STEMS_PATH, WORDS_PATH
from mappings.fields import REGISTRY, Field
from mappings.folding import fold_keyword, fold_sort
from mappings.projection import field_stem
from mappings.stemming import stems
from query.language.patterns import folded, pieces, prefix_of

PHRASE_BOOST = 2.0  # extra weight of consecutive words that occur in the same order
_TIE = 0.2  # share of their score that fields other than the best one add
_STEM = 0.05  # weight of a stem: less than that of the exact form in any field
_STEM_IN = {"title": 0.1, "tags": 0.07}  # and more where the exact form weighs most

Dsl = dict[str, Any]
Groups = Sequence[Sequence[str]]

_BARE = REGISTRY.bare()
_PATHS: tuple[tuple[str, float, str], ...] = (
    *((field.text_path or field.path, field.boost or 1.0, field.analysis) for field in _BARE),
    (WORDS_PATH, 1.0, WORDS),
)
BARE_PATHS: tuple[str, ...] = tuple(path for path, _, _ in _PATHS)
BARE_FIELDS: tuple[str, ...] = tuple(path if boost == 1 else f"{path}^{boost:g}" for path, boost, _ in _PATHS)
_NAMED = tuple(field for field in _BARE if field.analysis == FILENAME)
_OTHERS: tuple[str, ...] = tuple(
    path if boost == 1 else f"{path}^{boost:g}" for path, boost, analysis in _PATHS if analysis != FILENAME
)

# Identifiers that are found by bare words: what they look like, and the field in which they are compared.
_IDENTIFIERS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"asset_\d{1,19}", re.IGNORECASE | re.ASCII), "id"),
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE), "guid"),
    (re.compile(r"[0-9A-Za-z]{12}"), "sid"),
    (re.compile(r"[0-9a-f]{64}", re.IGNORECASE), "sha256"),
    (re.compile(r"[0-9a-f]{32}", re.IGNORECASE), "md5"),
)


def match(field: Field | None, text: str, *, scoring: bool = True) -> Dsl:
    """Return the query for a word: all of its parts, in any inflected form, in one field or in any for bare words."""
    if field is not None and not field.inflected:
        return exact(field, text)
    groups = query_groups(text, WORDS if field is None else field.analysis)
    alternatives = [_stemmed(field, groups)] if groups else []
    if field is None:
        alternatives += _as_file_name(text, groups)
        alternatives += _as_identifier(text)
    if not alternatives:
        return {"match_none": {}}
    required = alternatives[0] if len(alternatives) == 1 else _any(alternatives)
    if not scoring or not groups:
        return required
    written = _as_written(field, groups)
    if field is None and len(groups) > 1 and (boost := phrase_boost([text])) is not None:
        written.append(boost)
    return {"bool": {"must": [required], "should": written}}


def inflected(field: Field, text: str) -> Dsl | None:
    """Return the query for the stems of all parts of a word in one field; None if they must follow each other."""
    groups = query_groups(text, field.analysis)
    if not groups or any(len(group) > 1 for group in groups):
        return None
    return _stemmed(field, groups)


def exact(field: Field, text: str) -> Dsl:
    """Return the query for a word as it is written: all of its parts in one field."""
    groups = query_groups(text, field.analysis)
    return _all([_follow(field.path, group) for group in groups]) if groups else {"match_none": {}}


def fuzzy(field: Field | None, text: str, edits: int | str, expansions: int = 50, prefix: int = 0) -> Dsl:
    """Return the query for a word whose parts are all in one field, each at most `edits` edits away.

    Each part expands to at most `expansions` terms per field; its first `prefix` letters must be right. The characters
    of writing without spaces are compared exactly.
    """
    options: Dsl = {"operator": "and", "fuzziness": edits, "max_expansions": expansions}
    if prefix:
        options["prefix_length"] = prefix
    groups = query_groups(text, WORDS if field is None else field.analysis)
    if any(len(group) > 1 for group in groups):
        return phrase(field, text, 0)
    if field is None:
        return _in_bare(text, lambda parts: {"query": " ".join(parts), **options})
    if not groups:
        return {"match_none": {}}
    return {"match": {field.path: {"query": " ".join(part for (part,) in groups), **options}}}


def phrase(field: Field | None, text: str, slop: int) -> Dsl:
    """Return the query for words in order, as they are written."""
    more = {"slop": slop} if slop else {}
    if field is None:
        return _in_bare(text, lambda parts: {"query": " ".join(parts), **more}, kind="phrase", whole=True)
    words = texts(tokens(text, field.analysis))
    return {"match_phrase": {field.path: {"query": " ".join(words), **more}}} if words else {"match_none": {}}


def phrase_boost(words: list[str]) -> Dsl | None:
    """Return the query that boosts records in which these bare words occur in this order; None for a single word."""
    parts = texts(tokens(" ".join(words)))
    if len(parts) < 2:
        return None
    body = {"query": " ".join(parts), "boost": PHRASE_BOOST}
    return {"multi_match": {**body, "fields": list(BARE_FIELDS), "type": "phrase", "tie_breaker": _TIE}}


def _stemmed(field: Field | None, groups: Groups) -> Dsl:
    """Return the condition that a record has all groups: the stem of a word, the characters of a run in order."""
    parts: list[Dsl] = []
    for group in groups:
        if len(group) == 1:
            parts.append(_stem(field, group[0], _STEM))
        elif field is None:
            parts.append(_multi({"query": " ".join(group)}, BARE_FIELDS, "phrase"))
        else:
            parts.append(_follow(field.path, group))
    return _all(parts)


def _stem(field: Field | None, word: str, boost: float) -> Dsl:
    found = stems(word)
    terms = list(found) if field is None else [field_stem(field.name, stem) for stem in found]
    if len(terms) == 1:
        return {"term": {STEMS_PATH: {"value": terms[0], "boost": boost}}}
    return {"terms": {STEMS_PATH: terms, "boost": boost}}


def _as_file_name(text: str, groups: Groups) -> list[Dsl]:
    """Return the condition that a file name has all parts of a word: there more characters separate words."""
    found: list[Dsl] = []
    for field in _NAMED:
        parts = query_groups(text, field.analysis)
        if parts and parts != groups:
            found.append(_stemmed(field, parts))
    return found


def _as_identifier(text: str) -> list[Dsl]:
    """Return the conditions of the identifiers that a word may be."""
    found = (REGISTRY.get(name).path for looks, name in _IDENTIFIERS if looks.fullmatch(text))
    return [{"term": {path: {"value": fold_keyword(text), "boost": 1.0}}} for path in found]


def _as_written(field: Field | None, groups: Groups) -> list[Dsl]:
    """Return what puts exact forms first, each field by its weight."""
    parts = [part for group in groups for part in group]
    query = {"query": " ".join(parts)}
    if field is not None:
        return [{"match": {field.path: query}}]
    found = [_multi(query, BARE_FIELDS, "best_fields")]
    if len(parts) > 1:
        return found
    return [*found, *(_stem(REGISTRY.get(name), parts[0], boost) for name, boost in _STEM_IN.items())]


def _in_bare(text: str, body: Any, kind: str = "best_fields", *, whole: bool = False) -> Dsl:
    """Return a query over the fields of bare words; a file name is asked for its own words where these differ."""

    def parts(analysis: str) -> list[str]:
        if whole:
            return texts(tokens(text, analysis))
        return [part for group in query_groups(text, analysis) for part in group]

    words, names = parts(WORDS), parts(FILENAME)
    if not words:
        return {"match_none": {}}
    if words == names:
        return _multi(body(words), BARE_FIELDS, kind)
    rule = "match_phrase" if kind == "phrase" else "match"
    named = [{rule: {field.path: {**body(names), "boost": field.boost or 1.0}}} for field in _NAMED]
    return {"dis_max": {"queries": [_multi(body(words), _OTHERS, kind), *named], "tie_breaker": _TIE}}


def _multi(body: Dsl, fields: Iterable[str], kind: str) -> Dsl:
    return {"multi_match": {**body, "fields": list(fields), "type": kind, "tie_breaker": _TIE}}


def _follow(path: str, group: Sequence[str]) -> Dsl:
    """Return the query for words that follow each other in a field."""
    if len(group) == 1:
        return {"term": {path: {"value": group[0]}}}
    return {"match_phrase": {path: {"query": " ".join(group)}}}


def _all(parts: list[Dsl]) -> Dsl:
    return parts[0] if len(parts) == 1 else {"bool": {"must": parts}}


def _any(parts: list[Dsl]) -> Dsl:
    return {"bool": {"should": parts, "minimum_should_match": 1}}


def pattern(field: Field | None, text: str) -> Dsl:
    """Return the query for a word with wildcards: it matches one word of the text.

    What separates words in a text separates them here: `fair-tra*` is `fair` and `tra*`. In a field that allows leading
    wildcards (the file name) the pattern may also match the whole value.
    """
    if field is None:
        return {"dis_max": {"queries": [_text_pattern(path, text, kind, boost) for path, boost, kind in _PATHS]}}
    parts = _text_pattern(field.path, text, field.analysis, 1.0)
    if not field.leading_wildcard or field.keyword_path is None:
        return parts
    return _any([term_pattern(field.keyword_path, folded(text, fold_sort)), parts])


def term_pattern(path: str, text: str, boost: float = 1.0) -> Dsl:
    """Return the query that matches a folded pattern against whole terms."""
    start = prefix_of(text)
    body: Dsl = {"value": text if start is None else start}
    if boost != 1:
        body["boost"] = boost
    return {"wildcard" if start is None else "prefix": {path: body}}


def _text_pattern(path: str, text: str, analysis: str, boost: float) -> Dsl:
    """Return the query for the words of a pattern, each of them a term of this field."""
    parts: list[Dsl] = []
    for group in pattern_groups(text, analysis):
        if len(group) == 1 and (ANY in group[0] or ONE in group[0]):
            parts.append(term_pattern(path, group[0].replace(ANY, "*").replace(ONE, "?"), boost))
        else:
            parts.append(_follow(path, group))
    return _all(parts) if parts else {"match_none": {}}


def pattern_groups(text: str, analysis: str) -> list[tuple[str, ...]]:
    """Return the groups of words of a pattern, `ANY` and `ONE` in place of its wildcards.

    Escaped wildcards separate words, since no word contains them. A wildcard that is left alone, behind writing without
    spaces for instance, asks for nothing.
    """
    plain = "".join({"*": ANY, "?": ONE}[part] if wild else re.sub(r"[*?\\]", " ", part) for part, wild in pieces(text))
    return [group for group in query_groups(plain, analysis) if "".join(group).strip(ANY + ONE)]
