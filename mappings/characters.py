"""Classes of characters that folding and analysis need, from Python's own Unicode database.

Python's `re` knows no Unicode properties: they are written out as the insides of character classes, once per process.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

_FIRST, _LAST = 0x80, 0x1FFFF  # beyond: ideographs, which are letters, and characters that are never shown

INVISIBLE = (
    "\u00ad\u034f\u061c\u180b-\u180f\u200c-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\U0001f3fb-\U0001f3ff\U000e0000-\U000e0fff"
)
"""What may stand inside a word and means nothing to searches: soft hyphens, joiners, directions, skin tones."""

SPACELESS = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Myanmar
    "\u1780-\u17ff\u19e0-\u19ff"  # Khmer
    "\u1950-\u19df\u1a20-\u1aaf\uaa80-\uaadf"  # Tai scripts
    "\u1b00-\u1b7f\ua980-\ua9df"  # Balinese, Javanese
    "\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff"  # Hangul: spaces part phrases, particles follow the words
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # ideographs
    "\u3040-\u309f\u30a1-\u30fa\u30fc-\u312f\u31a0-\u31bf\u31f0-\u31ff\uff66-\uff9f"  # kana, Bopomofo
    "\ua000-\ua4cf"  # Yi
)
"""Writing that does not put spaces between all words."""

_ACCENTS = frozenset({1, *range(10, 37), *range(202, 241)})
"""Combining classes of what folding takes off: accents above and below, Hebrew and Arabic points.

The vowel signs of Indic and Thai scripts, nuktas and the voicing marks of kana have other classes: they are letters.
"""


@cache
def marks() -> str:
    """Return the class of combining marks, which belong to the letter before them."""
    return _class(code for code, category in _categories() if category in {"Mn", "Mc", "Me"}) + "\uff9e\uff9f"


@cache
def accents() -> str:
    """Return the class of the marks that folding takes off."""
    found = (code for code, category in _categories() if category == "Me" or _is_accent(code))
    return _class(found)


@cache
def signs() -> str:
    """Return the class of the signs that are words by themselves: emoji, ★, €, →."""
    return _class(code for code, category in _categories() if category in {"So", "Sm", "Sc"} and code != ord("\u2044"))


@cache
def digits() -> dict[int, str]:
    """Return the ASCII digit of every other decimal digit, for `str.translate`."""
    return {code: str(unicodedata.decimal(chr(code))) for code, category in _categories() if category == "Nd"}


def _is_accent(code: int) -> bool:
    return unicodedata.combining(chr(code)) in _ACCENTS


@cache
def _categories() -> tuple[tuple[int, str], ...]:
    wanted = {"Mn", "Mc", "Me", "So", "Sm", "Sc", "Nd"}
    found = ((code, unicodedata.category(chr(code))) for code in range(_FIRST, _LAST + 1))
    return tuple((code, category) for code, category in found if category in wanted)


def _class(codes: Iterable[int]) -> str:
    """Return the inside of a character class with these code points, given in ascending order."""
    spans: list[list[int]] = []
    for code in codes:
        if spans and spans[-1][1] == code - 1:
            spans[-1][1] = code
        else:
            spans.append([code, code])
    return "".join(
        re.escape(chr(first)) if first == last else f"{re.escape(chr(first))}-{re.escape(chr(last))}"
        for first, last in spans
    )
