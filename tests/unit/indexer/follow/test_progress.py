from __future__ import annotations

from indexer.follow.progress import SECONDS, RateMeter
from tests.support.memory_engine import HandClock


def test_a_rate_is_of_the_last_seconds_alone() -> None:
    clock = HandClock()
    meter = RateMeter(clock)
    assert meter.rate == 0
    meter.add(100)
    clock.move(SECONDS / 2)
    meter.add(50)
    assert meter.rate == 150 / SECONDS
    clock.move(SECONDS / 2 + 1)
    assert meter.rate == 50 / SECONDS
    clock.move(SECONDS)
    assert meter.rate == 0
