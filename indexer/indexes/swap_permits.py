"""Permits to move the alias, taken back: :class:`indexer.indexes.plan.SwapPermit` says what they are for."""

from __future__ import annotations

from dataclasses import replace

from indexer.indexes.physical import Indexes
from indexer.indexes.plan import Plans


async def withdraw_permit(plans: Plans, indexes: Indexes, *, of: str | None = None) -> None:
    """Take back the permit that the plan names, if there is one; ``of``: only one for this index.

    Once this returns, no request to move the alias that was sent by then will. Raises what the ports raise.
    """
    permit = (await plans.load()).permit
    if permit is None or (of is not None and permit.index != of):
        return
    await indexes.revoke(permit)
    await plans.change(lambda plan: replace(plan, permit=None) if plan.permit == permit else plan)
