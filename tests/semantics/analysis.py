"""How a text becomes tokens with positions: what `mappings.analysis` does, written a second time, sign by sign.

Scripts are told by the names of their characters, not by ranges, and folding goes letter by letter.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import Stemmer

GAP = 100  # positions between two values of one field (Lucene's position_increment_gap as engines set it)
BETWEEN = "|"  # the token between two runs of writing without spaces
APOSTROPHES = "'’‘`´"
ELIDED = {"l", "d", "c", "j", "m", "n", "s", "t", "qu"}

_SPACELESS = re.compile(
    r"CJK (UNIFIED|COMPATIBILITY) IDEOGRAPH|IDEOGRAPHIC (ITERATION|CLOSING|NUMBER)|HIRAGANA|KATAKANA(?!.* MIDDLE DOT)"
    r"|HALFWIDTH KATAKANA LETTER|HANGUL|THAI|LAO|KHMER|MYANMAR"
)
_ATOMIC = str.maketrans({"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "đ": "d", "ł": "l", "þ": "th", "ı": "i", "ς": "σ"})
_STEMMER = Stemmer.Stemmer("english")


class Token(NamedTuple):
    """A folded word and where it stands."""

    text: str
    position: int


class Piece(NamedTuple):
    """A folded word, its span in the text, and whether it is a character of writing without spaces."""

    text: str
    start: int
    end: int
    spaceless: bool


def fold(text: str) -> str:
    """Return a text in lower case, its digits in ASCII, without accents and points; letters keep what makes them."""
    return unicodedata.normalize("NFC", "".join(_folded(letter) for letter in unicodedata.normalize("NFC", text)))


@cache
def _folded(letter: str) -> str:
    base = unicodedata.normalize("NFKD", letter).lower().translate(_ATOMIC)
    kept = [sign for sign in unicodedata.normalize("NFKD", base) if not _taken_off(sign)]
    return "".join(str(unicodedata.decimal(sign, sign)) for sign in kept)


def _taken_off(sign: str) -> bool:
    """Return whether folding takes a sign off: accents above and below, points, signs that are not seen."""
    place = unicodedata.combining(sign)
    seen = unicodedata.category(sign) not in {"Cf", "Me"} and not unicodedata.name(sign, "").startswith("VARIATION SEL")
    return not seen or place == 1 or 10 <= place <= 36 or 202 <= place <= 240


def pieces(text: str, analysis: str = "words") -> list[Piece]:
    """Return the words of a text with their spans in its composed form."""
    found: list[Piece] = []
    text = unicodedata.normalize("NFC", text)
    last = ""  # what the sign before was: a letter, spaceless writing, or neither
    for at, sign in enumerate(text):
        kind = _kind(sign)
        if kind == "mark":
            if last and found:
                found[-1] = found[-1]._replace(text=fold(text[found[-1].start : at + 1]), end=at + 1)
            continue
        joins = kind == "letter" and last == "letter"
        if joins and analysis == "filename":
            before = text[at - 1]
            joins = not (
                (before.islower() and sign.isupper())
                or (before.isalpha() and sign.isnumeric())
                or (before.isnumeric() and sign.isalpha())
            )
        if joins:
            found[-1] = found[-1]._replace(text=fold(text[found[-1].start : at + 1]), end=at + 1)
        elif kind:
            found.append(Piece(fold(sign), at, at + 1, kind == "spaceless"))
        last = kind
    return [piece for piece in found if piece.text]


@cache
def _kind(sign: str) -> str:
    category = unicodedata.category(sign)
    if category in {"Mn", "Mc", "Me", "Cf"} or 0x1F3FB <= ord(sign) <= 0x1F3FF:
        return "mark"
    if sign.isnumeric() and not unicodedata.name(sign, "").startswith("CJK"):
        return "letter"
    if category[0] in "LN":
        return "spaceless" if _SPACELESS.match(unicodedata.name(sign, "")) else "letter"
    return "sign" if category in {"So", "Sm", "Sc"} and not sign.isascii() else ""


@cache
def words(text: str, analysis: str = "words") -> tuple[str, ...]:
    """Return the words of a text in order, with `BETWEEN` between two runs of writing without spaces."""
    found: list[str] = []
    before: Piece | None = None
    for piece in pieces(text, analysis):
        if before is not None and before.spaceless and piece.spaceless and before.end < piece.start:
            found.append(BETWEEN)
        found.append(piece.text)
        before = piece
    return tuple(found)


@cache
def groups(text: str, analysis: str = "words") -> tuple[tuple[str, ...], ...]:
    """Return what a word of a query asks for; the words of a group follow each other."""
    text = unicodedata.normalize("NFC", text)
    found = pieces(text, analysis)
    kept = [piece for at, piece in enumerate(found) if not _affix(text, found, at)] or found
    parted: list[list[Piece]] = []
    for piece in kept:
        before = parted[-1][-1] if parted else None
        if before is not None and (
            (before.spaceless and piece.spaceless and before.end == piece.start)
            or (before.text.isdigit() and piece.text.isdigit() and text[before.end : piece.start] in {".", ",", ":"})
        ):
            parted[-1].append(piece)
        else:
            parted.append([piece])
    return tuple(tuple(piece.text for piece in group) for group in parted)


def _affix(text: str, found: list[Piece], at: int) -> bool:
    """Return whether a word is a possessive ending or an elided article."""
    before = at > 0 and text[found[at - 1].end : found[at].start]
    after = at + 1 < len(found) and text[found[at].end : found[at + 1].start]
    joined_before = bool(before) and str(before) in APOSTROPHES and len(str(before)) == 1
    joined_after = bool(after) and str(after) in APOSTROPHES and len(str(after)) == 1
    return (found[at].text == "s" and joined_before and not joined_after) or (found[at].text in ELIDED and joined_after)


@cache
def stem(word: str) -> str:
    """Return the stem of a word of letters; other words are their own stem."""
    return str(_STEMMER.stemWord(word)) if word.isalpha() else word


def tokens(values: Sequence[str], analysis: str) -> list[Token]:
    """Return the tokens of the values of one field, the next value a gap behind the last."""
    found: list[Token] = []
    start = 0
    for value in values:
        parts = words(value, analysis) or (BETWEEN,)
        found.extend(Token(text, start + at) for at, text in enumerate(parts))
        start += len(parts) + GAP
    return found
