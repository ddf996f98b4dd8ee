"""Whether a record meets a clause: the meaning of the language without any engine.

Written from the language's own description, on plain records. It knows nothing of the DSL, nor of `fold`, the derived
part of search documents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from math import asin, cos, radians, sin, sqrt
from typing import Any

from mappings.fields import REGISTRY, Field, FieldType
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
    Term,
    Wildcard,
    walk,
)
from service.ports.store import Record
from tests.semantics.analysis import BETWEEN, Token, groups, stem, tokens, words
from tests.semantics.fuzzy import near_enough
from tests.semantics.patterns import fits, fits_words
from tests.semantics.phrases import stands
from tests.semantics.sorting import sortable
from tests.semantics.values import folded, of_field, plain, text_of, values

EARTH = 6_371_008.7714  # metres: the mean radius
_BARE = tuple(field for field in REGISTRY.walk() if field.boost is not None)
_GATHERED = tuple(field for field in REGISTRY.walk() if field.gathered)
_IDENTIFIERS = ("id", "guid", "sid", "sha256", "md5")


class Library:
    """Records that clauses are applied to, on behalf of one user of one organization."""

    def __init__(self, records: tuple[Record, ...], org_id: str, user_id: str, now: datetime) -> None:
        self._bodies = {r.body["number"]: plain(r) for r in records if r.org_id == org_id}
        self._user = user_id
        self._now = now
        self._texts: dict[tuple[int, str], list[Token]] = {}

    def select(self, clause: Clause) -> set[int]:
        """Return the numbers of the records that a search with this clause finds."""
        trash = any(_speaks_of_trash(part) for part in walk(clause))
        return {
            number
            for number, body in self._bodies.items()
            if (trash or body.get("deleted_at") is None) and self.meets(body, clause)
        }

    def meets(self, body: Mapping[str, Any], clause: Clause) -> bool:
        """Return whether one record meets a clause."""
        return bool(_RULES[type(clause)](self, body, clause))

    # What combines ----------------------------------------------------------------------------------------------

    def _and(self, body: Mapping[str, Any], clause: And) -> bool:
        return all(self.meets(body, item) for item in clause.items)

    def _or(self, body: Mapping[str, Any], clause: Or) -> bool:
        return any(self.meets(body, item) for item in clause.items)

    def _not(self, body: Mapping[str, Any], clause: Not) -> bool:
        return not self.meets(body, clause.item)

    def _boosted(self, body: Mapping[str, Any], clause: Boosted) -> bool:
        return self.meets(body, clause.item)

    def _nested(self, body: Mapping[str, Any], clause: Nested) -> bool:
        name = clause.field.name
        return any(self.meets({name: item}, clause.item) for item in body.get(name) or ())

    # Words --------------------------------------------------------------------------------------------------------

    def _match(self, body: Mapping[str, Any], clause: Match) -> bool:
        field, text = clause.field, clause.text
        if field is not None and field.nested:
            return self._in_texts(body, field, lambda found, kind: _exact(groups(text, kind), found))
        if field is not None:
            return self._in_texts(body, field, lambda found, kind: _inflected(groups(text, kind), found))
        asked, named = groups(text), groups(text, "filename")
        return (
            (bool(asked) and all(self._somewhere(body, group) for group in asked))
            or (named != asked and _inflected(named, self._tokens(body, "filename", "filename")))
            or any(text.casefold() == str(body.get(name) or "").casefold() for name in _IDENTIFIERS)
        )

    def _somewhere(self, body: Mapping[str, Any], group: tuple[str, ...]) -> bool:
        """Return whether a field of bare words has a word in any form, or all characters of a run in order."""
        fields = [*((bare.name, bare.analysis) for bare in _BARE), ("filename", "words")]
        found = [*(self._tokens(body, name, analysis) for name, analysis in fields), self._gathered(body)]
        return any(_inflected((group,), texts) for texts in (found if len(group) == 1 else [*found[:-2], found[-1]]))

    def _phrase(self, body: Mapping[str, Any], clause: Phrase) -> bool:
        field = clause.field
        if field is not None and field.type is FieldType.CUSTOM:
            return any(
                folded(text_of(value)) == folded(clause.text)
                or stands(words(clause.text), _custom_tokens(value), clause.slop)
                for value in values(body, field.name)
            )
        return self._in_texts(body, field, lambda found, kind: stands(words(clause.text, kind), found, clause.slop))

    def _wildcard(self, body: Mapping[str, Any], clause: Wildcard) -> bool:
        field = clause.field
        if field is not None and field.type is not FieldType.TEXT:
            return any(fits(clause.pattern, folded(text_of(value)), folded) for value in values_of(body, field))
        whole = field is not None and field.leading_wildcard
        if (
            field is not None
            and whole
            and any(fits(clause.pattern, sortable(v), sortable) for v in values(body, field.name))
        ):
            return True
        return self._in_texts(body, field, lambda found, kind: fits_words(clause.pattern, found, kind))

    def _fuzzy(self, body: Mapping[str, Any], clause: Fuzzy) -> bool:
        field = clause.field
        if field is not None and field.type is not FieldType.TEXT:
            word = folded(clause.text)
            return any(near_enough(word, folded(text_of(v)), clause.edits) for v in values_of(body, field))
        return self._in_texts(
            body,
            field,
            lambda found, kind: (
                stands(words(clause.text, kind), found, 0)
                if any(len(group) > 1 for group in groups(clause.text))
                else all(
                    any(near_enough(word, token.text, clause.edits) for token in found)
                    for (word,) in groups(clause.text, kind)
                )
            ),
        )

    def _in_texts(self, body: Mapping[str, Any], field: Field | None, test: Callable[[list[Token], str], bool]) -> bool:
        """Return whether a test of (tokens, analyzer) holds for a field; for bare words, for any that they look in."""
        if field is not None:
            return test(self._tokens(body, field.name, field.analysis), field.analysis)
        if any(test(self._tokens(body, bare.name, bare.analysis), bare.analysis) for bare in _BARE):
            return True
        return test(self._gathered(body), "words")

    def _tokens(self, body: Mapping[str, Any], name: str, analysis: str) -> list[Token]:
        number = body.get("number")
        if number is None:  # an object of a list
            return tokens([text_of(value) for value in values(body, name)], analysis)
        key = (number, f"{name} {analysis}")
        if key not in self._texts:
            self._texts[key] = tokens([text_of(value) for value in values(body, name)], analysis)
        return self._texts[key]

    def _gathered(self, body: Mapping[str, Any]) -> list[Token]:
        """Return the tokens of what bare words look in together: credit, creators, people, texts of custom fields …"""
        key = (body["number"], "")
        if key not in self._texts:
            found = [text_of(value) for field in _GATHERED for value in values(body, field.name)]
            found += [person["name"] for person in body.get("people", ())]
            found += [
                value for name in body.get("custom", {}) for value in values(body, f"custom.{name}") if _is_text(value)
            ]
            self._texts[key] = tokens(list(dict.fromkeys(found)), "words")
        return self._texts[key]

    # Values -------------------------------------------------------------------------------------------------------

    def _term(self, body: Mapping[str, Any], clause: Term) -> bool:
        field, value = clause.field, clause.value
        if field.type is FieldType.CUSTOM:
            found = values(body, field.name)
            asked = groups(str(value))
            together = [token for one in found for token in _custom_tokens(one)]
            inflected = all(len(group) == 1 for group in asked) and _inflected(asked, together)
            return inflected or any(_custom_equal(one, str(value)) for one in found)
        return (folded(value) if isinstance(value, str) else value) in values_of(body, field)

    def _in(self, body: Mapping[str, Any], clause: In) -> bool:
        return any(self._term(body, Term(clause.field, value)) for value in clause.values)

    def _range(self, body: Mapping[str, Any], clause: Range) -> bool:
        field = clause.field
        if field.type is FieldType.CUSTOM:
            return any(_custom_between(value, clause) for value in values(body, field.name))
        if field.type is FieldType.TEXT:
            if field.nested:
                found = [token.text for token in self._tokens(body, field.name, field.analysis)]
            else:
                found = [sortable(value) for value in values(body, field.name)]
            return any(_between(value, clause, sortable) for value in found)
        return any(_between(value, clause, folded) for value in values_of(body, field))

    def _exists(self, body: Mapping[str, Any], clause: Exists) -> bool:
        field = clause.field
        if field.type is FieldType.CUSTOM and not field.key:
            return any(values(body, f"custom.{name}") for name in body.get("custom", {}))
        if field.type is FieldType.NESTED and isinstance(body.get(field.name), Mapping):
            return True
        return bool(of_field(body, field))

    # Places and flags ---------------------------------------------------------------------------------------------

    def _near(self, body: Mapping[str, Any], clause: Near) -> bool:
        place = body.get("gps")
        return place is not None and metres(place, clause) <= clause.metres

    def _bounds(self, body: Mapping[str, Any], clause: Bounds) -> bool:
        place = body.get("gps")
        if place is None or not clause.south <= place["lat"] <= clause.north:
            return False
        sides = (clause.west <= place["lon"], place["lon"] <= clause.east)
        return all(sides) if clause.west <= clause.east else any(sides)

    def _is(self, body: Mapping[str, Any], clause: Is) -> bool:
        expires = body.get("expires_at")
        meaning = {
            "favorite": folded(self._user) in {folded(user) for user in body["favorited_by"]},
            "mine": folded(body["user_id"]) == folded(self._user),
            "public": bool(body["is_public"]),
            "private": not body["is_public"],
            "deleted": body.get("deleted_at") is not None,
            "expired": expires is not None and datetime.fromisoformat(expires) <= self._now,
        }
        return meaning[clause.flag]


def values_of(body: Mapping[str, Any], field: Field) -> list[Any]:
    """Return what is compared in a field; the type of a leaf of an object is its own."""
    return of_field(body, field)


def metres(place: Mapping[str, float], clause: Near) -> float:
    """Return the distance of a place on a sphere of the Earth's mean radius."""
    south, north = radians(place["lat"]), radians(clause.lat)
    across = radians(place["lon"] - clause.lon)
    return 2 * EARTH * asin(sqrt(sin((north - south) / 2) ** 2 + cos(south) * cos(north) * sin(across / 2) ** 2))


def _inflected(wanted: tuple[tuple[str, ...], ...], found: list[Token]) -> bool:
    """Return whether a text has each single word in any form, and the words of a longer group one behind the other."""
    stems = {stem(token.text) for token in found if token.text != BETWEEN}
    return bool(wanted) and all(
        stem(group[0]) in stems if len(group) == 1 else stands(group, found, 0) for group in wanted
    )


def _exact(wanted: tuple[tuple[str, ...], ...], found: list[Token]) -> bool:
    return bool(wanted) and all(stands(group, found, 0) for group in wanted)


def _speaks_of_trash(clause: Clause) -> bool:
    if isinstance(clause, Is):
        return clause.flag == "deleted"
    return isinstance(clause, Exists | Range) and clause.field.name == "deleted_at"


def _between(value: Any, clause: Range, fold: Callable[[str], str]) -> bool:
    low, high = (fold(bound) if isinstance(bound, str) else bound for bound in (clause.low, clause.high))
    above = low is None or (value >= low if clause.include_low else value > low)
    return above and (high is None or (value <= high if clause.include_high else value < high))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


@cache
def _words(text: str) -> tuple[Token, ...]:
    return tuple(tokens([text], "words"))


def _custom_tokens(value: Any) -> list[Token]:
    return list(_words(value)) if _is_text(value) else []


def _custom_equal(found: Any, text: str) -> bool:
    """A custom value is equal as a keyword, as a number, or when all words of the text are in it."""
    if folded(text_of(found)) == folded(text) or _exact(groups(text), _custom_tokens(found)):
        return True
    if isinstance(found, bool) or not isinstance(found, int | float):
        return False
    try:
        return float(text) == found
    except ValueError:
        return False


def _custom_between(found: Any, clause: Range) -> bool:
    """The bounds say the type: numbers are compared with numbers, dates with dates, texts with all as texts."""
    bound = clause.low if clause.low is not None else clause.high
    if isinstance(bound, datetime):
        at = _date(found)
        return at is not None and _between(at, clause, folded)
    if isinstance(bound, str):
        return _between(folded(text_of(found)), clause, folded)
    return isinstance(found, int | float) and not isinstance(found, bool) and _between(found, clause, folded)


def _date(found: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(found)
    except (TypeError, ValueError):
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


_RULES: dict[type, Callable[[Library, Mapping[str, Any], Any], bool]] = {
    All: lambda library, body, clause: True,
    Nothing: lambda library, body, clause: False,
    And: Library._and,
    Or: Library._or,
    Not: Library._not,
    Boosted: Library._boosted,
    Nested: Library._nested,
    Match: Library._match,
    Phrase: Library._phrase,
    Wildcard: Library._wildcard,
    Fuzzy: Library._fuzzy,
    Term: Library._term,
    In: Library._in,
    Range: Library._range,
    Exists: Library._exists,
    Near: Library._near,
    Bounds: Library._bounds,
    Is: Library._is,
}
