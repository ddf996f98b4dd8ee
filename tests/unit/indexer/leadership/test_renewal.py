from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from indexer import crash_points
from indexer.crash_points import CrashPoint
from indexer.leadership.lease import Candidate, Lease, LeaseLost
from indexer.leadership.renewal import LeaseRenewer
from service.ports.clock import SystemClock
from service.ports.store import Body
from tests.support.memory_engine import Notes
from tests.support.waiting import until

KEY = "follow-assets"


class Rig:
    def __init__(self) -> None:
        self.notes = Notes()
        self.lost = 0
        self.lease = self.candidate("one")
        self.renewer = LeaseRenewer(
            self.lease, SystemClock(), renew=0.02, save=0.0, summary=self.summary, on_lost=self.learn
        )

    def candidate(self, name: str) -> Lease:
        return Lease(self.notes.as_store(), SystemClock(), KEY, Candidate(name, lambda _: True))

    def summary(self) -> Body:
        return {"status": {"state": "following"}}

    def learn(self) -> None:
        self.lost += 1

    @property
    def saved(self) -> Body:
        return self.notes.records["checkpoint", KEY].body


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    assert await rig.lease.look()
    rig.renewer.start()
    yield rig
    await rig.renewer.stop(release=False)


async def test_the_lease_is_renewed_for_ever(rig: Rig) -> None:
    await until(lambda: rig.saved["beat"] > 5, "signs of life")
    assert rig.saved["status"] == {"state": "following"}


async def test_what_is_noted_is_saved(rig: Rig) -> None:
    rig.renewer.note({"token": "1"})
    rig.renewer.note({"token": "2"})
    await until(lambda: rig.saved.get("token") == "2", "the token")


async def test_the_end_saves_what_is_noted_and_lets_go(rig: Rig) -> None:
    rig.renewer.note({"token": "7"})
    await rig.renewer.stop(release=True)
    assert (rig.saved["token"], rig.saved["released"]) == ("7", True)
    await rig.renewer.stop(release=True)


async def test_a_store_that_is_away_is_tried_again(rig: Rig) -> None:
    rig.notes.refused = 2
    rig.renewer.note({"token": "3"})
    await until(lambda: rig.saved.get("token") == "3", "the token")
    assert rig.lost == 0


async def test_what_is_written_now_outlives_what_was_noted_before(rig: Rig) -> None:
    """A token that is dropped must not come back by a save that was under way, and failed."""
    rig.notes.gate.clear()
    rig.notes.refused = 1
    rig.renewer.note({"token": "old"})
    await asyncio.sleep(0)
    writing = asyncio.create_task(rig.renewer.write({"token": "new"}))
    rig.notes.gate.set()
    await writing
    beat = rig.saved["beat"]
    await until(lambda: rig.saved["beat"] > beat + 3, "more saves")
    assert rig.saved["token"] == "new"


async def test_who_lost_the_lease_is_told_once_and_saves_nothing(rig: Rig) -> None:
    other = rig.candidate("other")
    assert await other.look()
    rig.renewer.note({"token": "late"})
    await until(lambda: rig.lost == 1, "it is told")
    assert "token" not in rig.saved
    with pytest.raises(LeaseLost):
        await rig.renewer.write({"token": "late"})
    await rig.renewer.stop(release=True)
    assert rig.saved["holder"] == "other"


async def test_a_keeper_that_fails_in_an_unknown_way_leads_no_more(rig: Rig) -> None:
    def fail(step: CrashPoint) -> None:
        raise RuntimeError(step)

    with crash_points.observed(fail):
        rig.renewer.note({"token": "1"})
        await until(lambda: rig.lost == 1, "it is told")
    assert not rig.lease.held


async def test_steps_are_told_around_a_save(rig: Rig) -> None:
    seen: list[CrashPoint] = []
    with crash_points.observed(seen.append):
        rig.renewer.note({"token": "1"})
        await until(lambda: CrashPoint.SAVED in seen, "saved")
    assert seen[:2] == [CrashPoint.SAVE_BEGINS, CrashPoint.SAVED]
