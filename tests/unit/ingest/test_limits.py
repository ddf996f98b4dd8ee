"""Workers together fit into what the container gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.ingest.limits import DEFAULT, LEAST_MEMORY, MIB, sized
from service.ingest.memory_limit import memory_limit


@pytest.mark.parametrize(
    ("workers", "memory", "count", "each"),
    [
        (2, 768 * MIB, 2, 384 * MIB),
        (8, 768 * MIB, 3, 256 * MIB),
        (2, 64 * 1024 * MIB, 2, 1024 * MIB),
        (4, 100 * MIB, 1, LEAST_MEMORY),
    ],
)
def test_the_sum_fits(workers: int, memory: int, count: int, each: int) -> None:
    limits = sized(DEFAULT, workers=workers, memory=memory)
    assert (limits.workers, limits.memory_bytes) == (count, each)
    assert count * each <= max(memory, LEAST_MEMORY)


@pytest.mark.parametrize(
    ("file", "text", "limited"),
    [
        ("memory.max", "1610612736\n", True),
        ("memory.max", "max\n", False),
        ("memory/memory.limit_in_bytes", "1610612736\n", True),
        ("memory/memory.limit_in_bytes", "9223372036854771712\n", False),
    ],
)
def test_the_containers_limit_counts(tmp_path: Path, file: str, text: str, limited: bool) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    machine = memory_limit(tmp_path / "nowhere")
    assert memory_limit(tmp_path) == (min(machine, 1610612736) if limited else machine)
