"""Typed clauses: what a query means once names, types and units have been resolved.

Clauses are frozen, comparable and independent of syntax. `span` (offset and length in the text as sent) is excluded
from comparison, so parsing a normalised text yields clauses equal to those it was rendered from. A `field` of None
means bare words: every word must match in one of the fields that have a weight in the registry.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field as member
from datetime import datetime
from typing import TypeAlias

from mappings.fields import Field

Scalar: TypeAlias = str | int | float | bool
Bound: TypeAlias = str | int | float | datetime | None
Span: TypeAlias = tuple[int, int]

_NOWHERE: Span = (0, 0)


@dataclass(frozen=True, slots=True)
class Clause:
    """Base class of all clauses."""

    span: Span = member(default=_NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class All(Clause):
    """Every asset."""


@dataclass(frozen=True, slots=True)
class Nothing(Clause):
    """No asset: the text holds punctuation only."""


@dataclass(frozen=True, slots=True)
class And(Clause):
    """All of the items must match."""

    items: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Or(Clause):
    """At least one of the items must match."""

    items: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Not(Clause):
    """Everything that does not match the item."""

    item: Clause


@dataclass(frozen=True, slots=True)
class Boosted(Clause):
    """The item, with its score multiplied by `factor`."""

    item: Clause
    factor: float


@dataclass(frozen=True, slots=True)
class Match(Clause):
    """A word: all of its tokens occur in the text."""

    field: Field | None
    text: str


@dataclass(frozen=True, slots=True)
class Phrase(Clause):
    """Words in this order, with up to `slop` position moves between them."""

    field: Field | None
    text: str
    slop: int = 0


@dataclass(frozen=True, slots=True)
class Wildcard(Clause):
    r"""A word or a whole keyword that matches a pattern of `*` and `?`; literal `*`, `?` and `\` are escaped by `\`."""

    field: Field | None
    pattern: str


@dataclass(frozen=True, slots=True)
class Fuzzy(Clause):
    """A word at most `edits` edits away; None chooses by length (0 up to 2 letters, 1 up to 5, otherwise 2)."""

    field: Field | None
    text: str
    edits: int | None


@dataclass(frozen=True, slots=True)
class Term(Clause):
    """Exactly this value; keywords match regardless of case.

    A custom field also matches by the words of its text, unless `whole`: then only by the value as facets show it.
    """

    field: Field
    value: Scalar
    whole: bool = False


@dataclass(frozen=True, slots=True)
class In(Clause):
    """Any of these values of one field."""

    field: Field
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Range(Clause):
    """Values between the bounds; None is an open bound. Dates are always `low <= value < high`, in UTC."""

    field: Field
    low: Bound
    high: Bound
    include_low: bool = True
    include_high: bool = True


@dataclass(frozen=True, slots=True)
class Exists(Clause):
    """The field has any value."""

    field: Field


@dataclass(frozen=True, slots=True)
class Near(Clause):
    """At most `metres` from a point given in degrees."""

    field: Field
    lat: float
    lon: float
    metres: float


@dataclass(frozen=True, slots=True)
class Bounds(Clause):
    """Inside a box given in degrees; `west` greater than `east` means that it crosses the antimeridian."""

    field: Field
    north: float
    east: float
    south: float
    west: float


@dataclass(frozen=True, slots=True)
class Nested(Clause):
    """A single object of the list matches the item."""

    field: Field
    item: Clause


@dataclass(frozen=True, slots=True)
class Is(Clause):
    """A flag of `query.language.flags`, such as favorite or deleted."""

    flag: str


def conjunction(items: Iterable[Clause], span: Span = _NOWHERE) -> Clause:
    """Return the clause that matches when all items do; nested conjunctions are flattened and `All` is dropped."""
    flat: list[Clause] = []
    for item in items:
        if isinstance(item, And):
            flat.extend(item.items)
        elif not isinstance(item, All):
            flat.append(item)
    if len(flat) == 1:
        return flat[0]
    return And(tuple(flat), span=span) if flat else All(span=span)


def disjunction(items: Iterable[Clause], span: Span = _NOWHERE) -> Clause:
    """Return the clause that matches when any item does; flattened, with values of one field merged into one list."""
    flat: list[Clause] = []
    lists: dict[str, int] = {}
    for item in items:
        for part in item.items if isinstance(item, Or) else (item,):
            if isinstance(part, All):
                return All(span=span)
            if isinstance(part, Term | In) and not part.field.key:
                at = lists.setdefault(part.field.name, len(flat))
                if at < len(flat):
                    flat[at] = _joined(flat[at], part)
                    continue
            flat.append(part)
    return flat[0] if len(flat) == 1 else Or(tuple(flat), span=span)


def _joined(first: Clause, second: Term | In) -> Clause:
    assert isinstance(first, Term | In)
    values = dict.fromkeys((*_values(first), *_values(second)))
    if len(values) == 1:
        return first
    end = max(first.span[0] + first.span[1], second.span[0] + second.span[1])
    return In(first.field, tuple(values), span=(first.span[0], end - first.span[0]))


def _values(clause: Term | In) -> tuple[Scalar, ...]:
    return clause.values if isinstance(clause, In) else (clause.value,)


_LISTS = frozenset({And, Or})
_WRAPPERS = frozenset({Not, Boosted, Nested})


def walk(clause: Clause) -> list[Clause]:
    """Return a clause and all clauses inside it."""
    found = [clause]
    for part in found:  # the list grows while it is iterated
        kind = type(part)
        if kind in _LISTS:
            found.extend(part.items)  # type: ignore[attr-defined]
        elif kind in _WRAPPERS:
            found.append(part.item)  # type: ignore[attr-defined]
    return found
