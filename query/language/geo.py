"""Texts to geographic clauses: a point with a distance, or a box."""

from __future__ import annotations

import re

from mappings.fields import Field
from query.clauses import Bounds, Near, Span
from query.errors import BadValue

_DEGREES = r"([+-]?\d{1,3}(?:\.\d{1,12})?)"
_NEAR = re.compile(rf"\s*{_DEGREES}\s*,\s*{_DEGREES}[\s,]+(\d{{1,9}}(?:\.\d{{1,6}})?)\s*([a-z]*)\s*", re.I | re.ASCII)
_BOUNDS = re.compile(rf"\s*{_DEGREES}\s*,\s*{_DEGREES}\s*,\s*{_DEGREES}\s*,\s*{_DEGREES}\s*", re.ASCII)
_METRES = {"m": 1.0, "km": 1000.0, "mi": 1609.344, "": 1000.0, "ft": 0.3048, "nmi": 1852.0}
_HALF_EARTH = 20_100_000.0  # metres; nothing can be farther away


def near(field: Field, text: str, span: Span) -> Near:
    """Parse `lat,lon distance` (`52.37,4.89 10km`; kilometres without a unit). Raises BadValue."""
    match = _NEAR.fullmatch(text)
    factor = _METRES.get(match[4].lower()) if match else None
    if match is None or factor is None:
        raise BadValue("wrong_type", f'{text[:40]} is not a point with a distance. Write it as "52.37,4.89 10km".')
    metres = float(match[3]) * factor
    if not 0 < metres <= _HALF_EARTH:
        raise BadValue("wrong_type", f"The distance {match[3]}{match[4]} must be between 0 and 20,100 km.")
    return Near(field, _latitude(match[1]), _longitude(match[2]), metres, span=span)


def bounds(field: Field, text: str, span: Span) -> Bounds:
    """Parse `north,east,south,west` in degrees. Raises BadValue."""
    match = _BOUNDS.fullmatch(text)
    if match is None:
        raise BadValue("wrong_type", f'{text[:40]} is not a box. Write it as "north,east,south,west" in degrees.')
    north, south = _latitude(match[1]), _latitude(match[3])
    if north < south:
        raise BadValue(
            "wrong_range", 'The north edge of the box is below its south edge. Write it as "north,east,south,west".'
        )
    return Bounds(field, north, _longitude(match[2]), south, _longitude(match[4]), span=span)


def _latitude(text: str) -> float:
    return _within(text, 90, "latitude")


def _longitude(text: str) -> float:
    return _within(text, 180, "longitude")


def _within(text: str, limit: int, name: str) -> float:
    value = float(text)
    if not -limit <= value <= limit:
        raise BadValue("wrong_type", f"The {name} {text} must be between -{limit} and {limit}.")
    return value
