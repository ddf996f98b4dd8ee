"""What every adapter of the replies port promises, to one process and between two."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.ports.replies import MAX_REPLY_BYTES, Claim, InProgress, KeyReused, Replies, StoredReply
from tests.contracts.quotas_replies import REPLIES
from tests.support.waiting import eventually

CREATED = StoredReply(
    201, {"ETag": '"1"', "Location": "https://example.org/assets/asset_1"}, '{"title":"\\u0000 Ä 🏔"}'.encode()
)


@pytest.fixture(params=REPLIES)
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Replies, Replies]]:
    async with REPLIES[request.param](tmp_path) as both:
        yield both


@pytest.fixture
def replies(both: tuple[Replies, Replies]) -> Replies:
    return both[0]


@pytest.fixture
def other(both: tuple[Replies, Replies]) -> Replies:
    return both[1]


async def marked(replies: Replies, slot: str = "slot", lease: float = 30.0) -> Claim:
    mark = await replies.begin(slot, "print", lease=lease)
    assert isinstance(mark, Claim), mark
    assert mark.slot == slot
    return mark


async def test_a_reply_is_kept(replies: Replies, other: Replies) -> None:
    mark = await marked(replies)
    assert not mark.repeated
    assert await replies.keep(mark, CREATED)
    for process in (replies, other):
        assert await process.begin("slot", "print") == CREATED
        assert await process.begin("slot", "another print") == KeyReused()


async def test_slots_are_apart(replies: Replies) -> None:
    await replies.keep(await marked(replies, "one"), CREATED)
    assert not (await marked(replies, "two")).repeated


async def test_one_of_many_gets_the_claim(replies: Replies, other: Replies) -> None:
    begun = await asyncio.gather(*(process.begin("slot", "print") for process in (replies, other) * 20))
    assert sorted(type(one).__name__ for one in begun) == ["Claim"] + ["InProgress"] * 39


async def test_a_run_under_way_is_busy_for_its_own_request_only(replies: Replies, other: Replies) -> None:
    await marked(replies)
    for process in (replies, other):
        assert await process.begin("slot", "print") == InProgress()
        assert await process.begin("slot", "another print") == KeyReused()


@pytest.mark.parametrize("body", ["", "x" * MAX_REPLY_BYTES, "ä" * (MAX_REPLY_BYTES // 2)], ids=["none", "x", "ä"])
async def test_a_body_up_to_the_limit_is_kept(replies: Replies, body: str) -> None:
    reply = StoredReply(200, {}, body.encode())
    await replies.keep(await marked(replies), reply)
    assert await replies.begin("slot", "print") == reply


@pytest.mark.parametrize("body", ["x" * (MAX_REPLY_BYTES + 1), "ä" * (MAX_REPLY_BYTES // 2 + 1)], ids=["x", "ä"])
async def test_of_a_longer_one_the_rest_is_kept(replies: Replies, body: str) -> None:
    await replies.keep(await marked(replies), StoredReply(201, CREATED.headers, body.encode()))
    assert await replies.begin("slot", "print") == StoredReply(201, CREATED.headers, None)


async def test_a_released_slot_is_taken_by_the_same_request(replies: Replies, other: Replies) -> None:
    await replies.release(await marked(replies), forget=False)
    assert await other.begin("slot", "another print") == KeyReused()
    mark = await marked(other)
    assert mark.repeated
    assert await other.keep(mark, CREATED)
    assert await replies.begin("slot", "print") == CREATED


async def test_a_forgotten_slot_is_anyone_s(replies: Replies, other: Replies) -> None:
    await replies.release(await marked(replies), forget=True)
    mark = await other.begin("slot", "another print")
    assert isinstance(mark, Claim)
    assert not mark.repeated
    assert await other.keep(mark, CREATED)
    assert await replies.begin("slot", "another print") == CREATED
    assert await replies.begin("slot", "print") == KeyReused()


async def test_a_run_without_a_sign_of_life_is_taken_over(replies: Replies, other: Replies) -> None:
    slow = await marked(replies, lease=0.05)
    taken: list[Claim] = []

    async def taken_over() -> bool:
        begun = await other.begin("slot", "print")
        taken.extend([begun] if isinstance(begun, Claim) else [])
        return bool(taken)

    await eventually(taken_over, "its lease ends")
    assert taken[0].repeated
    # What was taken over has no say any more.
    assert not await replies.renew(slow)
    assert not await replies.keep(slow, StoredReply(500))
    await replies.release(slow, forget=True)
    assert await replies.begin("slot", "print") == InProgress()
    assert await other.keep(taken[0], CREATED)
    assert await replies.begin("slot", "print") == CREATED


async def test_a_renewed_run_goes_on(replies: Replies, other: Replies) -> None:
    mark = await marked(replies, lease=0.05)
    assert await replies.renew(mark, lease=30.0)
    await other.release(await marked(other, "clock", lease=0.05), forget=False)
    ended = await marked(replies, "clock 2", lease=0.05)

    async def over() -> bool:
        return isinstance(await other.begin(ended.slot, "print"), Claim)

    await eventually(over, "a lease that was given after the first one has ended")
    assert await other.begin("slot", "print") == InProgress()
    assert await replies.keep(mark, CREATED)


async def test_the_runs_of_a_closed_process_are_taken_over_at_once(replies: Replies, other: Replies) -> None:
    await marked(replies)
    await replies.close()
    await replies.close()
    assert (await marked(other)).repeated


async def test_a_kept_reply_stays_as_it_is(replies: Replies, other: Replies) -> None:
    mark = await marked(replies)
    assert await replies.keep(mark, CREATED)
    await other.close()
    await replies.close()
    assert await replies.begin("slot", "print") == CREATED
