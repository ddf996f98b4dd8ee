"""Typed clauses to normalised query text.

Parsing the text again yields equal clauses, so a front end can show the same query as chips and as text. Names are
those of the registry, sizes and durations are in the unit of the field, and dates are instants in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from mappings.fields import Field, FieldType
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
from query.dsl.emit import instant
from query.language.patterns import pieces

# A word that the scanner reads unchanged in any position.
_PLAIN = re.compile(r"[^\W_][\w.\-/+'@,%#;]*")
_RESERVED = frozenset({"AND", "OR", "NOT", "TO"})
_SIGN = re.compile(r"[^\w.]", re.DOTALL)
_QUOTED = re.compile(r'[\\"]')


def render(clause: Clause) -> str:
    """Return the normalised text of a clause; `*:*` for the clause that every asset matches."""
    return _RULES[type(clause)](clause)


def _group(clause: Clause) -> str:
    text = render(clause)
    return f"({text})" if isinstance(clause, And | Or) else text


def _and(clause: And) -> str:
    return " ".join(f"({render(item)})" if isinstance(item, Or) else render(item) for item in clause.items)


def _or(clause: Or) -> str:
    return " OR ".join(_group(item) for item in clause.items)


def _not(clause: Not) -> str:
    return f"NOT {_group(clause.item)}"


def _boosted(clause: Boosted) -> str:
    text = render(clause.item)
    closed = isinstance(clause.item, And | Or | Not | Boosted)
    return f"({text})^{clause.factor:.10g}" if closed else f"{text}^{clause.factor:.10g}"


def _match(clause: Match) -> str:
    return _at(clause.field, word(clause.text))


def _phrase(clause: Phrase) -> str:
    return _at(clause.field, f"{quoted(clause.text)}~{clause.slop}" if clause.slop else quoted(clause.text))


def _wildcard(clause: Wildcard) -> str:
    return _at(clause.field, "".join(text if wild else _escaped(text) for text, wild in pieces(clause.pattern)))


def _fuzzy(clause: Fuzzy) -> str:
    return _at(clause.field, f"{word(clause.text)}~{'' if clause.edits is None else clause.edits}")


def _term(clause: Term) -> str:
    if clause.field.type is FieldType.CUSTOM:  # quotation marks would make it a phrase
        return _at(clause.field, word(str(clause.value)))
    return _at(clause.field, _value(clause.value))


def _in(clause: In) -> str:
    return _at(clause.field, f"({' OR '.join(_value(value) for value in clause.values)})")


def _range(clause: Range) -> str:
    first, last = "[" if clause.include_low else "{", "]" if clause.include_high else "}"
    return _at(clause.field, f"{first}{_bound(clause.low)} TO {_bound(clause.high)}{last}")


def _exists(clause: Exists) -> str:
    return _at(clause.field, "*")


def _near(clause: Near) -> str:
    return f'near:"{_degrees(clause.lat)},{_degrees(clause.lon)} {clause.metres:.10g}m"'


def _bounds(clause: Bounds) -> str:
    edges = (clause.north, clause.east, clause.south, clause.west)
    return f'bounds:"{",".join(_degrees(edge) for edge in edges)}"'


def _nested(clause: Nested) -> str:
    return _at(clause.field, f"({render(clause.item)})")


def _is(clause: Is) -> str:
    return "by:me" if clause.flag == "mine" else f"is:{clause.flag}"


def _at(field: Field | None, value: str) -> str:
    return value if field is None else f"{field.name}:{value}"


def _value(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return word(value) if value and not any(sign.isspace() for sign in value) else quoted(value)
    return f"{value!r}"


def _bound(value: Any) -> str:
    if value is None:
        return "*"
    if isinstance(value, datetime):
        return quoted(instant(value))
    return quoted(value) if isinstance(value, str) else f"{value!r}"


def _degrees(value: float) -> str:
    return f"{value:.12f}".rstrip("0").rstrip(".")


def word(text: str) -> str:
    """Return a text as one literal word: everything that could be an operator is escaped."""
    if _PLAIN.fullmatch(text) and text not in _RESERVED:
        return text
    escaped = _escaped(text)
    return f"\\{escaped}" if escaped in _RESERVED else escaped


def _escaped(text: str) -> str:
    return _SIGN.sub(r"\\\g<0>", text)


def quoted(text: str) -> str:
    """Return a text as a phrase."""
    return f'"{_QUOTED.sub(lambda m: chr(92) + m[0], text)}"'


_RULES: dict[type, Callable[[Any], str]] = {
    All: lambda clause: "*:*",
    Nothing: lambda clause: '""',
    And: _and,
    Or: _or,
    Not: _not,
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
