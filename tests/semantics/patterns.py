"""Whether a text fits a pattern of `*` and `?`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache

from tests.semantics.analysis import file_words, words

_PIECE = re.compile(r"\\(.)|([*?])|([^\\*?]+)", re.DOTALL)


def fits(pattern: str, text: str, fold: Callable[[str], str]) -> bool:
    """Return whether the whole of a folded text fits a pattern, whose literal pieces are folded too."""
    return _regex(pattern, fold).fullmatch(text) is not None


@cache
def _regex(pattern: str, fold: Callable[[str], str]) -> re.Pattern[str]:
    parts = (
        {"*": ".*", "?": "."}[match[2]] if match[2] else re.escape(fold(match[1] or match[3]))
        for match in _PIECE.finditer(pattern)
    )
    return re.compile("".join(parts), re.DOTALL)


def fits_words(pattern: str, found: Iterable[str], analyzer: str) -> bool:
    """Return whether each word of a pattern fits one of these tokens."""
    wanted = _words(pattern, analyzer)
    found = tuple(found)
    return bool(wanted) and all(any(word.fullmatch(token) for token in found) for word in wanted)


@cache
def _words(pattern: str, analyzer: str) -> tuple[re.Pattern[str], ...]:
    """Return a pattern's words: its wildcards are letters while it is parted, escaped ones are signs between words."""
    plain = "".join(
        _letter(match[2]) if match[2] else re.sub(r"[*?\\]", " ", match[1] or match[3])
        for match in _PIECE.finditer(pattern)
    )
    parts = (file_words if analyzer == "filename" else words)(plain)
    return tuple(re.compile(re.escape(part).replace("ꙮ", ".*").replace("ꙩ", ".")) for part in parts)


def _letter(wild: str) -> str:
    return {"*": "ꙮ", "?": "ꙩ"}[wild]
