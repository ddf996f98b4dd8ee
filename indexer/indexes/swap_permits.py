"""Revoking permits to move the alias; :class:`indexer.indexes.plan.SwapPermit` explains what they are for."""

from __future__ import annotations

from dataclasses import replace

from indexer.indexes.physical import Indexes
from indexer.indexes.plan import Plans


async def withdraw_permit(plans: Plans, indexes: Indexes, *, of: str | None = None) -> None:
    """Revoke the permit in the plan, if there is one; ``of``: only if it is for this index.

    Once this returns, no request to move the alias that was sent before can succeed. Raises what the ports raise.
    """
    permit = (await plans.load()).permit
    if permit is None or (of is not None and permit.index != of):
        return
    await indexes.revoke(permit)
    await plans.change(lambda plan: replace(plan, permit=None) if plan.permit == permit else plan)
