"""What the embedded engine (osmem 0.1.6) is known to answer differently from OpenSearch 3.7, each with its cause."""

from __future__ import annotations

_DOUBLES = "it compares unsigned whole numbers as doubles, which are exact up to 2^53"
_EARTH = "it reckons with the Earth's diameter at the latitude, OpenSearch with the mean one: up to 0.4 % apart"

DIFFERENCES: dict[str, str] = {
    "seed:>9007199254740992": _DOUBLES,
    "seed:[0 TO 9007199254740992]": _DOUBLES,
    'near:"-25.5,-124 3000mi"': _EARTH,
}
"""Query text → cause."""
