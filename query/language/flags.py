"""Pseudo-fields, names before a colon that are not fields: `is:`, `has:`, `missing:`, `by:`, `near:`, `bounds:`."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import TypeAlias

from mappings.fields import REGISTRY, Field, FieldType
from query.clauses import Clause, Exists, Is, Not, Span, Term
from query.errors import BadValue
from query.language import geo
from query.language.units import boolean

# The values of `is:`; `query.dsl.emit` has the DSL of each.
FLAGS: dict[str, str] = {
    "favorite": "your favorites",
    "public": "visible to anyone",
    "private": "not public",
    "deleted": "in the trash, which other queries exclude",
    "expired": "past its expiry date",
    "mine": "added by you",
}
_SPELLINGS = {
    "favourite": "favorite",
    "favorited": "favorite",
    "favourited": "favorite",
    "starred": "favorite",
    "trashed": "deleted",
    "trash": "deleted",
}

Build: TypeAlias = Callable[[str, Span, Set[str]], Clause]


@dataclass(frozen=True, slots=True)
class PseudoField:
    """A name that stands for a condition; `build` makes its clause from the value, span and caller's roles."""

    name: str
    doc: str
    example: str
    build: Build


def _flag(text: str, span: Span, roles: Set[str]) -> Clause:
    name = text.strip().lower()
    name = _SPELLINGS.get(name, name)
    if name not in FLAGS:
        near = REGISTRY.near(name, among=FLAGS)
        raise BadValue(
            "unknown_field",
            f"Unknown flag {text[:40]}. After is:, use {', '.join(FLAGS)}.",
            f"is:{near[0]}" if near else None,
        )
    return Is(name, span=span)


def _named(text: str, roles: Set[str]) -> Field:
    field = REGISTRY.resolve(text.strip(), roles)
    if field is None:
        near = REGISTRY.near(text, roles)
        raise BadValue("unknown_field", f"Unknown field {text[:40]}." + _did_you_mean(near), near[0] if near else None)
    return field


def _did_you_mean(near: tuple[str, ...]) -> str:
    return f" Did you mean {' or '.join(near)}?" if near else ""


def _has(text: str, span: Span, roles: Set[str]) -> Clause:
    return Exists(_named(text, roles), span=span)


def _missing(text: str, span: Span, roles: Set[str]) -> Clause:
    return Not(Exists(_named(text, roles), span=span), span=span)


def _by(text: str, span: Span, roles: Set[str]) -> Clause:
    if text.strip().lower() == "me":
        return Is("mine", span=span)
    return Term(REGISTRY.get("user_id"), text, span=span)


def _near(text: str, span: Span, roles: Set[str]) -> Clause:
    return geo.near(REGISTRY.get("gps"), text, span)


def _bounds(text: str, span: Span, roles: Set[str]) -> Clause:
    return geo.bounds(REGISTRY.get("gps"), text, span)


def _boolean_flag(name: str, flag: str) -> Build:
    field = Field(name, FieldType.BOOLEAN, "", "")

    def build(text: str, span: Span, roles: Set[str]) -> Clause:
        clause = Is(flag, span=span)
        return clause if boolean(field, text) else Not(clause, span=span)

    return build


_TABLE = (
    PseudoField("is", "A state of the asset.", "is:favorite", _flag),
    PseudoField("has", "The field has a value.", "has:gps", _has),
    PseudoField("_exists_", "The field has a value.", "_exists_:captured_at", _has),
    PseudoField("missing", "The field has no value.", "missing:description", _missing),
    PseudoField("by", "Added by this user; `me` is you.", "by:me", _by),
    PseudoField(
        "near", "At most this far from a point: latitude, longitude and distance.", 'near:"52.37,4.89 10km"', _near
    ),
    PseudoField("bounds", "Inside a box: north, east, south, west.", 'bounds:"53.6,7.2,50.7,3.3"', _bounds),
    PseudoField("is_favorite", "Your favorites.", "is_favorite:true", _boolean_flag("is_favorite", "favorite")),
    PseudoField("is_deleted", "In the trash.", "is_deleted:false", _boolean_flag("is_deleted", "deleted")),
)
PSEUDO: dict[str, PseudoField] = {p.name: p for p in _TABLE}
PSEUDO["deleted"] = PSEUDO["in_trash"] = PSEUDO["is_deleted"]
PSEUDO["favorite"] = PSEUDO["is_favorite"]
