"""Kill -9 of the API during 1,000 concurrent creates: none is lost, none is doubled.

It runs on the engines that the environment names (``ASSETRY_MONGODB_URL`` …), on the embedded ones without.
"""

from __future__ import annotations

import random
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.creates import Creates
from tests.support.processes import served, until

pytestmark = pytest.mark.processes

COUNT = 1000


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(2))
def test_creates_survive_kills(tmp_path: Path, seed: int) -> None:
    moments = random.Random(seed)
    goals = sorted(moments.sample(range(1, COUNT * 9 // 10), 2))
    data = tmp_path / "data"
    with ExitStack() as stack:
        service = stack.enter_context(served(data))
        service.until_ready()
        creates = Creates(service, service.key(), COUNT)

        def kill_and_start() -> None:
            for goal in goals:
                until(lambda goal=goal: len(creates.ids) >= goal, f"{goal} creates are answered")  # type: ignore[misc]
                creates.service.kill()
                creates.service = stack.enter_context(served(data))

        creates.perform(kill_and_start)
        assert creates.lost, "the kills hit requests under way"
        creates.service.until_ready()
        creates.check()
