from __future__ import annotations

import pytest

from service.adapters.jobs.leases import Leases
from service.ports.store import Record
from tests.unit.core.fakes import Clock

LEASE = 30.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def leases(clock: Clock) -> Leases:
    return Leases(clock, LEASE)


def running(rev: int, key: str = "op") -> Record:
    return Record("operation", key, rev, {"status": "running"}, "2024-01-01T00:00:00.000Z")


def test_a_run_is_over_when_it_was_seen_unchanged_for_a_lease(clock: Clock, leases: Leases) -> None:
    assert not leases.is_over(running(1))
    clock.pass_(LEASE - 1)
    assert not leases.is_over(running(1))
    clock.pass_(1)
    assert leases.is_over(running(1))


def test_each_sign_of_life_begins_the_lease_anew(clock: Clock, leases: Leases) -> None:
    for rev in range(1, 10):
        assert not leases.is_over(running(rev))
        clock.pass_(LEASE - 1)
        assert not leases.is_over(running(rev))


def test_what_was_not_looked_at_for_long_is_seen_for_the_first_time(clock: Clock, leases: Leases) -> None:
    """So that nothing piles up of operations that ended."""
    leases.is_over(running(1))
    clock.pass_(1000 * LEASE)
    leases.is_over(running(1, "another"))
    assert not leases.is_over(running(1))
