"""How a text becomes tokens with positions: the analyzers of `mappings.analysis`, written a second time in Python.

Words are parted by the rules of UAX #29 as far as the library's texts need them: letters, digits and `_` run together,
`'` and `.` join letters (`:` too), `.` and `,` join digits, each ideograph is a token.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

GAP = 100  # positions between two values of one field (Lucene's position_increment_gap as engines set it)

_IDEOGRAPH = "\u3400-\u9fff\u3040-\u309f"
_KANA = "\u30a0-\u30ff"
_LETTER = rf"[^\W\d_{_IDEOGRAPH}{_KANA}]"
_TOKEN = re.compile(
    rf"""
    [{_IDEOGRAPH}] | [{_KANA}]+
  | (?: _ | {_LETTER} | \d
      | (?<={_LETTER})['’.:·](?={_LETTER})
      | (?<=\d)[.,;'](?=\d)
    )+
    """,
    re.VERBOSE,
)
_PICTOGRAPH = re.compile("[\U0001f300-\U0001faff]")
_MARKS = re.compile("[\u0300-\u036f]+")
_SEPARATORS = re.compile(r"[_.+/-]+")
_ATOMIC = str.maketrans({"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "đ": "d", "ł": "l", "þ": "th", "ı": "i", "’": "'"})


class Token(NamedTuple):
    """A folded word and where it stands."""

    text: str
    position: int


def fold(text: str) -> str:
    """Return a token in lower case, full width narrowed, Latin letters without accents; other scripts keep theirs."""
    return "".join(_folded(letter) for letter in text)


@cache
def _folded(letter: str) -> str:
    narrow = unicodedata.normalize("NFKC", letter) if "\uff01" <= letter <= "\uff5e" else letter
    base = unicodedata.normalize("NFD", narrow)
    latin = base[0].isascii()
    return (base[0] if latin else narrow).lower().translate(_ATOMIC)


@cache
def words(text: str) -> tuple[str, ...]:
    """Return the tokens of a text, as the analyzer `words` makes them."""
    plain = _MARKS.sub("", text)
    found = (match[0] for match in _TOKEN.finditer(plain))
    return tuple(fold(token) for token in found if token.strip("_"))


@cache
def file_words(text: str) -> tuple[str, ...]:
    """Return the tokens of a file name: parted at signs, at camel case, and between letters and digits."""
    plain = _SEPARATORS.sub(" ", _MARKS.sub("", text))
    parted = []
    for at, sign in enumerate(plain):
        before = plain[at - 1] if at else " "
        turns = (before.islower() and sign.isupper()) or (before.isalpha() and sign.isdigit())
        if turns or (before.isdigit() and sign.isalpha()):
            parted.append(" ")
        parted.append(sign)
    return words("".join(parted))


ANALYZERS = {"words": words, "filename": file_words}


def tokens(values: Sequence[str], analyzer: str) -> list[Token]:
    """Return the tokens of the values of one field, the next value a gap behind the last."""
    found: list[Token] = []
    start = 0
    for value in values:
        parts = ANALYZERS[analyzer](value)
        found.extend(Token(text, start + at) for at, text in enumerate(parts))
        start += len(parts) + GAP
    return found


def pictographs(text: str) -> bool:
    """Return whether a text holds signs that one engine makes tokens of and the other drops."""
    return _PICTOGRAPH.search(text) is not None
