from __future__ import annotations

import pytest

from indexer.leadership.lease import TTL, Candidate, Lease, LeaseLost
from service.errors import Unavailable
from tests.support.memory_engine import HandClock, Notes

KEY = "follow-assets"


class Rig:
    def __init__(self) -> None:
        self.notes = Notes()
        self.clock = HandClock()
        self.dead: set[str] = set()

    def lease(self, name: str) -> Lease:
        candidate = Candidate(name, lambda holder: holder in self.dead)
        return Lease(self.notes.as_store(), self.clock, KEY, candidate)

    @property
    def holder(self) -> object:
        return self.notes.records["checkpoint", KEY].body["holder"]


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def watch(rig: Rig, lease: Lease, seconds: float) -> bool:
    """Look once a second for so long."""
    for _ in range(int(seconds)):
        if await lease.look():
            return True
        rig.clock.move(1)
    return await lease.look()


async def test_the_first_who_looks_holds_it(rig: Rig) -> None:
    one, other = rig.lease("one"), rig.lease("other")
    assert await one.look()
    assert not await other.look()
    assert (one.fence, other.holder) == (1, "one")


async def test_a_holder_that_gives_signs_of_life_keeps_it(rig: Rig) -> None:
    one, other = rig.lease("one"), rig.lease("other")
    await one.look()
    for _ in range(20):
        assert not await watch(rig, other, TTL - 1)
        await one.write({})
    assert one.held


async def test_silence_of_the_time_to_live_is_a_takeover_with_a_higher_fence(rig: Rig) -> None:
    one, other = rig.lease("one"), rig.lease("other")
    await one.look()
    await one.write({"token": "5"})
    assert not await watch(rig, other, TTL - 1)
    assert await watch(rig, other, 2)
    assert (other.fence, other.body["token"]) == (2, "5")


async def test_who_was_taken_over_can_save_nothing_and_learns_it(rig: Rig) -> None:
    zombie, other = rig.lease("zombie"), rig.lease("other")
    await zombie.look()
    await zombie.write({"token": "5"})
    await watch(rig, other, TTL + 1)
    await other.write({"token": "9"})
    with pytest.raises(LeaseLost):
        await zombie.write({"token": "6"})
    assert not zombie.held
    assert rig.notes.records["checkpoint", KEY].body["token"] == "9"
    with pytest.raises(LeaseLost):
        await zombie.write({"token": "6"})


async def test_a_lease_that_was_let_go_is_taken_at_once(rig: Rig) -> None:
    one, other = rig.lease("one"), rig.lease("other")
    await one.look()
    await one.release({"token": "7"})
    assert await other.look()
    assert (other.fence, other.body["token"]) == (2, "7")


async def test_a_dead_holder_is_not_waited_for(rig: Rig) -> None:
    one, other = rig.lease("one"), rig.lease("other")
    await one.look()
    assert not await other.look()
    rig.dead.add("one")
    assert await other.look()


async def test_of_two_candidates_one_takes_over(rig: Rig) -> None:
    first, one, other = rig.lease("first"), rig.lease("one"), rig.lease("other")
    await first.look()
    rig.dead.add("first")
    assert [await one.look(), await other.look()] == [True, False]


async def test_a_candidate_that_was_stopped_itself_does_not_count_that_time(rig: Rig) -> None:
    one, other = rig.lease("one"), rig.lease("other")
    await one.look()
    assert not await other.look()
    rig.clock.move(3600)
    assert not await other.look()
    assert not await watch(rig, other, TTL - 1)
    assert await watch(rig, other, 2)


async def test_the_wall_clock_decides_nothing(rig: Rig) -> None:
    one, other = rig.lease("one"), rig.lease("other")
    await one.look()
    for _ in range(5):
        rig.clock.wall = rig.clock.wall.replace(year=2040 if rig.clock.wall.year == 2024 else 2024)
        assert not await watch(rig, other, TTL - 2)
        await one.write({})


async def test_a_write_whose_answer_was_lost_is_ours_all_the_same(rig: Rig) -> None:
    one = rig.lease("one")
    await one.look()
    rig.notes.unanswered = 1
    with pytest.raises(Unavailable):
        await one.write({"token": "5"})
    await one.write({"token": "6"})
    assert one.held
    assert rig.notes.records["checkpoint", KEY].body["token"] == "6"


@pytest.mark.parametrize("released", [False, True])
async def test_a_taking_whose_answer_was_lost_is_seen_by_the_next_look(rig: Rig, released: bool) -> None:
    one = rig.lease("one")
    if released:
        before = rig.lease("before")
        await before.look()
        await before.release({})
    rig.notes.unanswered = 1
    with pytest.raises(Unavailable):
        await one.look()
    assert await one.look()
    assert one.fence == 1 + released
    await one.write({})


async def test_a_new_record_begins_with_what_it_is_given(rig: Rig) -> None:
    async def first() -> dict[str, object]:
        return {"token": "inherited"}

    lease = Lease(rig.notes.as_store(), rig.clock, KEY, Candidate("one"), first=first)
    await lease.look()
    assert lease.body["token"] == "inherited"
