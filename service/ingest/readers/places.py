"""Where something was captured: points in degrees (WGS 84), as files write them."""

from __future__ import annotations

import re

# ISO 6709 annex H: ±DD.DDDD±DDD.DDDD±AAA.AAA/, with degrees, degrees and minutes, or degrees, minutes and seconds
_ISO_6709 = re.compile(r"\s*([+-]\d{2,6}(?:\.\d+)?)([+-]\d{3,7}(?:\.\d+)?)([+-]\d+(?:\.\d+)?)?")


def point(lat: float | None, lon: float | None, *, is_measured: bool) -> dict[str, float] | None:
    """Return {lat, lon} in degrees; None if either is missing or out of range.

    Devices without a fix write 0, 0: that is no place unless something else shows that it was measured.
    """
    if lat is None or lon is None or not (abs(lat) <= 90 and abs(lon) <= 180):
        return None
    if lat == 0 and lon == 0 and not is_measured:
        return None
    return {"lat": round(lat, 7), "lon": round(lon, 7)}


def iso_6709(text: str) -> tuple[dict[str, float] | None, float | None]:
    """Return the point and the altitude (metres) of an ISO 6709 text, as in QuickTime; None for what it has not."""
    found = _ISO_6709.match(text)
    if found is None:
        return None, None
    metres = float(found[3]) if found[3] else None
    place = point(_sexagesimal(found[1], 2), _sexagesimal(found[2], 3), is_measured=bool(metres))
    return place, altitude(metres, False) if place else None


def altitude(metres: float | None, is_below: bool) -> float | None:
    """Return the metres above sea level, rounded to centimetres."""
    return None if metres is None else round(float(-abs(metres) if is_below else metres), 2)


def _sexagesimal(text: str, width: int) -> float:
    """Return degrees from DD.D, DDMM.M or DDMMSS.S; ``width`` is that of whole degrees."""
    sign, digits = (-1 if text[0] == "-" else 1), text[1:]
    whole, _, fraction = digits.partition(".")
    rest = whole[width:]
    if len(rest) < 2:
        return sign * float(digits)
    last = float(f"{rest[-2:]}.{fraction or 0}")
    minutes, seconds = (last, 0.0) if len(rest) < 4 else (float(rest[:2]), last)
    return sign * (float(whole[:width]) + minutes / 60 + seconds / 3600)
