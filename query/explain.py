"""What a query text means, as data: for building search forms and for understanding results."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from query.clauses import (
    Bound,
    Bounds,
    Clause,
    In,
    Near,
    Range,
)
from query.compile import compile_search
from query.dsl.emit import instant
from query.errors import QueryProblem
from query.render import render
from query.types import Caller, SearchRequest

Json = dict[str, Any]

# The members of clauses that are shown unchanged, under the same name.
_SHOWN = ("text", "pattern", "slop", "edits", "value", "flag", "factor", "include_low", "include_high")


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of a query text.

    Parsing `normalized` yields the same clauses again. `clauses` is their tree as JSON: each has `type`, `offset` and
    `length` in characters of the text as sent, its own members (`field`, `value`, `low` …), and its `children`. `dsl`
    is the engine's query, including the conditions added to every search.
    """

    normalized: str
    clauses: Json
    dsl: Json
    warnings: tuple[QueryProblem, ...]

    def as_dict(self) -> Json:
        """Return the explanation as a JSON object."""
        return {
            "normalized": self.normalized,
            "clauses": self.clauses,
            "dsl": self.dsl,
            "warnings": [warning.as_dict() for warning in self.warnings],
        }


def explain(text: str, caller: Caller, now: datetime, *, lenient: bool = False, zone: str = "UTC") -> Explanation:
    """Explain a query text. Raises QueryError, unless `lenient`."""
    request = SearchRequest(text=text, lenient=lenient, zone=zone)
    compiled = compile_search(request, caller, now)
    return Explanation(render(compiled.clause), as_json(compiled.clause), compiled.body["query"], compiled.warnings)


def as_json(clause: Clause) -> Json:
    """Return a clause as a JSON object."""
    offset, length = clause.span
    shown: Json = {"type": type(clause).__name__.lower(), "offset": offset, "length": length}
    field = getattr(clause, "field", None)
    if field is not None:
        shown["field"] = field.name
    for name in _SHOWN:
        value = getattr(clause, name, None)
        if value is not None:
            shown[name] = value
    shown |= _particular(clause)
    children = (*getattr(clause, "items", ()), *filter(None, [getattr(clause, "item", None)]))
    if children:
        shown["children"] = [as_json(child) for child in children]
    return shown


def _particular(clause: Clause) -> Json:
    """Return the members specific to the type of a clause."""
    match clause:
        case In():
            return {"values": list(clause.values)}
        case Range():
            return {"low": _bound(clause.low), "high": _bound(clause.high)}
        case Near():
            return {"lat": clause.lat, "lon": clause.lon, "metres": clause.metres}
        case Bounds():
            return {"north": clause.north, "east": clause.east, "south": clause.south, "west": clause.west}
    return {}


def _bound(value: Bound) -> Any:
    return instant(value) if isinstance(value, datetime) else value
