"""How the values of facets are written, remembered: what is not known is looked up in some assets that have the value.

Counting spellings beside the values costs a cluster as much as the values do, for every search; how values are written
hardly changes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from query.facets.plan import FacetPlan
from query.facets.spelling import counted, counting_body, sample_body, sampled, shown_values, with_spellings
from query.types import CompiledSearch
from service.ports.clock import Clock
from service.tasks import all_of

KEPT_SECONDS = 300.0
"""How long a spelling is good: by then another one may have become more frequent."""
KEPT = 50_000
"""Spellings that a process remembers, of all organizations."""
LOOKED_UP = 64
"""Unknown values up to which each is looked up by itself; of more, the spellings are counted."""
_AT_ONCE = 8

Ask = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""Sends a body to the engine and returns its answer."""
_Key = tuple[str, str, str]


class Spellings:
    """The spellings of values, by organization, field and folded value."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[_Key, tuple[str, float]] = OrderedDict()

    async def put_into(
        self, aggregations: Mapping[str, Any], org_id: str, compiled: CompiledSearch, ask: Ask
    ) -> dict[str, Any]:
        """Return aggregations with the spellings of their values. Raises what asking raises."""
        values = {plan.id: shown_values(plan, aggregations) for plan in compiled.facets}
        plans = [plan for plan in compiled.facets if values[plan.id]]
        unknown = [
            (plan, value) for plan in plans for value in values[plan.id] if self._get(org_id, plan, value) is None
        ]
        if len(unknown) > LOOKED_UP:
            await self._count(org_id, compiled, list({plan.id: plan for plan, _ in unknown}.values()), ask)
        elif unknown:
            await self._look_up(org_id, unknown, ask)
        known = {
            plan.id: {value: text for value in values[plan.id] if (text := self._get(org_id, plan, value)) is not None}
            for plan in plans
        }
        return with_spellings(aggregations, plans, known)

    async def _look_up(self, org_id: str, unknown: Sequence[tuple[FacetPlan, str]], ask: Ask) -> None:
        places = asyncio.Semaphore(_AT_ONCE)

        async def look(plan: FacetPlan, value: str) -> None:
            async with places:
                answer = await ask(sample_body(org_id, plan.field, value))
            if (text := sampled(plan.field, value, answer)) is not None:
                self._put(org_id, plan, value, text)

        await all_of(look(plan, value) for plan, value in unknown)

    async def _count(self, org_id: str, compiled: CompiledSearch, plans: Sequence[FacetPlan], ask: Ask) -> None:
        body = compiled.body
        rest: dict[str, Any] = {name: value for name, value in body.items() if name in ("pit", "timeout")}
        answer = await ask(counting_body(body["query"], plans, rest))
        for plan in plans:
            for value, text in counted(plan, answer).items():
                self._put(org_id, plan, value, text)

    def _get(self, org_id: str, plan: FacetPlan, value: str) -> str | None:
        text, until = self._known.get((org_id, plan.field.name, value), ("", 0.0))
        return text if until > self._clock.monotonic() else None

    def _put(self, org_id: str, plan: FacetPlan, value: str, text: str) -> None:
        key = (org_id, plan.field.name, value)
        self._known[key] = (text, self._clock.monotonic() + KEPT_SECONDS)
        self._known.move_to_end(key)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
