"""How a text becomes words: the same code for documents and queries.

The engines only split the result at spaces. Their own tokenizers differ (one drops emoji, neither splits Thai), and the
plugins that do better are in no plain distribution of OpenSearch.

- A word is a run of letters and digits; all other characters separate words, including `_`, `'` and `.`.
- Emoji and signs such as ★ are words; a sequence of emoji is split, without skin tones and variants.
- Writing without spaces is split into characters (with their marks), and a word of several of them is searched as a
  phrase: it is found wherever it stands. Between two runs of such writing stands `BOUNDARY`.
- The analysis `filename` also splits at camel case, and between letters and digits.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import NamedTuple

from mappings.characters import INVISIBLE, SPACELESS, marks, signs
from mappings.folding import fold_text

WORDS = "words"
FILENAME = "filename"
BOUNDARY = "|"
"""The token between two runs of writing without spaces, and the only one of a text without words."""

ANY, ONE = "\ue000", "\ue001"
"""What stands for the wildcards `*` and `?` in a text to analyse: they are letters there."""

MAX_TOKEN = 100
"""Characters of a token; longer ones are split. The engines split at 255, each counting in its own way."""

APOSTROPHES = "'’ʼ‘＇`´"
_ELIDED = frozenset(
    "l d c j m n s t qu jusqu lorsqu puisqu quoiqu un dell all dall nell sull coll quell sant gl".split()
)
"""Articles and pronouns of French and Italian that lose their vowel before another word."""

_ASCII = {
    WORDS: re.compile(rf"[a-z0-9]{{1,{MAX_TOKEN}}}"),
    FILENAME: re.compile(
        rf"[A-Z]{{1,{MAX_TOKEN}}}[a-z]{{0,{MAX_TOKEN}}}|[a-z]{{1,{MAX_TOKEN}}}|[0-9]{{1,{MAX_TOKEN}}}"
    ),
}
_JOINED_NUMBER = re.compile(r"[.,:]")
_ARABIC_NON_JOINER = re.compile("(?<=[\u0600-\u08ff])\u200c(?=[\u0600-\u08ff])")


class Token(NamedTuple):
    """A folded word, where it stands in the text, and whether it is a character of writing without spaces."""

    text: str
    start: int
    end: int
    spaceless: bool = False


def index_text(text: str, analysis: str = WORDS) -> str:
    """Return the words of a text as the engines index them: folded, separated by spaces; `BOUNDARY` if none."""
    if text.isascii():
        found = _ASCII[analysis].findall(text.lower() if analysis == WORDS else text)
        return " ".join(found).lower() if found else BOUNDARY
    parts: list[str] = []
    runs_on = False  # whether the part before ends in writing without spaces
    for chunk in text.split():
        words, begins, ends = _chunk(chunk, analysis)
        if words:
            if runs_on and begins:
                parts.append(BOUNDARY)
            parts.append(words)
            runs_on = ends
    return " ".join(parts) or BOUNDARY


@lru_cache(maxsize=1 << 16)
def _chunk(chunk: str, analysis: str) -> tuple[str, bool, bool]:
    """Return the words of text without spaces, and whether it begins and ends with writing that has none.

    Texts repeat their words: looking them up takes a tenth of the time.
    """
    found = tokens(chunk, analysis)
    return (" ".join(texts(found)), found[0].spaceless, found[-1].spaceless) if found else ("", False, False)


def texts(found: list[Token]) -> list[str]:
    """Return the words of tokens in order, with `BOUNDARY` between runs of writing without spaces."""
    parts: list[str] = []
    before: Token | None = None
    for token in found:
        if before is not None and before.spaceless and token.spaceless and before.end != token.start:
            parts.append(BOUNDARY)
        parts.append(token.text)
        before = token
    return parts


def tokens(text: str, analysis: str = WORDS) -> list[Token]:
    """Return the words of a text; their places are those in its Unicode normal form NFC."""
    text = unicodedata.normalize("NFC", text)
    found: list[Token] = []
    for match in _tokenizer().finditer(_ARABIC_NON_JOINER.sub(" ", text)):
        raw, start, end = match[0], match.start(), match.end()
        kind = match.lastgroup
        if kind == "word" and analysis == FILENAME:
            found.extend(_parts(raw, start))
        elif folded := _folded(raw):
            spaceless = kind == "spaceless"
            if spaceless and found and found[-1].spaceless and _invisible().fullmatch(text, found[-1].end, start):
                found[-1] = found[-1]._replace(end=start)  # a zero-width space, a joiner: the run goes on
            found.append(Token(folded, start, end, spaceless))
    return found


@lru_cache(maxsize=1 << 12)
def query_groups(text: str, analysis: str = WORDS) -> tuple[tuple[str, ...], ...]:
    """Return what a word of a query asks for: groups of words; those of one group follow each other in the text.

    The characters of a run without spaces are a group, and so are numbers joined by a dot, comma or colon. Possessive
    endings and elided articles are left out where something else is left: `Miller's` asks for `miller`.
    """
    normal = unicodedata.normalize("NFC", text)
    found = _essential(tokens(normal, analysis), normal)
    groups: list[list[str]] = []
    before: Token | None = None
    for token in found:
        if before is not None and _adjoins(before, token, normal):
            groups[-1].append(token.text)
        else:
            groups.append([token.text])
        before = token
    return tuple(tuple(group) for group in groups)


def _adjoins(before: Token, token: Token, text: str) -> bool:
    if before.spaceless and token.spaceless:
        return before.end == token.start
    between = text[before.end : token.start]
    return before.text.isdigit() and token.text.isdigit() and _JOINED_NUMBER.fullmatch(between) is not None


def _essential(found: list[Token], text: str) -> list[Token]:
    """Return the tokens without possessive endings and elided articles; all of them if none would be left."""
    kept = [token for at, token in enumerate(found) if not _is_affix(found, at, text)]
    return kept or found


def _is_affix(found: list[Token], at: int, text: str) -> bool:
    token = found[at]
    if token.text == "s" and at and _joined_by_apostrophe(found[at - 1], token, text):
        return at + 1 == len(found) or not _joined_by_apostrophe(token, found[at + 1], text)
    return token.text in _ELIDED and at + 1 < len(found) and _joined_by_apostrophe(token, found[at + 1], text)


def _joined_by_apostrophe(first: Token, second: Token, text: str) -> bool:
    between = text[first.end : second.start]
    return len(between) == 1 and between in APOSTROPHES


def _parts(raw: str, start: int) -> Iterator[Token]:
    """Yield the parts of a word of a file name: at camel case, and between letters and digits."""
    begin = 0
    for at in range(1, len(raw) + 1):
        if at < len(raw) and not _turns(raw[at - 1], raw[at]):
            continue
        folded = _folded(raw[begin:at])
        if folded:
            yield Token(folded, start + begin, start + at)
        begin = at


def _turns(before: str, after: str) -> bool:
    if before.isalpha() and after.isalpha():
        return before.islower() and after.isupper()
    return (before.isalpha() and after.isnumeric()) or (before.isnumeric() and after.isalpha())


@lru_cache(maxsize=1 << 15)
def _folded(raw: str) -> str:
    return "".join(fold_text(raw).split())


@cache
def _invisible() -> re.Pattern[str]:
    return re.compile(f"[{INVISIBLE}\u200b]+")


@cache
def _tokenizer() -> re.Pattern[str]:
    """Return the pattern of one token: its groups say what it is."""
    tail = f"[{marks()}{INVISIBLE}]"
    letter = rf"(?:(?![{SPACELESS}{APOSTROPHES}])[^\W_]|(?=\d)[{SPACELESS}]|[{ANY}{ONE}])"
    return re.compile(
        rf"""
        (?P<spaceless> (?!\d)(?=[^\W_])[{SPACELESS}]{tail}* )
      | (?P<word> (?:{letter}{tail}*){{1,{MAX_TOKEN}}} )
      | (?P<flag> [\U0001f1e6-\U0001f1ff]{{2}} )
      | (?P<sign> [{signs()}]{tail}* )
        """,
        re.VERBOSE,
    )
