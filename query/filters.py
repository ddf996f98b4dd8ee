"""Structured filters: a JSON object to typed clauses, validated like the values in a query text.

{field: scalar}, {field: [any, of, these]}, {field: {"gte": …, "gt": …, "lte": …, "lt": …}}, {field: {"not": …}},
{field: {"exists": true}}, {field: {"all": [every, one]}}. `sort_by` and `sort_order` are read by `query.compile`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from mappings.fields import REGISTRY, FacetKind, Field, FieldType
from query.clauses import Clause, Exists, Nested, Not, Term, conjunction, disjunction
from query.errors import BadValue, QueryError, QueryProblem
from query.facets.plan import FacetPlan
from query.facets.request import MISSING
from query.language import field_values
from query.language.cost import text_cost
from query.language.dates import Clock, zone_of
from query.language.flags import PSEUDO, PseudoField
from query.language.limits import LIMITS

SORT_KEYS = frozenset({"sort_by", "sort_order"})
_BOUNDS = ("gte", "gt", "lte", "lt")
_NOWHERE = (0, 0)


@dataclass(frozen=True, slots=True)
class Selection:
    """One filter: the field it applies to (None for flags such as is_favorite) and its clause."""

    field: Field | None
    clause: Clause


def selections(
    filters: Mapping[str, Any], roles: Set[str], clock: Clock, facets: Sequence[FacetPlan] = ()
) -> list[Selection]:
    """Return the filters as clauses; raise QueryError(field="filters") that names the invalid key.

    The labels of the ranges of `facets` are values of their fields, and dates counted by the calendar of a zone are
    those of that zone.
    """
    if not isinstance(filters, Mapping):
        raise QueryError(
            QueryProblem("wrong_type", 'filters must be a JSON object, such as {"type": "image"}.'), field="filters"
        )
    found: list[Selection] = []
    terms = 0
    for key, value in filters.items():
        if key in SORT_KEYS:
            continue
        try:
            one = _Filter(str(key), roles, clock, facets)
            found.append(one.selection(value))
            terms += one.cost
            if terms > LIMITS.filter_terms:
                raise BadValue(
                    "limit",
                    f"The filters contain {terms} words and values; at most {LIMITS.filter_terms} are "
                    "allowed (filter_terms).",
                )
        except BadValue as error:
            raise QueryError(error.problem_at(*_NOWHERE), field="filters", key=str(key)) from error
    return found


class _Filter:
    """One key of the filters object."""

    def __init__(self, key: str, roles: Set[str], clock: Clock, facets: Sequence[FacetPlan] = ()) -> None:
        self._key = key
        self._roles = roles
        self._clock = clock
        self._depth = 0  # of nested "not"
        self.cost = 1  # terms that the engine counts
        self._target: Field | PseudoField = self._resolve(key)
        counted = [plan for plan in facets if plan.field == self._target]
        self._labels = {one.key: one.clause for plan in counted for one in plan.ranges if one.clause is not None}
        zone = next((plan.zone for plan in counted if plan.interval), None)
        if zone is not None:
            self._clock = replace(clock, zone=zone_of(zone))

    def _resolve(self, key: str) -> Field | PseudoField:
        target = PSEUDO.get(key.lower()) or REGISTRY.resolve(key, self._roles)
        if target is None:
            near = REGISTRY.near(key, self._roles)
            message = f"Unknown filter field {key[:60]}."
            if near:
                message += f" Did you mean {' or '.join(near)}?"
            raise BadValue("unknown_field", message, near[0] if near else None)
        if isinstance(target, Field) and not target.filterable:
            raise BadValue("unsupported", f"Results cannot be filtered by {target.name}.")
        return target

    def selection(self, value: Any) -> Selection:
        """Return the selection for the key's value."""
        return Selection(None if isinstance(self._target, PseudoField) else self._target, self._clause(value))

    def _one_object(self, clause: Clause) -> Clause:
        """Wrap the clause of a nested field so that a single object of the list must match it."""
        target = self._target
        if isinstance(target, PseudoField) or not (target.nested or target.type is FieldType.NESTED):
            return clause
        if target.nested:
            return Nested(REGISTRY.get(target.name.rpartition(".")[0]), clause)
        return clause if isinstance(clause, Exists) else Nested(target, clause)

    def _clause(self, value: Any) -> Clause:
        if isinstance(value, Mapping):
            return self._object(value)
        if isinstance(value, list | tuple):
            return disjunction(self._each(value))
        return self._scalar(value)

    def _each(self, values: Any) -> list[Clause]:
        if not isinstance(values, list | tuple) or not values:
            raise BadValue("wrong_type", f"{self._key} needs at least one value. Omit the key to not filter by it.")
        if len(values) > LIMITS.list_values:
            raise BadValue(
                "limit",
                f"{self._key} has {len(values)} values; at most {LIMITS.list_values} are allowed (list_values).",
            )
        return [self._scalar(value) for value in values]

    def _object(self, value: Mapping[str, Any]) -> Clause:
        if not value:
            raise BadValue("wrong_type", f"The filter for {self._key} is empty. Use {', '.join(_KNOWN)}.")
        for name in value:
            if name not in _KNOWN:
                near = REGISTRY.near(str(name), among=_KNOWN)
                raise BadValue(
                    "unsupported",
                    f"Unknown operator {str(name)[:40]} for {self._key}. Use {', '.join(_KNOWN)}.",
                    near[0] if near else None,
                )
        clauses = [_OPERATORS[name](self, given) for name, given in value.items() if name not in _BOUNDS]
        bounds = {name: given for name, given in value.items() if name in _BOUNDS}
        if bounds:
            clauses.append(self._bounds(bounds))
        return conjunction(clauses)

    def _bounds(self, bounds: Mapping[str, Any]) -> Clause:
        if isinstance(self._target, PseudoField):
            raise BadValue("unsupported", f"{self._key} does not support ranges.")
        if {"gt", "gte"} <= bounds.keys() or {"lt", "lte"} <= bounds.keys():
            raise BadValue(
                "wrong_range",
                f"{self._key} has two bounds on the same side. Use either gt or gte, and either lt or lte.",
            )
        low, high = bounds.get("gte", bounds.get("gt")), bounds.get("lte", bounds.get("lt"))
        if low is None and high is None:
            raise BadValue("wrong_type", f"{self._key} needs a value for each bound.")
        include = ("gt" not in bounds, "lt" not in bounds)
        shown = [None if bound is None else self._text(bound) for bound in (low, high)]
        return self._one_object(field_values.interval(self._target, shown[0], shown[1], include, _NOWHERE, self._clock))

    def _exists(self, value: Any) -> Clause:
        if not isinstance(value, bool):
            raise BadValue("wrong_type", f"exists for {self._key} must be true or false.")
        if isinstance(self._target, PseudoField):
            raise BadValue("unsupported", f"{self._key} does not support exists.")
        found = self._one_object(Exists(self._target))
        return found if value else Not(found)

    def _not(self, value: Any) -> Clause:
        self._depth += 1
        if self._depth > LIMITS.depth:
            raise BadValue("limit", f"not is nested deeper than {LIMITS.depth} levels for {self._key} (depth).")
        inner = self._clause(value)
        self._depth -= 1
        return inner.item if isinstance(inner, Not) else Not(inner)  # engines limit the depth, too

    def _any(self, value: Any) -> Clause:
        return disjunction(self._each(value))

    def _every(self, value: Any) -> Clause:
        return conjunction(self._each(value))

    def _scalar(self, value: Any) -> Clause:
        text = self._text(value)
        target = self._target
        if isinstance(target, PseudoField):
            return target.build(text, _NOWHERE, self._roles)
        if len(text) > LIMITS.characters:
            raise BadValue(
                "limit",
                f"{self._key} has {len(text)} characters; at most {LIMITS.characters} are allowed (characters).",
            )
        if text in self._labels:
            return self._labels[text]
        self.cost += text_cost(target, text) if target.type is not FieldType.KEYWORD else 0
        if target.type is FieldType.TEXT and target.facet is not FacetKind.NONE and text != MISSING:
            return Term(target, text)  # the whole value, as the facet returned it
        if target.type is FieldType.CUSTOM and target.key and text != MISSING:
            return Term(target, text, whole=True)
        return self._one_object(field_values.value(target, text, False, _NOWHERE, self._clock))

    def _text(self, value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str | int | float):
            return str(value)
        raise BadValue(
            "wrong_type",
            f"{self._key} must be a string, a number, true or false, a list of these, or an "
            f'object with {", ".join(_KNOWN)}; write {{"exists": false}} for records without one.',
        )


_OPERATORS: dict[str, Callable[[_Filter, Any], Clause]] = {
    "not": _Filter._not,
    "exists": _Filter._exists,
    "any": _Filter._any,
    "all": _Filter._every,
}
_KNOWN = (*_BOUNDS, *_OPERATORS)
