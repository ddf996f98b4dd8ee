"""How values are folded before comparison: the same code for documents and queries.

Folding here rather than in the engine's normalizers makes both engines agree: the embedded one ignores normalizers in
aggregations.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from mappings.characters import INVISIBLE, accents, digits

SORT_LENGTH = 256  # characters of a text that are used for sorting
KEYWORD_LENGTH = 1024  # characters of a keyword that are compared; Lucene rejects terms over 32,766 bytes

# Letters that Unicode does not decompose but readers treat as their base letter, as Lucene's ASCIIFoldingFilter does.
_LETTERS = str.maketrans(
    {
        "ß": "ss",
        "ẞ": "ss",
        "æ": "ae",
        "Æ": "ae",
        "œ": "oe",
        "Œ": "oe",
        "ø": "o",
        "Ø": "o",
        "đ": "d",
        "Đ": "d",
        "ð": "d",
        "Ð": "d",
        "þ": "th",
        "Þ": "th",
        "ł": "l",
        "Ł": "l",
        "ħ": "h",
        "Ħ": "h",
        "ı": "i",
        "ŧ": "t",
        "Ŧ": "t",
        "’": "'",
        "‘": "'",
    }
)
_FOLDED_APART = {
    "\u0640": "",  # tatweel, which only stretches a word
    "ٱ": "ا",
    "ة": "ه",
    "ى": "ي",
    "ی": "ي",
    "ک": "ك",
    "ہ": "ه",
}  # spellings of Arabic letters that Lucene's ArabicNormalizer and PersianNormalizer unite
_LETTERS |= str.maketrans(_FOLDED_APART)
_KEY = re.compile(r"[^\w.-]+")


def fold_keyword(value: str) -> str:
    """Fold a keyword: Unicode NFC and case folding, truncated to `KEYWORD_LENGTH` characters. Accents are kept."""
    if value.isascii():
        return value.lower()[:KEYWORD_LENGTH]
    # Case folding may produce a string that is not NFC; the second pass makes the fold idempotent.
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", value).casefold())
    return unicodedata.normalize("NFC", folded.casefold())[:KEYWORD_LENGTH]


def fold_path(value: str) -> str:
    """Fold a path as a keyword, without empty parts: `/A//b/` becomes `a/b`."""
    return "/".join(part for part in fold_keyword(value).split("/") if part)


def fold_text(value: str) -> str:
    """Fold a text as words are folded, in every script: case, width, accents and points, digits, invisible characters.

    What is a letter of its own stays: vowel signs of Indic and Thai scripts, voiced kana.
    """
    if value.isascii():
        return value.lower()
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", value.translate(_LETTERS)).casefold())
    return unicodedata.normalize("NFC", _dropped().sub("", folded).translate(digits()).translate(_LETTERS))


@cache
def _dropped() -> re.Pattern[str]:
    """Return the pattern of what folding takes off."""
    return re.compile(f"[{accents()}{INVISIBLE}\u200b]+")


def fold_sort(value: str) -> str:
    """Fold a text for sorting and for whole-value wildcards: `fold_text`, truncated to `SORT_LENGTH` characters."""
    return fold_text(value[:SORT_LENGTH])[:SORT_LENGTH]


def fold_key(value: str) -> str:
    r"""Fold a key of an open object to a name that queries can use: lower case, characters other than `\w . -` as `_`.

    Empty parts between dots are dropped, since the engine rejects them; a key without usable characters becomes empty.
    """
    folded = _KEY.sub("_", fold_keyword(value))
    return ".".join(part for part in folded.split(".") if part)[:KEYWORD_LENGTH]
