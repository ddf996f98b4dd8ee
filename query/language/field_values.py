"""One value of a field to a typed clause: the rules for each type."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from mappings.analysis import query_groups
from mappings.fields import REGISTRY, FacetKind, Field, FieldType
from mappings.folding import fold_keyword, fold_sort
from query.clauses import Bound, Clause, Exists, Fuzzy, Match, Not, Phrase, Range, Span, Term, Wildcard
from query.errors import BadValue
from query.language import geo
from query.language.dates import Clock, parse_date
from query.language.limits import LIMITS
from query.language.patterns import canonical, check
from query.language.units import ANY_NUMBER, boolean, number

Value: TypeAlias = Callable[[Field, str, bool, Span, Clock], Clause]

MISSING = "(missing)"
"""What facets call records without a value; as a value of a field it finds them."""

_LABEL_LENGTH = 100
_WORDY = frozenset({FieldType.TEXT, FieldType.KEYWORD, FieldType.CUSTOM})
_PATTERNED = _WORDY | {FieldType.FLAT}


def blank(text: str) -> bool:
    """Return whether a bare word has nothing to search for: no letter, no digit, no emoji or sign."""
    if text.isascii():
        return not any(character.isalnum() for character in text)
    return not query_groups(text)


def value(field: Field | None, text: str, quoted: bool, span: Span, clock: Clock) -> Clause:
    """Return the clause for a word (or a phrase, if `quoted`) in a field. Raises BadValue."""
    if field is None:
        return Phrase(None, text, span=span) if quoted else Match(None, text, span=span)
    if not text.strip():
        raise BadValue(
            "wrong_type",
            f"{field.name} needs a value. To find assets without one, use missing:{field.name}.",
            f"missing:{field.name}",
        )
    if text == MISSING and field.facet is not FacetKind.NONE:
        return Not(Exists(field, span=span), span=span)
    return _VALUES[field.type](field, text, quoted, span, clock)


def _text(field: Field, text: str, quoted: bool, span: Span, clock: Clock) -> Clause:
    return Phrase(field, text, span=span) if quoted else Match(field, text, span=span)


def _keyword(field: Field, text: str, quoted: bool, span: Span, clock: Clock) -> Clause:
    if field.values and fold_keyword(text) not in field.values:
        near = REGISTRY.near(text, among=field.values)
        raise BadValue(
            "wrong_type",
            f"{field.name} must be one of {', '.join(field.values)}, not {text[:40]}.",
            near[0] if near else None,
        )
    return Term(field, text, span=span)


def _number(field: Field, text: str, quoted: bool, span: Span, clock: Clock) -> Clause:
    try:
        return Term(field, number(field, text), span=span)
    except BadValue:
        labelled = _labelled(field, text, span, clock)
        if labelled is None:
            raise
        return labelled


def _boolean(field: Field, text: str, quoted: bool, span: Span, clock: Clock) -> Clause:
    return Term(field, boolean(field, text), span=span)


def _date(field: Field, text: str, quoted: bool, span: Span, clock: Clock) -> Clause:
    try:
        when = parse_date(text, clock)
    except BadValue:
        labelled = _labelled(field, text, span, clock)
        if labelled is None:
            raise
        return labelled
    return Range(field, when.start, when.end, include_high=False, span=span)


def _labelled(field: Field, text: str, span: Span, clock: Clock) -> Clause | None:
    """Return the range of a label as facets write it (`500-1000`, `*-2024`), without its upper bound."""
    for at, sign in enumerate(text[:_LABEL_LENGTH]):
        bounds = text[:at], text[at + 1 :]
        if sign != "-" or not all(bounds) or bounds == ("*", "*"):
            continue
        low, high = (None if bound == "*" else bound for bound in bounds)
        try:
            return interval(field, low, high, (True, False), span, clock)
        except BadValue:
            continue
    return None


def _geo(field: Field, text: str, quoted: bool, span: Span, clock: Clock) -> Clause:
    return geo.near(field, text, span)


def _custom(field: Field, text: str, quoted: bool, span: Span, clock: Clock) -> Clause:
    if not field.key:
        raise BadValue("unknown_field", "Name the custom field: custom.<key>:value.")
    return Phrase(field, text, span=span) if quoted else Term(field, text, span=span)


def _nested(field: Field, text: str, quoted: bool, span: Span, clock: Clock) -> Clause:
    return value(field.children[0], text, quoted, span, clock)


_VALUES: dict[FieldType, Value] = {
    FieldType.KEYWORD: _keyword,
    FieldType.TEXT: _text,
    FieldType.INTEGER: _number,
    FieldType.FLOAT: _number,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.GEO: _geo,
    FieldType.FLAT: _keyword,
    FieldType.CUSTOM: _custom,
    FieldType.NESTED: _nested,
}


def wildcard(field: Field | None, word: str, span: Span) -> Clause:
    """Return the clause for a word with wildcards, escapes preserved. Raises BadValue."""
    pattern = canonical(word)
    if field is not None and pattern == "*":
        return Exists(field, span=span)
    if field is not None and field.type is FieldType.NESTED:
        field = field.children[0]
    if field is not None and (field.type not in _PATTERNED or (field.type is FieldType.CUSTOM and not field.key)):
        raise BadValue(
            "unsupported",
            f"{field.name} does not support wildcards. To find assets with any value, use {field.name}:*.",
            f"{field.name}:*",
        )
    name = field.name if field is not None else "a word without a field"
    check(pattern, leading=field is not None and field.leading_wildcard, name=name)
    return Wildcard(field, pattern, span=span)


def fuzzy(field: Field | None, text: str, degree: Decimal | None, span: Span) -> Clause:
    """Return the clause for a fuzzy word; `degree` is the number after `~`, None without one. Raises BadValue."""
    if field is not None and field.type is FieldType.NESTED:
        field = field.children[0]
    if field is not None and (field.type not in _WORDY or (field.type is FieldType.CUSTOM and not field.key)):
        raise BadValue("unsupported", f"{field.name} does not support fuzzy search: its values are not words.")
    if degree is None:
        return Fuzzy(field, text, None, span=span)
    if degree < 1:  # Lucene's older form: the minimum similarity
        edits = min(2, int((1 - degree) * len(text))) if degree else 0
    elif degree in {1, 2}:
        edits = int(degree)
    else:
        raise BadValue(
            "fuzzy", f"After ~, write 0, 1 or 2 edits or a similarity below 1, not {degree}.", f"{text[:40]}~2"
        )
    return Fuzzy(field, text, edits, span=span)


def proximity(field: Field | None, text: str, slop: int, span: Span) -> Clause:
    """Return the clause for a phrase with `slop` position moves. Raises BadValue."""
    if field is not None and field.type is FieldType.NESTED:
        field = field.children[0]
    if field is not None and field.type is not FieldType.TEXT and not (field.type is FieldType.CUSTOM and field.key):
        raise BadValue("unsupported", f"{field.name} holds whole values, not words. Remove ~ after the phrase.")
    if slop > LIMITS.slop:
        raise BadValue(
            "limit",
            f"~{slop} exceeds the limit of {LIMITS.slop} positions between the words of a phrase (slop).",
            f"~{LIMITS.slop}",
        )
    return Phrase(field, text, slop, span=span)


def interval(
    field: Field, low: str | None, high: str | None, include: tuple[bool, bool], span: Span, clock: Clock
) -> Clause:
    """Return the clause for a range; None is an open bound. Raises BadValue."""
    if low is None and high is None:
        return Exists(field, span=span)
    if field.type is FieldType.NESTED:
        field = field.children[0]
    if field.type is FieldType.DATE:
        return _dates(field, low, high, include, span, clock)
    if field.type is FieldType.CUSTOM and field.key:
        return _custom_range(field, low, high, include, span, clock)
    if field.type in {FieldType.INTEGER, FieldType.FLOAT}:
        numbers = tuple(None if bound is None else number(field, bound) for bound in (low, high))
        return _ordered(field, numbers[0], numbers[1], include, span)
    if field.type in {FieldType.KEYWORD, FieldType.TEXT} and (field.keyword_path is not None or field.nested):
        fold = fold_sort if field.type is FieldType.TEXT else fold_keyword
        if low is not None and high is not None and fold(low) > fold(high):
            raise _reversed(low, high)
        return Range(field, low, high, *include, span=span)
    raise BadValue("unsupported", f"{field.name} does not support ranges: its values have no order.")


def _ordered(field: Field, low: Bound, high: Bound, include: tuple[bool, bool], span: Span) -> Clause:
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        raise _reversed(low, high)
    return Range(field, low, high, *include, span=span)


def _dates(
    field: Field, low: str | None, high: str | None, include: tuple[bool, bool], span: Span, clock: Clock
) -> Clause:
    first = parse_date(low, clock) if low is not None else None
    last = parse_date(high, clock) if high is not None else None
    if first and last and first.start > last.start:
        raise _reversed(low, high)
    start: datetime | None = None
    end: datetime | None = None
    if first:
        start = first.start if include[0] else first.end
    if last:
        end = last.end if include[1] else last.start
    return Range(field, start, end, include_low=True, include_high=False, span=span)


def _custom_range(
    field: Field, low: str | None, high: str | None, include: tuple[bool, bool], span: Span, clock: Clock
) -> Clause:
    """Compare as numbers if both bounds are numbers, as dates if both are dates, otherwise as texts."""
    try:
        numbers = tuple(None if bound is None else number(ANY_NUMBER, bound) for bound in (low, high))
        return _ordered(field, numbers[0], numbers[1], include, span)
    except BadValue as error:
        if error.reason != "wrong_type":
            raise
    try:
        return _dates(field, low, high, include, span, clock)
    except BadValue as error:
        if error.reason != "wrong_type":
            raise
    if low is not None and high is not None and fold_keyword(low) > fold_keyword(high):
        raise _reversed(low, high)
    return Range(field, low, high, *include, span=span)


def _reversed(low: object, high: object) -> BadValue:
    return BadValue(
        "wrong_range", f"The range is reversed: {str(low)[:40]} comes after {str(high)[:40]}.", f"[{high} TO {low}]"
    )
