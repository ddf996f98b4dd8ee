"""How values are folded before they are compared: the same code for documents and for queries.

Folding in one place, not by the engine's normalizers, makes the two engines agree: the embedded one ignores
normalizers when it aggregates.
"""

from __future__ import annotations

import re
import unicodedata

SORT_LENGTH = 256  # characters of a text that take part in sorting
KEYWORD_LENGTH = 1024  # characters of a keyword that are compared; Lucene refuses terms over 32,766 bytes

# Letters that Unicode does not decompose but readers take for their base, as Lucene's ASCIIFoldingFilter does.
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
_MARKS = re.compile("[\u0300-\u036f]+")
_KEY = re.compile(r"[^\w.-]+")


def fold_keyword(value: str) -> str:
    """Fold a keyword: Unicode NFC and case folding, cut at `KEYWORD_LENGTH` characters. Accents stay."""
    if value.isascii():
        return value.lower()[:KEYWORD_LENGTH]
    # Case folding may leave a string that is no longer NFC; the second pass makes the fold idempotent.
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", value).casefold())
    return unicodedata.normalize("NFC", folded.casefold())[:KEYWORD_LENGTH]


def fold_path(value: str) -> str:
    """Fold a path as a keyword, without empty parts: `/A//b/` is `a/b`."""
    return "/".join(part for part in fold_keyword(value).split("/") if part)


def fold_text(value: str) -> str:
    """Fold a text as the analyzers do: width, accents and case."""
    if value.isascii():
        return value.lower()
    return _MARKS.sub("", unicodedata.normalize("NFKD", value.translate(_LETTERS))).lower()


def fold_sort(value: str) -> str:
    """Fold a text for sorting and for wildcards over the whole of it: `fold_text`, cut at `SORT_LENGTH` characters."""
    return fold_text(value[:SORT_LENGTH])[:SORT_LENGTH]


def fold_key(value: str) -> str:
    r"""Fold a key of an open object to what a query can name: lower case, other signs than `\w . -` as `_`.

    Empty parts between dots are dropped, since the engine refuses them; a key of signs only folds to nothing.
    """
    folded = _KEY.sub("_", fold_keyword(value))
    return ".".join(part for part in folded.split(".") if part)[:KEYWORD_LENGTH]
