"""Ratings as files write them, in stars from 0 to 5."""

from __future__ import annotations

from typing import Any

from service.ingest import clean

# Microsoft's percentages and Windows Media Player's bytes, which are not even steps: the first bound above counts.
_PERCENT = ((0, 0), (12, 1), (37, 2), (62, 3), (87, 4), (100, 5))
_BYTES = ((0, 0), (31, 1), (95, 2), (159, 3), (223, 4), (255, 5))


def stars(value: Any) -> int | None:
    """Return a rating in stars; None for anything but 0 to 5: -1 is "rejected" in XMP, which is no rating."""
    found = clean.integer(value)
    return found if found is not None and 0 <= found <= 5 else None


def percent(value: Any) -> int | None:
    """Return a rating of 0 to 100 in stars, as Windows shows it: 1, 25, 50, 75 and 99 are one to five."""
    return _upto(_PERCENT, value)


def popularimeter(value: Any) -> int | None:
    """Return an ID3v2 popularimeter (POPM, 0 to 255) in stars: 1, 64, 128, 196 and 255 are one to five."""
    return _upto(_BYTES, value)


def either(value: Any) -> int | None:
    """Return a rating in stars or, above 5, in percent."""
    found = stars(value)
    return found if found is not None else percent(value)


def _upto(bounds: tuple[tuple[int, int], ...], value: Any) -> int | None:
    found = clean.number(value)
    if found is None or found < 0:
        return None
    return next((count for bound, count in bounds if found <= bound), None)
