"""Words with wildcards: which `*` and `?` are wildcards, and the pattern in the forms for engines and people."""

from __future__ import annotations

import re
from collections.abc import Callable

from query.errors import BadValue
from query.language.limits import LIMITS

_PIECE = re.compile(r"\\(.)|([*?])|([^\\*?]+)", re.DOTALL)
_MARK = re.compile(r"[*?\\]")


def has_wildcard(word: str) -> bool:
    """Return whether a word (escapes preserved) contains an unescaped `*` or `?`."""
    if "*" not in word and "?" not in word:
        return False
    return any(match[2] for match in _PIECE.finditer(word))


def canonical(word: str) -> str:
    r"""Return a word (escapes preserved) as a canonical pattern: only `*`, `?` and `\` escaped, runs of `*` merged."""
    parts: list[str] = []
    for match in _PIECE.finditer(word):
        literal = match[1] or match[3]
        if literal is not None:
            parts.append(_MARK.sub(r"\\\g<0>", literal))
        elif match[2] == "?" or not parts or parts[-1] != "*":
            parts.append(match[2])
    return "".join(parts)


def pieces(pattern: str) -> list[tuple[str, bool]]:
    """Return a canonical pattern as (text, wild) pieces; the text of a wild piece is `*` or `?`."""
    found: list[tuple[str, bool]] = []
    for match in _PIECE.finditer(pattern):
        wild = match[2] is not None
        text = match[1] or match[2] or match[3]
        if found and not wild and not found[-1][1]:
            found[-1] = (found[-1][0] + text, False)
        else:
            found.append((text, wild))
    return found


def folded(pattern: str, fold: Callable[[str], str]) -> str:
    """Return a pattern for the engine: its literal pieces are folded and their wildcard characters escaped."""
    return "".join(text if wild else _MARK.sub(r"\\\g<0>", fold(text)) for text, wild in pieces(pattern))


def prefix_of(pattern: str) -> str | None:
    """Return the literal before a single trailing `*`; None for every other pattern."""
    found = pieces(pattern)
    if len(found) == 2 and found[1] == ("*", True) and not found[0][1]:
        return found[0][0]
    return None


def check(pattern: str, *, leading: bool, name: str) -> None:
    """Raise BadValue for a pattern that would make the engine scan all of its terms.

    `leading` says whether the field (called `name` in messages) may start with a wildcard.
    """
    found = pieces(pattern)
    wanted = LIMITS.wildcard_literals
    if leading:
        if sum(len(text) for text, wild in found if not wild) < wanted:
            raise BadValue("wildcard", f"A pattern needs at least {wanted} letters or digits.")
        return
    if found[0][1]:
        raise BadValue(
            "wildcard", f"{name} does not support leading wildcards; only filename does, as in filename:*.jpg."
        )
    if len(found[0][0]) < wanted:
        raise BadValue("wildcard", f"A pattern needs at least {wanted} letters or digits before its first wildcard.")
