"""Texts to values: numbers with units, and booleans."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from mappings.fields import Field, FieldType, Unit
from query.errors import BadValue

_NUMBER = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d{1,4})?) ?([a-zµ]*)", re.IGNORECASE | re.ASCII)
_PARTS = re.compile(r"(?:\d+(?:\.\d*)? ?[a-z]+ ?){2,}", re.IGNORECASE | re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d*)?) ?([a-z]+)", re.IGNORECASE | re.ASCII)
_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2}(?:\.\d+)?)", re.ASCII)

# Sizes: kb, mb, gb are powers of 1,000 and kib, mib, gib powers of 1,024, as in IEC 80000-13.
_BYTES = {
    "": 1,
    "b": 1,
    "k": 10**3,
    "kb": 10**3,
    "m": 10**6,
    "mb": 10**6,
    "g": 10**9,
    "gb": 10**9,
    "t": 10**12,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_SECONDS = {
    "": Decimal(1),
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "sec": Decimal(1),
    "m": Decimal(60),
    "min": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
}
UNITS: dict[Unit, dict[str, Decimal]] = {
    Unit.NONE: {"": Decimal(1)},
    Unit.BYTES: {name: Decimal(factor) for name, factor in _BYTES.items()},
    Unit.SECONDS: _SECONDS,
    Unit.PIXELS: {"": Decimal(1), "px": Decimal(1)},
}
_BOOLEANS = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}
_MAX_DIGITS = 40  # a number with more digits fits no type, so it is not computed
_LONG = (-(2**63), 2**63 - 1)
_UNSIGNED_LONG = (0, 2**64 - 1)


def number(field: Field, text: str) -> int | float:
    """Return a number in the unit in which the field is stored. Raises BadValue.

    `5mb`, `1.5gib` and `90min`, `1:30`, `2m 30s` are accepted if the field has such a unit.
    """
    value = _decimal(field, text.strip())
    if field.type is FieldType.FLOAT:
        return float(value)
    if value != value.to_integral_value():
        raise BadValue("wrong_type", f"{field.name} must be a whole number, not {text[:40]}.")
    low, high = _UNSIGNED_LONG if field.unsigned else _LONG
    if not low <= value <= high:
        raise BadValue("wrong_type", f"{text[:40]} is out of range: {field.name} must be between {low} and {high}.")
    return int(value)


def _decimal(field: Field, text: str) -> Decimal:
    if field.unit is Unit.SECONDS:
        clock = _CLOCK.fullmatch(text)
        if clock:
            hours, minutes, seconds = (Decimal(part or 0) for part in clock.groups())
            return hours * 3600 + minutes * 60 + seconds
        if _PARTS.fullmatch(text):
            return sum((_scaled(field, n, unit) for n, unit in _PART.findall(text)), Decimal(0))
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise BadValue("wrong_type", f"{field.name} must be {_kind(field)}, not {text[:40] or 'empty'}.")
    return _scaled(field, match[1], match[2])


def _scaled(field: Field, digits: str, unit: str) -> Decimal:
    factor = UNITS[field.unit].get(unit.lower())
    if factor is None:
        known = ", ".join(name for name in UNITS[field.unit] if name)
        raise BadValue(
            "wrong_type",
            f"Unknown unit {unit[:20]} for {field.name}. "
            + (f"Use {known}." if known else "Use a number without a unit."),
        )
    value = Decimal(digits)
    if value and not -_MAX_DIGITS < value.adjusted() < _MAX_DIGITS:
        raise BadValue("wrong_type", f"{digits[:40]} is out of range for {field.name}.")
    return value * factor


def _kind(field: Field) -> str:
    kind = "a whole number" if field.type is FieldType.INTEGER else "a number"
    return kind if field.unit is Unit.NONE else f"{kind} of {field.unit}"


def boolean(field: Field, text: str) -> bool:
    """Return a boolean. Raises BadValue."""
    value = _BOOLEANS.get(text.strip().lower())
    if value is None:
        raise BadValue(
            "wrong_type",
            f"{field.name} must be true or false, not {text[:40] or 'empty'}.",
            f"{field.name}:true",
        )
    return value


ANY_NUMBER = Field("the value", FieldType.FLOAT, "", "")  # custom fields are typed by their values


def plain_number(text: str) -> float | None:
    """Return the number that a text of undeclared type represents, or None."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None or match[2]:
        return None
    value = float(match[1])
    return value if math.isfinite(value) else None
