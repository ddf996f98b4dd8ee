"""Typed clauses to OpenSearch DSL.

Only words score. Exact clauses go into filter context, where they cost less and do not affect the order, unless they
are boosted explicitly. Nothing here emits `query_string`, `regexp`, a script, or a path that is not in the registry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

from mappings.fields import REGISTRY, Field, FieldType
from mappings.folding import fold_keyword, fold_path, fold_sort
from query.clauses import (
    All,
    And,
    Boosted,
    Bounds,
    Clause,
    Exists,
    Fuzzy,
    In,
    Is,
    Match,
    Near,
    Nested,
    Not,
    Nothing,
    Or,
    Phrase,
    Range,
    Scalar,
    Term,
    Wildcard,
)
from query.dsl import words
from query.language.patterns import folded
from query.language.units import plain_number

Dsl: TypeAlias = dict[str, Any]

_CUSTOM = REGISTRY.get("custom").path
_CUSTOM_TEXT = Field("custom.text", FieldType.TEXT, "", "", path=f"{_CUSTOM}.text")
_OWNER = REGISTRY.get("user_id").path
_FAVORITES = REGISTRY.get("favorited_by").path


@dataclass(frozen=True, slots=True)
class Context:
    """The caller and the time of the search, on which flags such as `is:favorite` and `is:expired` depend.

    `inside` is the path of the nested objects that the current clause is about; `expansions` is how many terms a fuzzy
    word may expand to in each field.
    """

    user_id: str
    now: datetime
    inside: str = ""
    expansions: int = 50


_WORDY = frozenset({Match, Phrase, Wildcard, Fuzzy})


def scores(clause: Any) -> bool:
    """Return whether a clause affects the order of results: it has words that are not negated, or a boost."""
    kind = type(clause)
    if kind in _WORDY:
        return clause.field is None or clause.field.type is FieldType.TEXT
    if kind is And or kind is Or:
        return any(map(scores, clause.items))
    return kind is Boosted or (kind is Nested and scores(clause.item))


class Bool:
    """Collects the parts of a `bool` query."""

    __slots__ = ("filter", "must", "must_not", "should")

    def __init__(self) -> None:
        self.must: list[Dsl] = []
        self.filter: list[Dsl] = []
        self.must_not: list[Dsl] = []
        self.should: list[Dsl] = []

    def add(self, clause: Clause, context: Context, *, scoring: bool) -> None:
        """Add a required clause."""
        if isinstance(clause, And):
            for item in clause.items:
                self.add(item, context, scoring=scoring)
            if scoring:
                self.should.extend(filter(None, map(words.phrase_boost, _runs(clause.items))))
        elif isinstance(clause, Not):
            self.must_not.append(emit(clause.item, context, scoring=False))
        elif scoring and scores(clause):
            self.must.append(emit(clause, context, scoring=True))
        elif not isinstance(clause, All):
            self.filter.append(emit(clause, context, scoring=False))

    def dsl(self) -> Dsl:
        """Return the query."""
        parts = {name: part for name in ("must", "filter", "must_not", "should") if (part := getattr(self, name))}
        return {"bool": parts} if parts else {"match_all": {}}


def emit(clause: Clause, context: Context, *, scoring: bool = True) -> Dsl:
    """Return the DSL of a clause; without `scoring`, parts that only affect the order are left out."""
    return _RULES[type(clause)](clause, context, scoring)


def _runs(items: tuple[Clause, ...]) -> list[list[str]]:
    """Return the runs of two or more consecutive bare words."""
    runs: list[list[str]] = [[]]
    for item in items:
        word = item.item if isinstance(item, Boosted) else item
        if isinstance(word, Match) and word.field is None:
            runs[-1].append(word.text)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if len(run) > 1]


def _all(clause: All, context: Context, scoring: bool) -> Dsl:
    return {"match_all": {}}


def _nothing(clause: Nothing, context: Context, scoring: bool) -> Dsl:
    return {"match_none": {}}


def _and(clause: Clause, context: Context, scoring: bool) -> Dsl:
    collected = Bool()
    collected.add(clause, context, scoring=scoring)
    return collected.dsl()


def _or(clause: Or, context: Context, scoring: bool) -> Dsl:
    parts: list[Dsl] = []
    for item in clause.items:
        if scoring and not scores(item):
            # In `should`, an exact clause would add its rarity (IDF) to the score.
            parts.append({"bool": {"filter": [emit(item, context, scoring=False)]}})
        else:
            parts.append(emit(item, context, scoring=scoring))
    return {"bool": {"should": parts, "minimum_should_match": 1}}


def _boosted(clause: Boosted, context: Context, scoring: bool) -> Dsl:
    query = emit(clause.item, context, scoring=scoring)
    if not scoring:
        return query
    if not scores(clause.item):
        return {"constant_score": {"filter": query, "boost": clause.factor}}
    kind, body = next(iter(query.items()))
    if kind in {"multi_match", "bool", "dis_max"} and "boost" not in body:
        return {kind: {**body, "boost": clause.factor}}
    return {"bool": {"must": [query], "boost": clause.factor}}


def _match(clause: Match, context: Context, scoring: bool) -> Dsl:
    return words.match(clause.field, clause.text, scoring=scoring)


def _phrase(clause: Phrase, context: Context, scoring: bool) -> Dsl:
    field = clause.field
    if field is None or field.type is FieldType.TEXT:
        return words.phrase(field, clause.text, clause.slop)
    text = words.phrase(_CUSTOM_TEXT, clause.text, clause.slop)
    return _custom(field, _any([{"term": {f"{_CUSTOM}.keyword": fold_keyword(clause.text)}}, text]))


def _wildcard(clause: Wildcard, context: Context, scoring: bool) -> Dsl:
    field = clause.field
    if field is None or field.type is FieldType.TEXT:
        return words.pattern(field, clause.pattern)
    if field.type is FieldType.CUSTOM:
        return _custom(field, words.term_pattern(f"{_CUSTOM}.keyword", folded(clause.pattern, fold_keyword)))
    pattern = clause.pattern.lstrip("/") if field.hierarchical else clause.pattern
    return words.term_pattern(field.path, folded(pattern, fold_keyword))


def _fuzzy(clause: Fuzzy, context: Context, scoring: bool) -> Dsl:
    field = clause.field
    edits: int | str = "AUTO" if clause.edits is None else clause.edits
    if field is None or field.type is FieldType.TEXT:
        return words.fuzzy(field, clause.text, edits, context.expansions)
    path = f"{_CUSTOM}.keyword" if field.type is FieldType.CUSTOM else field.path
    query = {
        "fuzzy": {path: {"value": fold_keyword(clause.text), "fuzziness": edits, "max_expansions": context.expansions}}
    }
    return _custom(field, query) if field.type is FieldType.CUSTOM else query


def _term(clause: Term, context: Context, scoring: bool) -> Dsl:
    if clause.field.type is FieldType.CUSTOM:
        return _custom_term(clause.field, str(clause.value), whole=clause.whole)
    return {"term": {clause.field.keyword_path or clause.field.path: _folded(clause.field, clause.value)}}


def _in(clause: In, context: Context, scoring: bool) -> Dsl:
    field = clause.field
    values = dict.fromkeys(_folded(field, value) for value in clause.values)
    return {"terms": {field.keyword_path or field.path: list(values)}}


def _folded(field: Field, value: Scalar) -> Scalar:
    if not isinstance(value, str):
        return value
    if field.hierarchical:
        return fold_path(value)
    return fold_sort(value) if field.type is FieldType.TEXT else fold_keyword(value)


def _range(clause: Range, context: Context, scoring: bool) -> Dsl:
    field = clause.field
    body: Dsl = {}
    if clause.low is not None:
        body["gte" if clause.include_low else "gt"] = _bound(field, clause.low)
    if clause.high is not None:
        body["lte" if clause.include_high else "lt"] = _bound(field, clause.high)
    if field.type is not FieldType.CUSTOM:
        return {"range": {field.keyword_path or field.path: body}}
    bound = clause.low if clause.low is not None else clause.high
    kind = "date" if isinstance(bound, datetime) else "keyword" if isinstance(bound, str) else "number"
    return _custom(field, {"range": {f"{_CUSTOM}.{kind}": body}})


def _bound(field: Field, value: Scalar | datetime) -> Scalar:
    if isinstance(value, datetime):
        return instant(value)
    return _folded(field, value)


def instant(value: datetime) -> str:
    """Return a time as ISO 8601 in UTC with milliseconds, the form stored in the index."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _exists(clause: Exists, context: Context, scoring: bool) -> Dsl:
    field = clause.field
    if field.type is FieldType.CUSTOM:
        query = {"term": {f"{_CUSTOM}.key": field.key}} if field.key else {"match_all": {}}
        return {"nested": {"path": _CUSTOM, "query": query}}
    if field.type is FieldType.NESTED:
        every: Dsl = {"match_all": {}}
        return every if field.path == context.inside else {"nested": {"path": field.path, "query": every}}
    return {"exists": {"field": field.keyword_path or field.path}}


def _near(clause: Near, context: Context, scoring: bool) -> Dsl:
    place = {"lat": clause.lat, "lon": clause.lon}
    return {"geo_distance": {"distance": f"{clause.metres:.10g}m", clause.field.path: place}}


def _bounds(clause: Bounds, context: Context, scoring: bool) -> Dsl:
    box = {
        "top_left": {"lat": clause.north, "lon": clause.west},
        "bottom_right": {"lat": clause.south, "lon": clause.east},
    }
    return {"geo_bounding_box": {clause.field.path: box}}


def _nested(clause: Nested, context: Context, scoring: bool) -> Dsl:
    query = emit(clause.item, replace(context, inside=clause.field.path), scoring=scoring)
    mode = "max" if scoring and scores(clause.item) else "none"
    return {"nested": {"path": clause.field.path, "query": query, "score_mode": mode}}


def _is(clause: Is, context: Context, scoring: bool) -> Dsl:
    return _FLAGS[clause.flag](context)


def _custom(field: Field, query: Dsl) -> Dsl:
    """Return the query for a custom field of the organization: key and value must be in the same object."""
    key = {"term": {f"{_CUSTOM}.key": field.key}}
    return {"nested": {"path": _CUSTOM, "query": {"bool": {"filter": [key, query]}}}}


def _custom_term(field: Field, text: str, *, whole: bool) -> Dsl:
    """Match a value of unknown type: equal as a keyword, equal as a number, or all of its words, also inflected."""
    options: list[Dsl] = [{"term": {f"{_CUSTOM}.keyword": fold_keyword(text)}}]
    number = plain_number(text)
    if number is not None:
        options.append({"term": {f"{_CUSTOM}.number": number}})
    if whole:
        return _custom(field, _any(options))
    options.append(words.exact(_CUSTOM_TEXT, text))
    exact, inflected = _custom(field, _any(options)), words.inflected(field, text)
    return exact if inflected is None else _any([exact, inflected])


def _any(queries: list[Dsl]) -> Dsl:
    return {"bool": {"should": queries, "minimum_should_match": 1}}


_FLAGS: dict[str, Callable[[Context], Dsl]] = {
    "favorite": lambda context: {"term": {_FAVORITES: fold_keyword(context.user_id)}},
    "mine": lambda context: {"term": {_OWNER: fold_keyword(context.user_id)}},
    "public": lambda context: {"term": {"is_public": True}},
    "private": lambda context: {"bool": {"must_not": [{"term": {"is_public": True}}]}},
    "deleted": lambda context: {"exists": {"field": "deleted_at"}},
    "expired": lambda context: {"range": {"expires_at": {"lte": instant(context.now)}}},
}
_RULES: dict[type, Callable[[Any, Context, bool], Dsl]] = {
    All: _all,
    Nothing: _nothing,
    And: _and,
    Not: _and,
    Or: _or,
    Boosted: _boosted,
    Match: _match,
    Phrase: _phrase,
    Wildcard: _wildcard,
    Fuzzy: _fuzzy,
    Term: _term,
    In: _in,
    Range: _range,
    Exists: _exists,
    Near: _near,
    Bounds: _bounds,
    Nested: _nested,
    Is: _is,
}
