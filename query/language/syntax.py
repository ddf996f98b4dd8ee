"""Checks that tokens form a query: paired brackets, operators with operands, modifiers on words, within the limits.

In strict mode the first problem raises; in lenient mode each is reported and repaired, so that the rest parses.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from query.errors import QueryProblem
from query.language.limits import LIMITS, limit_problem
from query.language.scan import Kind, Token, unescape

Report = Callable[[QueryProblem], None]

_OPERANDS = frozenset({Kind.WORD, Kind.PHRASE, Kind.RANGE})
_ENDS = _OPERANDS | {Kind.CLOSE, Kind.APPROX, Kind.BOOST}
_PREFIXES = frozenset({Kind.NOT, Kind.PLUS, Kind.MINUS})
_NESTING = _PREFIXES | {Kind.FIELD, Kind.COMPARE}
_NUMBER = re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII)
_WHOLE = re.compile(r"\d{0,9}", re.ASCII)
_REGEX = re.compile(r"/(?:[^/\\]|\\.)+/")
_BAD = {
    '"': 'Unclosed quotation mark. Close it, or write \\" for a literal quotation mark.',
    "[": "Invalid range. Write [low TO high] with TO in capitals, or \\[ for a literal bracket.",
    "{": "Invalid range. Write {low TO high} with TO in capitals, or \\{ for a literal brace.",
    "]": "Unmatched closing bracket. Write \\] for a literal bracket.",
    "}": "Unmatched closing brace. Write \\} for a literal brace.",
}


class Structure:
    """Checks the tokens of one text in one pass."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._kept: list[Token] = []
        self._open: list[
            tuple[Token | None, int]
        ] = []  # open brackets and the levels they add; None for a dropped bracket
        self._lists: list[bool] = []  # whether the bracket contains a list of values for one field
        self._depth = 0  # levels of the open brackets and of the negations before them
        self._unary = 0  # negations since the last operand
        self._clauses = 0
        self._values = 0

    def check(self, tokens: list[Token], end: int) -> list[Token]:
        """Return the tokens that form a query, with problems repaired; `end` is the length of the text."""
        for token in tokens:
            if self._clauses > LIMITS.clauses or self._values > LIMITS.list_values + LIMITS.clauses:
                break
            _RULES[token.kind](self, token)
            if token.kind not in _NESTING:
                self._unary = 0
        self._finish(end)
        return self._kept

    def _fault(self, token: Token, message: str, reason: str = "syntax", suggestion: str | None = None) -> None:
        self._report(QueryProblem(reason, message, token.start, token.end - token.start, suggestion))

    @property
    def _last(self) -> Token | None:
        return self._kept[-1] if self._kept else None

    def _after(self, kinds: frozenset[Kind]) -> bool:
        return bool(self._kept) and self._kept[-1].kind in kinds

    def _operand(self, token: Token) -> None:
        if token.end - token.start > LIMITS.word_characters and token.kind is Kind.WORD:
            self._report(
                limit_problem("word_characters", token.end - token.start, token.start, token.end - token.start)
            )
            token.text = _truncate(token.text, LIMITS.word_characters)
        if token.kind is Kind.WORD and _REGEX.fullmatch(token.text):
            self._fault(
                token,
                "Regular expressions are not supported. Put the value in quotation marks to search for it literally.",
                "unsupported",
                f'"{token.text}"',
            )
        if (
            token.kind is Kind.RANGE
            and not self._after(frozenset({Kind.FIELD}))
            and not (self._lists and self._lists[-1])
        ):
            self._fault(token, "A range needs a field before it, such as width:[800 TO 2048].")
            token.kind, token.text = Kind.PHRASE, f"{token.text.strip(chr(34))} {token.high.strip(chr(34))}"
        self._count(token)
        self._kept.append(token)

    def _count(self, token: Token) -> None:
        if self._lists and self._lists[-1] and not self._after(frozenset({Kind.FIELD})):
            self._values += 1
            if self._values == LIMITS.list_values + LIMITS.clauses + 1:
                self._report(limit_problem("list_values", self._values, token.start, token.end - token.start))
            return
        self._clauses += 1
        if self._clauses == LIMITS.clauses + 1:
            self._report(limit_problem("clauses", self._clauses, token.start, token.end - token.start))

    def _binary(self, token: Token) -> None:
        if not self._after(_ENDS):
            self._fault(
                token, f'{token.text} needs a term before it. Write "{token.text}" in quotation marks for the word.'
            )
            return
        self._kept.append(token)

    def _prefix(self, token: Token) -> None:
        self._unary += 1
        if self._too_deep(token, self._depth + self._unary):
            return
        if self._after(frozenset({Kind.COMPARE})):
            self._trim()
        self._kept.append(token)

    def _field(self, token: Token) -> None:
        if self._after(frozenset({Kind.FIELD, Kind.COMPARE})):
            self._trim()
        self._kept.append(token)

    def _compare(self, token: Token) -> None:
        self._kept.append(token)

    def _opening(self, token: Token) -> None:
        if self._after(frozenset({Kind.COMPARE})):
            self._fault(token, "A comparison takes one value, not a group. Write (a:>1 OR a:>2).")
            self._kept.pop()
        level = self._unary + 1
        if self._too_deep(token, self._depth + level):
            self._open.append((None, 0))
        else:
            self._open.append((token, level))
            self._depth += level
        self._lists.append(self._after(frozenset({Kind.FIELD})) or (bool(self._lists) and self._lists[-1]))
        if self._open[-1][0] is not None:
            self._kept.append(token)

    def _too_deep(self, token: Token, level: int) -> bool:
        if level == LIMITS.depth + 1:
            self._report(limit_problem("depth", level, token.start, token.end - token.start))
        return level > LIMITS.depth

    def _closing(self, token: Token) -> None:
        if not self._open:
            self._fault(token, "Unmatched closing bracket. Write \\) for a literal bracket.")
            return
        opened, level = self._open.pop()
        self._depth -= level
        self._lists.pop()
        if not self._after(_ENDS):
            if self._last is opened and opened is not None:
                self._report(QueryProblem("syntax", "The brackets are empty.", opened.start, token.end - opened.start))
                self._kept.pop()
                return
            self._trim()
        if opened is None:
            return
        if self._last is opened:
            self._kept.pop()
        else:
            self._kept.append(token)

    def _modifier(self, token: Token) -> None:
        last = self._last
        sign, reason = ("~", "fuzzy") if token.kind is Kind.APPROX else ("^", "boost")
        wanted = frozenset({Kind.WORD, Kind.PHRASE}) if token.kind is Kind.APPROX else _ENDS - {Kind.BOOST}
        if last is None or last.kind not in wanted or last.end != token.start:
            where = "a word or a phrase" if token.kind is Kind.APPROX else "a word, a phrase or a group"
            self._fault(token, f"{sign} must directly follow {where}. Write \\{sign} for a literal {sign}.")
        elif token.kind is Kind.APPROX and len(self._kept) > 1 and self._kept[-2].kind is Kind.COMPARE:
            self._fault(token, "A comparison cannot be fuzzy.", "unsupported")
        elif token.kind is Kind.APPROX and last.kind is Kind.PHRASE and not _WHOLE.fullmatch(token.text):
            self._fault(token, "~ after a phrase needs a whole number of positions.", "fuzzy")
        elif (token.text or token.kind is Kind.BOOST) and not _NUMBER.fullmatch(token.text):
            self._fault(token, f"{sign} needs a number, such as {last.text[:20]}{sign}2.", reason)
        else:
            self._kept.append(token)

    def _bad(self, token: Token) -> None:
        message = _BAD.get(token.text, _BAD['"'])
        self._fault(token, message)

    def _trim(self) -> None:
        """Drop trailing operators without an operand; a field without a value becomes a word."""
        while self._kept and self._kept[-1].kind not in _ENDS and self._kept[-1].kind is not Kind.OPEN:
            last = self._kept.pop()
            if last.kind is Kind.FIELD:
                self._fault(
                    last,
                    f"The field {last.text} needs a value. Write {last.text}:* to find assets that have one, or "
                    f"{last.text}\\: for the text itself.",
                    suggestion=f"{last.text}:*",
                )
                word = last.text if last.text != "*" else ""
                if unescape(word):
                    self._kept.append(Token(Kind.WORD, last.start, last.end, word))
                    return
            else:
                self._fault(last, f"{last.text} needs a term after it.")

    def _finish(self, end: int) -> None:
        self._trim()
        while self._open:
            opened, _ = self._open.pop()
            if opened is None:
                continue
            self._fault(opened, "Unclosed bracket. Add ), or write \\( for a literal bracket.")
            if self._last is opened:
                self._kept.pop()
                self._trim()
            else:
                self._kept.append(Token(Kind.CLOSE, end, end, ")"))


def _truncate(text: str, length: int) -> str:
    truncated = text[:length]
    return truncated[:-1] if (len(truncated) - len(truncated.rstrip("\\"))) % 2 else truncated


_RULES: dict[Kind, Callable[[Structure, Token], None]] = {
    Kind.WORD: Structure._operand,
    Kind.PHRASE: Structure._operand,
    Kind.RANGE: Structure._operand,
    Kind.FIELD: Structure._field,
    Kind.COMPARE: Structure._compare,
    Kind.AND: Structure._binary,
    Kind.OR: Structure._binary,
    Kind.NOT: Structure._prefix,
    Kind.PLUS: Structure._prefix,
    Kind.MINUS: Structure._prefix,
    Kind.OPEN: Structure._opening,
    Kind.CLOSE: Structure._closing,
    Kind.APPROX: Structure._modifier,
    Kind.BOOST: Structure._modifier,
    Kind.BAD: Structure._bad,
}
