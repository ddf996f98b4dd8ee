"""What a clause costs the engine: terms times the fields that they are looked up in.

Lucene counts the terms of the whole rewritten query against one limit, and answers 500 past it.
"""

from __future__ import annotations

import re
from dataclasses import replace

from mappings.fields import REGISTRY, Field, FieldType
from query.clauses import And, Boosted, Clause, Fuzzy, In, Match, Nested, Not, Or, Phrase, Wildcard, walk
from query.errors import QueryProblem
from query.language.limits import LIMITS, over

FUZZY_WEIGHT = 8  # terms that a fuzzy word may always become in each field
_FUZZY_MOST = 50

# The standard tokenizer makes one token of each ideograph and kana, and of each run of other letters and digits.
_WIDE = re.compile("[\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_WORDS = re.compile(r"\w+|[^\w\s]")
_PARTS = re.compile(r"[A-Z]*[a-z]+|[A-Z]+|\d+|\w|[^\w\s]")  # the file name's analyzer also parts letters from digits

_BARE = REGISTRY.bare()
_BARE_WORDS = sum(field.analyzer == "words" for field in _BARE) + 1  # and the gathered words
_BARE_NAMES = sum(field.analyzer == "filename" for field in _BARE)
_CUSTOM_CLAUSES = 3
_COMPOUND = frozenset({And, Or, Not, Boosted, Nested})
_WORDY = frozenset({Match, Phrase, Wildcard, Fuzzy})


def of_text(field: Field | None, text: str) -> int:
    """Return the number of terms that a word becomes, times its fields; None stands for bare words."""
    if field is None:
        return _BARE_WORDS * _terms(_WORDS, text) + _BARE_NAMES * _terms(_PARTS, text)
    if field.type is FieldType.TEXT:
        return _terms(_PARTS if field.analyzer == "filename" else _WORDS, text)
    return _CUSTOM_CLAUSES + _terms(_WORDS, text) if field.type is FieldType.CUSTOM else 1


def expansions(clause: Clause) -> int:
    """Return how many terms a fuzzy word may become in each field: as many as the other words leave room for."""
    parts = walk(clause)
    fuzzy = sum(of_text(part.field, part.text) for part in parts if isinstance(part, Fuzzy))
    if not fuzzy:
        return _FUZZY_MOST
    others = sum(of_text(part.field, part.text) for part in parts if isinstance(part, Match))
    others += sum(of_text(part.field, part.pattern) for part in parts if isinstance(part, Wildcard)) + len(parts)
    return max(FUZZY_WEIGHT, min(_FUZZY_MOST, (LIMITS.clause_fields - others) // fuzzy))


def excess(clause: Clause, weight: int) -> QueryProblem | None:
    """Return the limit that a clause passes, if any; `weight` is that of its words."""
    leaf_count = 0
    for part in walk(clause):
        kind = type(part)
        leaf_count += kind not in _COMPOUND
        weight += kind not in _COMPOUND and kind not in _WORDY
        if isinstance(part, In) and len(part.values) > LIMITS.list_values:
            return over("list_values", len(part.values), *part.span)
    if leaf_count > LIMITS.clauses:
        return over("clauses", leaf_count, *clause.span)
    return over("clause_fields", weight, *clause.span) if weight > LIMITS.clause_fields else None


def cut(clause: Clause) -> Clause:
    """Return a clause of what comes first in it, few enough for every limit: for lenient mode."""
    return _cut(clause, [LIMITS.clauses // 4]) or clause


def _cut(clause: Clause, left: list[int]) -> Clause | None:
    """Return the part of a clause that takes what is `left` (a count, lowered here); None when nothing is."""
    if isinstance(clause, And | Or):
        items = [kept for item in clause.items if (kept := _cut(item, left)) is not None]
        return replace(clause, items=tuple(items)) if items else None
    if isinstance(clause, Not | Boosted | Nested):
        item = _cut(clause.item, left)
        return None if item is None else replace(clause, item=item)
    left[0] -= 1
    if left[0] < 0:
        return None
    return replace(clause, values=clause.values[: LIMITS.list_values]) if isinstance(clause, In) else clause


def _terms(pattern: re.Pattern[str], text: str) -> int:
    """Return an upper bound of the tokens of a text, at least one."""
    if text.isalpha() and text.isascii() and (text.islower() or pattern is _WORDS):
        return 1
    wide = 0 if text.isascii() else len(_WIDE.findall(text))
    return max(1, wide + len(pattern.findall(text)))
