"""The cost of a clause for the engine: the number of terms times the fields in which they are looked up.

Lucene counts the terms of the whole rewritten query against one limit; beyond it the engine answers 500.
"""

from __future__ import annotations

from dataclasses import replace

from mappings.analysis import FILENAME, WORDS, query_groups
from mappings.fields import REGISTRY, Field, FieldType
from query.clauses import And, Boosted, Clause, Fuzzy, In, Match, Nested, Not, Or, Phrase, Wildcard, walk
from query.errors import QueryProblem
from query.language.limits import LIMITS, limit_problem

FUZZY_COST = 8  # terms that a fuzzy word may always expand to in each field
_MAX_EXPANSIONS = 50

_BARE_TERMS = len(REGISTRY.bare()) + 4  # of a bare word: each field, the gathered words, its stem in all, title, tags
_CUSTOM_CLAUSES = 3
_COMPOUND = frozenset({And, Or, Not, Boosted, Nested})
_WORDY = frozenset({Match, Phrase, Wildcard, Fuzzy})


def text_cost(field: Field | None, text: str) -> int:
    """Return the number of terms in a word times the fields it is looked up in; a field of None means bare words."""
    if field is None:
        parts = _terms(text, WORDS)
        names = _terms(text, FILENAME)
        return _BARE_TERMS * parts + (names if names > parts else 0)
    if field.type is FieldType.TEXT:
        return 2 * _terms(text, field.analysis)
    return _CUSTOM_CLAUSES + 2 * _terms(text, WORDS) if field.type is FieldType.CUSTOM else 1


def expansions(clause: Clause) -> int:
    """Return how many terms a fuzzy word may expand to in each field: as many as the other words leave room for."""
    parts = walk(clause)
    fuzzy = sum(text_cost(part.field, part.text) for part in parts if isinstance(part, Fuzzy))
    if not fuzzy:
        return _MAX_EXPANSIONS
    others = sum(text_cost(part.field, part.text) for part in parts if isinstance(part, Match))
    others += sum(text_cost(part.field, part.pattern) for part in parts if isinstance(part, Wildcard)) + len(parts)
    return max(FUZZY_COST, min(_MAX_EXPANSIONS, (LIMITS.clause_fields - others) // fuzzy))


def exceeded_limit(clause: Clause, cost: int) -> QueryProblem | None:
    """Return the problem of the limit that a clause exceeds, if any; `cost` is the cost of its words."""
    leaf_count = 0
    for part in walk(clause):
        kind = type(part)
        leaf_count += kind not in _COMPOUND
        cost += kind not in _COMPOUND and kind not in _WORDY
        if isinstance(part, In) and len(part.values) > LIMITS.list_values:
            return limit_problem("list_values", len(part.values), *part.span)
    if leaf_count > LIMITS.clauses:
        return limit_problem("clauses", leaf_count, *clause.span)
    return limit_problem("clause_fields", cost, *clause.span) if cost > LIMITS.clause_fields else None


def truncate(clause: Clause) -> Clause:
    """Return the leading part of a clause that stays within every limit, for lenient mode."""
    return _truncate(clause, [LIMITS.clauses // 4]) or clause


def _truncate(clause: Clause, left: list[int]) -> Clause | None:
    """Return the part of a clause that fits into `left` (a counter, decremented here); None if nothing fits."""
    if isinstance(clause, And | Or):
        items = [kept for item in clause.items if (kept := _truncate(item, left)) is not None]
        return replace(clause, items=tuple(items)) if items else None
    if isinstance(clause, Not | Boosted | Nested):
        item = _truncate(clause.item, left)
        return None if item is None else replace(clause, item=item)
    left[0] -= 1
    if left[0] < 0:
        return None
    return replace(clause, values=clause.values[: LIMITS.list_values]) if isinstance(clause, In) else clause


def _terms(text: str, analysis: str) -> int:
    """Return the number of words in a text, at least one."""
    return max(1, sum(map(len, query_groups(text, analysis))))
