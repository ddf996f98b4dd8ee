"""``GET /suggest``: what can be typed next."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from query.completion import Name, ValueCompletion
from service.api.dialects.native.params import Suggest
from service.api.dialects.native.search import as_sent
from service.api.kernel.call import Call, Reply


async def suggest(call: Call[Suggest, None]) -> Reply:
    """Complete a query text at the cursor: names of fields, or the values of one, with how many assets have each."""
    params = call.params
    position = len(params.q) if params.position is None else params.position
    with as_sent({"query": "q"}):
        found = await call.context.searches.complete(call.who, params.q, position, params.limit)
    place = found.place
    body: dict[str, Any] = {"kind": "field"}
    if isinstance(place, ValueCompletion):
        body = {"kind": "value", "field": place.field}
    body |= {"prefix": place.prefix, "offset": place.offset, "length": place.length}
    return Reply(body | {"suggestions": [_shown(proposal) for proposal in found.proposals]})


def _shown(proposal: Any) -> dict[str, Any]:
    if isinstance(proposal, Name):
        return {"name": proposal.name, "type": proposal.type, "description": proposal.doc}
    return asdict(proposal)
