"""Whether a text fits a pattern of `*` and `?`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache

from tests.semantics.analysis import Token, groups
from tests.semantics.phrases import stands

_PIECE = re.compile(r"\\(.)|([*?])|([^\\*?]+)", re.DOTALL)
_WILD = {"*": "ꙮ", "?": "ꙩ"}


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


def fits_words(pattern: str, found: Sequence[Token], analysis: str) -> bool:
    """Return whether each word of a pattern fits one of these tokens, and each run without spaces stands in order."""
    wanted = _groups(pattern, analysis)
    return bool(wanted) and all(
        any(_word(group[0]).fullmatch(token.text) for token in found) if len(group) == 1 else stands(group, found, 0)
        for group in wanted
    )


@cache
def _groups(pattern: str, analysis: str) -> tuple[tuple[str, ...], ...]:
    """Return a pattern's words: its wildcards are letters while it is parted, escaped ones are signs between words."""
    plain = "".join(
        _WILD[match[2]] if match[2] else re.sub(r"[*?\\]", " ", match[1] or match[3])
        for match in _PIECE.finditer(pattern)
    )
    return tuple(group for group in groups(plain, analysis) if set("".join(group)) - set(_WILD.values()))


@cache
def _word(part: str) -> re.Pattern[str]:
    return re.compile(re.escape(part).replace(_WILD["*"], ".*").replace(_WILD["?"], "."))
