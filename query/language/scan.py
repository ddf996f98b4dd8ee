"""Query text to tokens: the scanner that runs before luqum.

luqum's lexer fails on things that people mean literally: URLs, DOIs, `C++`, `12:30`, apostrophes, typographic quotes.
This scanner decides by context what each character means, so that `query.language.parse` can give luqum a text that it
reads the same way. It is one regular expression and linear in the length of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum, auto


class Kind(IntEnum):
    """The kind of a token."""

    WORD = auto()
    PHRASE = auto()
    RANGE = auto()
    FIELD = auto()
    COMPARE = auto()
    AND = auto()
    OR = auto()
    NOT = auto()
    PLUS = auto()
    MINUS = auto()
    OPEN = auto()
    CLOSE = auto()
    APPROX = auto()
    BOOST = auto()
    BAD = auto()


@dataclass(slots=True)
class Token:
    """A piece of the text from `start` to `end` (characters).

    `text` is its content with escapes preserved: the word, the inside of a phrase, the name of a field, the number of a
    modifier. For a range, `text` is the lower bound, `high` the upper bound, and `brackets` the two brackets; bounds
    keep their quotation marks.
    """

    kind: Kind
    start: int
    end: int
    text: str
    high: str = ""
    brackets: str = ""


_CURLY = "“”„‟«»"
_STOP = rf'\s()\[\]{{}}"{_CURLY}^~'
_BOUND = rf'"(?:[^"\\]|\\.)*"|(?:\\.|[^\s\[\]{{}}"{_CURLY}\\])+'
_TOKEN = re.compile(
    rf"""
    (?P<space>\s+)
  | (?P<phrase>"(?:[^"\\]|\\.)*"|[{_CURLY}](?:[^"{_CURLY}\\]|\\.)*["{_CURLY}])
  | (?P<open>\()
  | (?P<close>\))
  | (?P<range>[\[{{]\s*(?P<low>{_BOUND})\s+TO\s+(?P<high>{_BOUND})\s*[\]}}])
  | (?P<and>&&)
  | (?P<or>\|\|)
  | (?P<boost>\^[^{_STOP}]*)
  | (?P<approx>~[\d.]*(?=[{_STOP}]|\Z))
  | (?P<chunk>(?:\\.|\\\Z|(?!&&|\|\|)[^{_STOP}\\]|~(?![\d.]*(?:[{_STOP}]|\Z)))+)
  | (?P<bad>.)
    """,
    re.VERBOSE | re.DOTALL,
)
# A name is a field only if it is an identifier and is not followed by `//`: `http://…` is a word.
_FIELD = re.compile(r"((?:[^\W\d]|\\.)(?:[\w.\-]|\\.)*|\*):(?!//)", re.DOTALL)
_NAME = re.compile(r"[^\W\d][\w.\-]*|\*")
_COMPARE = re.compile(r"[<>]=?")
_NEGATIVE = re.compile(r"[+-]\.?\d")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_QUESTION = re.compile(r"(\\.)|\?", re.DOTALL)
_WORDS = {"AND": Kind.AND, "OR": Kind.OR, "NOT": Kind.NOT}
_SIGNS = {"+": Kind.PLUS, "-": Kind.MINUS, "!": Kind.NOT}
_SIMPLE = {"open": Kind.OPEN, "close": Kind.CLOSE, "and": Kind.AND, "or": Kind.OR, "bad": Kind.BAD}
_OPENERS = tuple('("' + _CURLY)
_WANTS_VALUE = frozenset({Kind.FIELD, Kind.COMPARE})


def scan(text: str) -> list[Token]:
    """Return the tokens of a query text, in order. Never fails: a character that fits nowhere becomes a BAD token."""
    found: list[Token] = []
    lists: list[bool] = []  # for each open bracket: whether it contains values of one field
    for match in _TOKEN.finditer(text):
        group = match.lastgroup
        start, end = match.span()
        if group == "chunk":
            if lists and lists[-1] and text[start] in "<>" and found[-1].kind is not Kind.COMPARE:
                _value(text, start, end, found)  # width:(>800 AND <2048)
            else:
                _chunk(text, start, end, found)
        elif group == "phrase":
            found.append(Token(Kind.PHRASE, start, end, text[start + 1 : end - 1]))
        elif group in {"boost", "approx"}:
            kind = Kind.BOOST if group == "boost" else Kind.APPROX
            found.append(Token(kind, start, end, text[start + 1 : end]))
        elif group == "range":
            found.append(
                Token(Kind.RANGE, start, end, match["low"], high=match["high"], brackets=text[start] + text[end - 1])
            )
        elif group is not None and group != "space":
            if group == "open":
                lists.append(bool(found) and (found[-1].kind is Kind.FIELD or (bool(lists) and lists[-1])))
            elif group == "close" and lists:
                lists.pop()
            found.append(Token(_SIMPLE[group], start, end, text[start:end]))
    return found


def unescape(text: str) -> str:
    r"""Return the text without escapes: `\x` becomes x, whatever x is."""
    return _ESCAPE.sub(r"\1", text) if "\\" in text else text


def _chunk(text: str, start: int, end: int, found: list[Token]) -> None:
    """Split a run of characters without spaces: prefix operators, a field name, a comparison, a word."""
    last = found[-1] if found else None
    if last is not None and last.kind in _WANTS_VALUE and last.end == start:
        _value(text, start, end, found)
        return
    operator = _WORDS.get(text[start:end])
    if operator is not None:
        found.append(Token(operator, start, end, text[start:end]))
        return
    if last is not None and last.kind is Kind.COMPARE:  # width:> -5
        found.append(Token(Kind.WORD, start, end, text[start:end]))
        return
    if last is not None and last.kind is Kind.FIELD and (text[start] in "<>" or _NEGATIVE.match(text, start, end)):
        _value(text, start, end, found)
        return
    at = _prefix_operators(text, start, end, found)
    if at == end:
        return
    match = _FIELD.match(text, at, end)
    name = unescape(match[1]) if match else ""
    if match is None or not _NAME.fullmatch(name):
        found.append(_word(text, at, end))
        return
    found.append(Token(Kind.FIELD, at, match.end(), name))
    if match.end() < end:
        _value(text, match.end(), end, found)


def _value(text: str, at: int, end: int, found: list[Token]) -> None:
    """Split what directly follows `name:`; its characters are literal unless they compare or negate."""
    compare = _COMPARE.match(text, at, end) if found[-1].kind is not Kind.COMPARE else None
    if compare:
        found.append(Token(Kind.COMPARE, at, compare.end(), compare[0]))
        at = compare.end()
    elif found[-1].kind is Kind.FIELD and not _NEGATIVE.match(text, at, end):
        at = _prefix_operators(text, at, end, found)
    if at < end:
        found.append(_word(text, at, end))


def _word(text: str, start: int, end: int) -> Token:
    """Return the token of a word; the `?` in a URL is not a wildcard."""
    word = text[start:end]
    if "://" in word and "?" in word:
        word = _QUESTION.sub(lambda match: match[1] or r"\?", word)
    return Token(Kind.WORD, start, end, word)


def _prefix_operators(text: str, at: int, end: int, found: list[Token]) -> int:
    """Consume the operators `+ - !` before a word or group; return where they end.

    An operator that stands alone (`rock - paper`) is punctuation and is skipped.
    """
    while at < end and text[at] in _SIGNS:
        if at + 1 == end and not text.startswith(_OPENERS, end):
            return end
        found.append(Token(_SIGNS[text[at]], at, at + 1, text[at]))
        at += 1
    return at
