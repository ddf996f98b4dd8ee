"""Cleans values read from files for JSON, the store and the index."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from numbers import Rational
from typing import Any

from service.ingest.limits import IngestLimits

# Control characters except tab and line feed, lone surrogates, and the two noncharacters that break UTF-16 tools.
_INVALID = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_MAX_DEPTH = 6
_MAX_INT = 2**53


def text(value: object, limit: int) -> str | None:
    """Return the value as a trimmed string of at most ``limit`` characters; None if it is empty."""
    if isinstance(value, bytes):
        value = decode(value)
    if not isinstance(value, str):
        return None
    fit = _INVALID.sub("", value.replace("\r\n", "\n").replace("\r", "\n")).strip()
    return fit[:limit].rstrip() or None


def decode(raw: bytes) -> str:
    """Decode bytes of undeclared encoding: as UTF-8 if valid, otherwise as Windows-1252 or, if not that, Latin-1.

    Latin-1 never fails.
    """
    for codec in ("utf-8", "cp1252"):
        try:
            return raw.decode(codec)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def is_utf8(raw: bytes) -> bool:
    """Return whether bytes are valid UTF-8."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def words(values: Iterable[object], limits: IngestLimits) -> tuple[str, ...]:
    """Return keywords or names: trimmed, non-empty and unique, in the file's order."""
    found: dict[str, None] = {}
    for value in values:
        word = text(value, limits.tag_chars)
        if word:
            found.setdefault(" ".join(word.split()))
        if len(found) >= limits.tags:
            break
    return tuple(found)


def number(value: object) -> float | int | None:
    """Return a finite number, whole ones as int; None for anything else, including rationals with denominator 0."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        real = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    if not math.isfinite(real):
        return None
    return int(real) if real == int(real) and abs(real) < _MAX_INT else real


def integer(value: object) -> int | None:
    """Return an integer (floats are rounded), or None."""
    found = number(value)
    return None if found is None else round(found)


def json_value(value: object, limits: IngestLimits, depth: int = 0) -> Any:
    """Return a JSON value for anything a metadata library returns, None if it has no JSON form.

    Bytes become text if printable; otherwise they are dropped: a maker note is of no use in a search.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) < _MAX_INT else str(value)
    if isinstance(value, str):
        return text(value, limits.value_chars)
    if isinstance(value, bytes):
        return _printable(value, limits)
    if isinstance(value, (float, Fraction, Rational)):
        return _rounded(value)
    if depth >= _MAX_DEPTH:
        return None
    if isinstance(value, Mapping):
        return json_object(value, limits, depth + 1)
    if isinstance(value, Sequence):
        items = [json_value(item, limits, depth + 1) for item in value[: limits.values]]
        return [item for item in items if item is not None] or None
    return _rounded(value)


def json_object(values: Mapping[Any, object], limits: IngestLimits, depth: int = 0) -> dict[str, Any]:
    """Return the mapping with text keys and non-empty JSON values; a dot in a key becomes an underscore.

    The index would read a dot in a name as a path.
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = text(str(key), 120)
        fit = json_value(value, limits, depth)
        if name and fit is not None and fit != {}:
            found[name.replace(".", "_")] = fit
        if len(found) >= limits.values:
            break
    return found


def _rounded(value: object) -> float | int | None:
    found = number(value)
    return round(found, 9) if isinstance(found, float) else found


def _printable(raw: bytes, limits: IngestLimits) -> str | None:
    body = raw.rstrip(b"\x00 ")
    if not body or len(body) > limits.value_chars:
        return None
    found = text(body, limits.value_chars)
    return found if found and found.isprintable() and len(found) == len(decode(body).strip()) else None
