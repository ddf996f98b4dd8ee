"""The shape of a picture in one word, as search front ends offer it."""

from __future__ import annotations

_SQUARE = 0.03  # a side at most 3 % longer than the other still looks square
_PANORAMA = 2.0  # twice as wide as high, or wider


def aspect(width: float, height: float) -> str:
    """Return ``square``, ``portrait``, ``landscape`` or ``panorama`` for a picture as it is shown."""
    if not width or not height:
        return "square"
    ratio = width / height
    if abs(ratio - 1) <= _SQUARE:
        return "square"
    if ratio < 1:
        return "portrait"
    return "panorama" if ratio >= _PANORAMA else "landscape"
