"""luqum's tree to typed clauses: resolves names, types, dates and units by the field registry."""

from __future__ import annotations

import re
from collections.abc import Callable, Set
from typing import Any, TypeAlias

from luqum import tree as luqum

from mappings.fields import REGISTRY, Field, FieldType
from query.clauses import (
    All,
    Boosted,
    Clause,
    Exists,
    Nested,
    Not,
    Nothing,
    Span,
    conjunction,
    disjunction,
)
from query.clauses import Fuzzy as FuzzyClause
from query.clauses import Wildcard as WildcardClause
from query.errors import BadValue, QueryError, QueryProblem
from query.language import field_values
from query.language.cost import FUZZY_COST, exceeded_limit, text_cost, truncate
from query.language.dates import Clock
from query.language.flags import PSEUDO, PseudoField
from query.language.limits import LIMITS, check_limit, limit_problem
from query.language.parse import Parsed
from query.language.patterns import has_wildcard
from query.language.scan import unescape
from query.language.syntax import Report

Scope: TypeAlias = Field | PseudoField | None

_BLANK = All()  # a word of punctuation: it has no meaning beside others, not even inside OR and NOT
_WORDS = re.compile(r"[^\s!-/:-@\[-^`{-~]+")  # what remains of an invalid part
_SUGGESTIONS = 5  # unknown fields for which similar names are looked up, since searching all names is not free


def resolve(parsed: Parsed, roles: Set[str], clock: Clock, report: Report, *, lenient: bool) -> Clause:
    """Return what a parsed text means to a caller with these roles.

    Raises QueryError at the first problem; in lenient mode each problem is reported and its part taken as text.
    """
    if parsed.tree is None:
        return Nothing(span=(0, len(parsed.text))) if parsed.text.strip() else All()
    resolver = _Resolver(parsed, roles, clock, report, lenient)
    clause = resolver.visit(parsed.tree, None)
    if clause is _BLANK:
        return Nothing(span=parsed.span(parsed.tree))
    if resolver.cost + len(parsed.tokens) > LIMITS.clauses:  # anything smaller cannot exceed a limit
        problem = exceeded_limit(clause, resolver.cost)
        if problem is not None:
            report(problem)
            return truncate(clause)
    return clause


class _Resolver:
    """Resolves one tree."""

    def __init__(self, parsed: Parsed, roles: Set[str], clock: Clock, report: Report, lenient: bool) -> None:
        self._parsed = parsed
        self._roles = roles
        self._clock = clock
        self._report = report
        self._lenient = lenient
        self.cost = 0
        self._wildcards = 0
        self._fuzzies = 0
        self._unknown = 0
        self._start: int | None = None  # where the field name before a single value starts

    def visit(self, node: Any, scope: Scope) -> Clause:
        """Return the clause for a node; `scope` is the field whose value the node is."""
        rule = _RULES.get(type(node))
        if rule is None:
            raise self._error(node, "unsupported", f"{type(node).__name__} is not supported.")
        if not self._lenient or type(node) not in _TEXTUAL or _in_object(scope):
            return rule(self, node, scope)
        try:
            return rule(self, node, scope)
        except QueryError as error:
            self._report(error.problem)
            return self._as_text(node)

    def _as_text(self, node: luqum.Item) -> Clause:
        """Return the source of a node as bare words, which is how lenient mode treats an invalid part."""
        offset, length = self._parsed.span(node)
        words = [m for m in _WORDS.finditer(self._parsed.text, offset, offset + length) if not field_values.blank(m[0])]
        try:
            found = [self._bare(m[0][: LIMITS.word_characters], (m.start(), len(m[0]))) for m in words]
            return conjunction(found, (offset, length)) if found else _BLANK
        except QueryError:
            return _BLANK

    def _bare(self, text: str, span: Span) -> Clause:
        self._add_cost(None, text, span)
        return field_values.value(None, text, False, span, self._clock)

    def _error(self, node: luqum.Item, reason: str, message: str, suggestion: str | None = None) -> QueryError:
        return QueryError(QueryProblem(reason, message, *self._parsed.span(node), suggestion))

    def _add_cost(self, field: Field | None, text: str, span: Span, times: int = 1) -> None:
        self.cost += text_cost(field, text) * times
        if self.cost > LIMITS.clause_fields:
            raise QueryError(limit_problem("clause_fields", self.cost, *span))

    # Operators ------------------------------------------------------------------------------------------------------

    def _and(self, node: Any, scope: Scope) -> Clause:
        items = [clause for child in node.operands if (clause := self.visit(child, scope)) is not _BLANK]
        return conjunction(items, _span_of_all(items)) if items else _BLANK

    def _or(self, node: Any, scope: Scope) -> Clause:
        items = [clause for child in node.operands if (clause := self.visit(child, scope)) is not _BLANK]
        return disjunction(items, _span_of_all(items)) if items else _BLANK

    def _not(self, node: Any, scope: Scope) -> Clause:
        clause = self.visit(node.a, scope)
        if clause is _BLANK:
            return _BLANK
        return clause.item if isinstance(clause, Not) else Not(clause, span=self._parsed.span(node))

    def _plus(self, node: Any, scope: Scope) -> Clause:
        return self.visit(node.a, scope)

    def _group(self, node: Any, scope: Scope) -> Clause:
        return self.visit(node.expr, scope)

    def _boost(self, node: Any, scope: Scope) -> Clause:
        clause = self.visit(node.expr, scope)
        if not 0 < node.force <= LIMITS.boost:
            problem = self._error(node, "boost", f"A boost must be greater than 0 and at most {LIMITS.boost}.")
            if not self._lenient:
                raise problem
            self._report(problem.problem)
            return clause
        return clause if isinstance(clause, All) else Boosted(clause, float(node.force), span=self._parsed.span(node))

    # Fields ---------------------------------------------------------------------------------------------------------

    def _field(self, node: Any, scope: Scope) -> Clause:
        name = unescape(node.name)
        target = self._target(node, name, scope)
        if target is None:
            value = node.expr.expr if isinstance(node.expr, luqum.Boost) else node.expr
            if isinstance(value, luqum.Word) and value.value == "*":
                return All(span=self._parsed.span(node))
            raise self._error(node, "unknown_field", "* is not a field name. To match everything, write *:*.", "*:*")
        if type(node.expr) in _VALUES:
            self._start = self._parsed.span(node)[0]
        clause = self.visit(node.expr, target)
        if clause is _BLANK or not isinstance(target, Field):
            return clause
        if target.type is FieldType.NESTED:
            return clause if _is_whole_list(clause, target) else Nested(target, clause, span=self._parsed.span(node))
        if target.nested and not isinstance(scope, Field):
            return Nested(_owner(target), clause, span=self._parsed.span(node))
        return clause

    def _target(self, node: Any, name: str, scope: Scope) -> Scope:
        """Return what a name before a colon refers to; None for the `*` of `*:*`."""
        if isinstance(scope, Field) and scope.type is FieldType.NESTED:
            if name.lower() == scope.name:
                return scope
            for child in scope.children:
                if name.lower() in {child.name, child.name.rpartition(".")[2]}:
                    return child
            leaf_names = [child.name.rpartition(".")[2] for child in scope.children]
            raise self._unknown_field(
                node,
                name,
                REGISTRY.near(name, among=leaf_names),
                f" {scope.name} has the fields {' and '.join(leaf_names)}.",
            )
        if scope is not None:
            raise self._error(
                node,
                "syntax",
                f"{name}: is inside the values of {scope.name}. Close the bracket before it, or escape the colon.",
            )
        if name == "*":
            return None
        target = PSEUDO.get(name.lower()) or REGISTRY.resolve(name, self._roles)
        if target is None:
            self._unknown += 1
            near = REGISTRY.near(name, self._roles) if self._unknown <= _SUGGESTIONS else ()
            raise self._unknown_field(node, name, near, "")
        return target

    def _unknown_field(self, node: Any, name: str, near: tuple[str, ...], more: str) -> QueryError:
        offset, _ = self._parsed.span(node)
        token = self._parsed.token(node.pos or 0)
        message = f"Unknown field {name[:60]}.{more}"
        if near:
            message += f" Did you mean {' or '.join(near)}?"
        message += f" Write {name[:60]}\\: to search for it as text."
        return QueryError(
            QueryProblem("unknown_field", message, offset, token.end - token.start - 1, near[0] if near else None)
        )

    # Values ---------------------------------------------------------------------------------------------------------

    def _leaf(self, node: Any, build: Callable[[Span], Clause]) -> Clause:
        """Return the clause made by `build`; its span includes the field name, the spans of its errors do not."""
        span = self._parsed.span(node)
        start, self._start = self._start, None
        try:
            return build(span if start is None else (start, span[0] + span[1] - start))
        except BadValue as error:
            raise QueryError(error.problem_at(*span)) from error

    def _word(self, node: Any, scope: Scope) -> Clause:
        word: str = node.value
        if isinstance(scope, PseudoField):
            return self._leaf(node, lambda span: scope.build(unescape(word), span, self._roles))
        if has_wildcard(word):
            return self._pattern(node, word, scope)
        text = unescape(word)
        if scope is None and field_values.blank(text):
            return _BLANK
        return self._value(node, text, scope, quoted=False)

    def _phrase(self, node: Any, scope: Scope) -> Clause:
        text = unescape(node.value[1:-1])
        if isinstance(scope, PseudoField):
            return self._leaf(node, lambda span: scope.build(text, span, self._roles))
        if scope is None and field_values.blank(text):
            return _BLANK
        return self._value(node, text, scope, quoted=True)

    def _value(self, node: Any, text: str, scope: Field | None, *, quoted: bool) -> Clause:
        self._add_cost(scope, text if not quoted else "", self._parsed.span(node))
        return self._leaf(node, lambda span: field_values.value(scope, text, quoted, span, self._clock))

    def _pattern(self, node: Any, word: str, scope: Field | None) -> Clause:
        if scope is None and word == "*":
            return All(span=self._parsed.span(node))
        clause = self._leaf(node, lambda span: field_values.wildcard(scope, word, span))
        if isinstance(clause, WildcardClause):
            self._wildcards += 1
            check_limit("wildcards", self._wildcards, *clause.span)
            self._add_cost(clause.field, clause.pattern, clause.span)
        return clause

    def _fuzzy(self, node: Any, scope: Scope) -> Clause:
        word: str = node.term.value
        if isinstance(scope, PseudoField):
            raise self._error(node, "unsupported", f"{scope.name}: does not support fuzzy values.")
        if has_wildcard(word):
            raise self._error(node, "unsupported", "A word with wildcards cannot also be fuzzy.")
        degree = None if node._implicit_degree else node.degree
        text = unescape(word)
        if scope is None and field_values.blank(text):
            return _BLANK
        clause = self._leaf(node, lambda span: field_values.fuzzy(scope, text, degree, span))
        if isinstance(clause, FuzzyClause):
            if clause.edits == 0:
                return self._value(node, text, scope, quoted=False)
            self._fuzzies += 1
            check_limit("fuzzies", self._fuzzies, *clause.span)
            self._add_cost(clause.field, text, clause.span, FUZZY_COST)
        return clause

    def _proximity(self, node: Any, scope: Scope) -> Clause:
        if isinstance(scope, PseudoField):
            raise self._error(node, "unsupported", f"{scope.name}: does not support ~.")
        text = unescape(node.term.value[1:-1])
        if scope is None and field_values.blank(text):
            return _BLANK
        self._add_cost(scope, "", self._parsed.span(node))
        return self._leaf(node, lambda span: field_values.proximity(scope, text, node.degree, span))

    def _range(self, node: Any, scope: Scope) -> Clause:
        return self._interval(node, _bound(node.low), _bound(node.high), (node.include_low, node.include_high), scope)

    def _from(self, node: Any, scope: Scope) -> Clause:
        return self._interval(node, _bound(node.a), None, (node.include, True), scope)

    def _to(self, node: Any, scope: Scope) -> Clause:
        return self._interval(node, None, _bound(node.a), (True, node.include), scope)

    def _interval(
        self, node: Any, low: str | None, high: str | None, include: tuple[bool, bool], scope: Scope
    ) -> Clause:
        if not isinstance(scope, Field):
            raise self._error(node, "unsupported", "Ranges and comparisons need a field.")
        return self._leaf(node, lambda span: field_values.interval(scope, low, high, include, span, self._clock))


def _bound(node: Any) -> str | None:
    if isinstance(node, luqum.Phrase):
        return unescape(node.value[1:-1])
    return None if node.value == "*" else unescape(node.value)


def _span_of_all(items: list[Clause]) -> Span:
    if not items:
        return (0, 0)
    first, last = items[0].span, items[-1].span
    return first[0], last[0] + last[1] - first[0]


def _owner(field: Field) -> Field:
    return REGISTRY.get(field.name.rpartition(".")[0])


def _in_object(scope: Scope) -> bool:
    """Return whether the clause is about an object of a list, where bare words have no field to search."""
    return isinstance(scope, Field) and (scope.type is FieldType.NESTED or bool(scope.nested))


def _is_whole_list(clause: Clause, field: Field) -> bool:
    """Return whether a clause is about the list as a whole (`people:*`) rather than one of its objects."""
    while isinstance(clause, Boosted):
        clause = clause.item
    return isinstance(clause, Exists) and clause.field == field


_RULES: dict[type, Callable[[_Resolver, Any, Scope], Clause]] = {
    luqum.UnknownOperation: _Resolver._and,
    luqum.AndOperation: _Resolver._and,
    luqum.OrOperation: _Resolver._or,
    luqum.Not: _Resolver._not,
    luqum.Prohibit: _Resolver._not,
    luqum.Plus: _Resolver._plus,
    luqum.Group: _Resolver._group,
    luqum.FieldGroup: _Resolver._group,
    luqum.Boost: _Resolver._boost,
    luqum.SearchField: _Resolver._field,
    luqum.Word: _Resolver._word,
    luqum.Phrase: _Resolver._phrase,
    luqum.Fuzzy: _Resolver._fuzzy,
    luqum.Proximity: _Resolver._proximity,
    luqum.Range: _Resolver._range,
    luqum.From: _Resolver._from,
    luqum.To: _Resolver._to,
}
_VALUES = frozenset(
    {
        luqum.Word,
        luqum.Phrase,
        luqum.Fuzzy,
        luqum.Proximity,
        luqum.Range,
        luqum.From,
        luqum.To,
    }
)
_TEXTUAL = _VALUES | {luqum.SearchField}  # what lenient mode can take as text
