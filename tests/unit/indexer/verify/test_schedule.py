"""The verify that runs by itself: when it is due, how fast it goes, and what it leaves behind."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from indexer.follow.follower import Follower
from indexer.options import FollowOptions
from indexer.scheduled_verify import ScheduledVerify, VerifySchedule
from indexer.status.model import UNKNOWN, Role, State
from indexer.verify import last_result
from service.ports.clock import SystemClock
from tests.support.indexing import ALIAS, Rig, rigged
from tests.support.waiting import eventually, until

OPTIONS = replace(FollowOptions.embedded(ALIAS), plan_seconds=0.05, check_seconds=0.05)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(tmp_path) as rig:
        yield rig


def schedule(rig: Rig, follower: Follower, *, hours: float = 1.0, rate: float = 1e6) -> ScheduledVerify:
    often = VerifySchedule(hours, rate, look_seconds=0.02)
    made = ScheduledVerify(rig.store, rig.engine, SystemClock(), OPTIONS, follower.status, often)
    rig.stack.push_async_callback(made.stop)
    made.start()
    return made


async def has_verified(rig: Rig) -> bool:
    return await last_result.load(rig.store, ALIAS) is not None


async def test_drift_is_logged_and_told_by_the_status(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    await rig.fill(30)
    follower = await rig.follow(OPTIONS)
    await rig.engine.delete_documents(await rig.physical(), [("asset_7", 1)])
    with caplog.at_level(logging.ERROR, logger="indexer.scheduled_verify"):
        schedule(rig, follower)
        await eventually(lambda: has_verified(rig), "the scheduled verify has run")
    assert "assetry index verify --repair" in caplog.text
    found = await last_result.load(rig.store, ALIAS)
    assert found is not None
    assert (found.checked, found.differences["missing"], found.left) == (30, 1, 1)
    await until(lambda: follower.status().verified == found, "the status tells it")


async def test_one_that_was_run_lately_is_enough(rig: Rig) -> None:
    await rig.fill(3)
    follower = await rig.follow(OPTIONS)
    first = schedule(rig, follower)
    await eventually(lambda: has_verified(rig), "the scheduled verify has run")
    await first.stop()
    assert not await schedule(rig, follower)._is_due()
    assert await schedule(rig, follower, hours=1e-9)._is_due()


async def test_it_goes_no_faster_than_it_may(rig: Rig) -> None:
    await rig.fill(60)
    follower = await rig.follow(OPTIONS)
    began = SystemClock().monotonic()
    schedule(rig, follower, rate=100)
    await eventually(lambda: has_verified(rig), "the scheduled verify has run")
    assert SystemClock().monotonic() - began >= 0.5


async def test_a_stand_by_goes_no_rounds(rig: Rig) -> None:
    status = replace(UNKNOWN, state=State.FOLLOWING, caught_up=True, role=Role.STANDBY)
    idle = ScheduledVerify(rig.store, rig.engine, SystemClock(), OPTIONS, lambda: status, VerifySchedule(1))
    assert not idle._follows()
