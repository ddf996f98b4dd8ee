"""Query text to a luqum tree, with spans in characters of the text as sent.

The tokens of `query.language.scan` are written out again in a form that luqum's lexer reads as they were meant, with
all other special characters escaped. Only `luqum.thread.parse` is used: `luqum.parser.parser.parse` returns wrong trees
when called from several threads (luqum #72).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from decimal import DecimalException
from threading import Lock

from luqum.exceptions import ParseError
from luqum.thread import parse as luqum_parse
from luqum.tree import Item

from query.errors import QueryError, QueryProblem
from query.language.limits import LIMITS, limit_problem
from query.language.scan import Kind, Token, scan
from query.language.syntax import Report, Structure

_PLAIN = re.compile(r"[\w.*?]+")
_RESERVED = frozenset({"AND", "OR", "NOT", "TO"})
_SPECIAL = re.compile(r"\\(.)|([:'\"/+\-<>=!&|^~(){}\[\]\\])", re.DOTALL)
_IN_PHRASE = re.compile(r'\\(.)|(["\\])', re.DOTALL)
_POSITION = re.compile(r"at position (\d+)")
_CACHE_SIZE = 256
_cache: OrderedDict[str, Parsed] = OrderedDict()  # the oldest first
_cache_lock = Lock()
_GLUED_AFTER = frozenset({Kind.FIELD, Kind.COMPARE, Kind.PLUS, Kind.MINUS, Kind.OPEN})
_GLUED_BEFORE = frozenset({Kind.CLOSE, Kind.APPROX, Kind.BOOST})
_SIGN = {
    Kind.AND: "AND",
    Kind.OR: "OR",
    Kind.NOT: "NOT",
    Kind.PLUS: "+",
    Kind.MINUS: "-",
    Kind.OPEN: "(",
    Kind.CLOSE: ")",
}


@dataclass(frozen=True, slots=True)
class Parsed:
    """A luqum tree (None for a text without words), and the mapping from its positions back to the text."""

    tree: Item | None
    text: str
    tokens: list[Token]
    starts: list[int]

    def span(self, node: Item) -> tuple[int, int]:
        """Return the offset and length of a node in the text as sent."""
        start = node.pos or 0
        first = self.token(start)
        last = self.token(max(start, start + (node.size or 0) - 1))
        return first.start, max(last.end, first.end) - first.start

    def token(self, position: int) -> Token:
        """Return the token at a position of luqum's text."""
        return self.tokens[max(0, bisect_right(self.starts, position) - 1)]


def parse(text: str, report: Report) -> Parsed:
    """Parse a query text.

    `report` is called with every problem found: it either raises QueryError (strict) or records the problem (lenient),
    after which the problem is repaired. `parse` itself raises QueryError only for problems that cannot be repaired.

    Trees of texts without problems are cached: a front end sends the same text repeatedly, for each page, facet and
    refresh, and parsing takes most of the compile time. Callers must not modify a tree.
    """
    cached = _cache.get(text)
    if cached is not None:
        return cached
    clean = True

    def record_problem(problem: QueryProblem) -> None:
        nonlocal clean
        clean = False
        report(problem)

    parsed = _parse(text, record_problem)
    if clean:
        with _cache_lock:
            _cache[text] = parsed
            while len(_cache) > _CACHE_SIZE:
                _cache.popitem(last=False)
    return parsed


def clear_cache() -> None:
    """Drop all cached trees, so that a first compilation can be measured."""
    with _cache_lock:
        _cache.clear()


def _parse(text: str, report: Report) -> Parsed:
    if len(text) > LIMITS.characters:
        report(limit_problem("characters", len(text), LIMITS.characters, len(text) - LIMITS.characters))
        text = text[: LIMITS.characters]
    tokens = Structure(report).check(scan(text), len(text))
    if not tokens:
        return Parsed(None, text, [], [])
    written, starts = _write(tokens)
    try:
        tree = luqum_parse(written)
    except (ParseError, DecimalException, ValueError, ArithmeticError) as error:
        raise _unreadable(error, tokens, starts, text) from error
    return Parsed(tree, text, tokens, starts)


def escape(word: str) -> str:
    """Escape every character of a word that luqum would read as an operator; existing escapes are preserved."""
    if _PLAIN.fullmatch(word) and word not in _RESERVED:
        return word
    escaped = _SPECIAL.sub(_escaped, word)
    return f"\\{word}" if escaped in _RESERVED else escaped


def _escaped(match: re.Match[str]) -> str:
    sign: str = match[1] or match[2]
    return "\\ " if sign.isspace() else f"\\{sign}"


def _write(tokens: list[Token]) -> tuple[str, list[int]]:
    """Return the text for luqum and the position at which each token starts."""
    parts: list[str] = []
    starts: list[int] = []
    at = 0
    glued = True
    for token in tokens:
        kind = token.kind
        if not glued and kind not in _GLUED_BEFORE:
            parts.append(" ")
            at += 1
        starts.append(at)
        written = _written(token)
        parts.append(written)
        at += len(written)
        glued = kind in _GLUED_AFTER
    return "".join(parts), starts


def _written(token: Token) -> str:
    match token.kind:
        case Kind.WORD:
            return escape(token.text)
        case Kind.FIELD:
            return f"{escape(token.text)}:"
        case Kind.PHRASE:
            return _phrase(token.text)
        case Kind.RANGE:
            return f"{token.brackets[0]}{_bound(token.text)} TO {_bound(token.high)}{token.brackets[1]}"
        case Kind.APPROX:
            return f"~{token.text}"
        case Kind.BOOST:
            return f"^{token.text}"
        case Kind.COMPARE:
            return token.text
    return _SIGN[token.kind]


def _phrase(inside: str) -> str:
    """Quote the inside of a phrase: a lone `"` (between typographic quotes) and a trailing backslash are escaped."""
    if '"' not in inside and "\\" not in inside:
        return f'"{inside}"'
    return '"' + _IN_PHRASE.sub(_escaped, inside) + '"'


def _bound(bound: str) -> str:
    return _phrase(bound[1:-1]) if bound.startswith('"') and len(bound) > 1 else escape(bound)


def _unreadable(error: Exception, tokens: list[Token], starts: list[int], text: str) -> QueryError:
    """Turn a luqum exception into a problem with a span; luqum's message would repeat the rest of the text."""
    match = _POSITION.search(str(error))
    if match is None:
        return QueryError(QueryProblem("syntax", "The query ends too early.", max(0, len(text) - 1), min(1, len(text))))
    position = int(match[1])
    token = tokens[max(0, bisect_right(starts, position) - 1)]
    shown = text[token.start : token.end][:40]
    return QueryError(
        QueryProblem(
            "syntax", f"Unexpected {shown} at character {token.start + 1}.", token.start, token.end - token.start
        )
    )
