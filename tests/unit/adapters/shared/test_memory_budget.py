from __future__ import annotations

from contextlib import ExitStack

import pytest

from service.adapters.shared.memory_budget import LEAST, MOST, MemoryBudget


@pytest.mark.parametrize(
    ("streams", "block"), [(0, MOST), (1, MOST), (16, MOST), (32, MOST // 2), (256, LEAST), (10_000, LEAST)]
)
def test_a_block_is_a_share(streams: int, block: int) -> None:
    budget = MemoryBudget(blocks=4)
    with ExitStack() as stack:
        for _ in range(streams):
            stack.enter_context(budget)
        assert budget.block == block
    assert budget.block == MOST
