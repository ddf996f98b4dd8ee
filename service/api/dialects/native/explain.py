"""``POST /query/explain``: what a query text means."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from service.api.dialects.native.params import Lenient, Zone
from service.api.kernel.call import Call, Reply
from service.api.kernel.inputs import NoParams
from service.model import Strict


class ExplainQuery(Strict):
    """A query text to explain."""

    query: Annotated[str, Field(description="Query text, see docs/ref-query-syntax.md.")]
    lenient: Lenient = False
    zone: Zone = "UTC"


async def explain(call: Call[NoParams, ExplainQuery]) -> Reply:
    """Say how a query text is read: written out in full, its clauses with their places, and the engine's query."""
    given = call.body
    found = call.context.searches.explain(call.who, given.query, lenient=given.lenient, zone=given.zone)
    return Reply(found.as_dict())
