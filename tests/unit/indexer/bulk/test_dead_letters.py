from __future__ import annotations

import pytest

from indexer.bulk.dead_letters import REASON_LENGTH, DeadLetter, DeadLetters, listed
from service.ports.search import BulkOutcome
from tests.support.memory_engine import HandClock, Notes

INDEX = "assets-h-1"


class Rig:
    def __init__(self) -> None:
        self.notes = Notes()
        self.clock = HandClock()
        self.letters = DeadLetters(self.notes.as_store(), self.clock)

    async def listed(self, index: str = INDEX) -> list[DeadLetter]:
        return [letter async for letter in listed(self.notes.as_store(), index)]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def refused(version: int = 1, reason: str = "bad date") -> BulkOutcome:
    return BulkOutcome("asset_1", version, 400, "mapper_parsing_exception", reason)


async def test_attempts_are_counted_from_the_first_to_the_last(rig: Rig) -> None:
    await rig.letters.add(INDEX, refused(1))
    rig.clock.move(60)
    await rig.letters.add(INDEX, refused(2, "worse"))
    (letter,) = await rig.listed()
    assert (letter.version, letter.attempts, letter.reason) == (2, 2, "worse")
    assert (letter.first_at, letter.last_at) == ("2024-05-01T10:00:00.000Z", "2024-05-01T10:01:00.000Z")


async def test_a_later_good_version_clears_and_an_earlier_one_does_not(rig: Rig) -> None:
    await rig.letters.add(INDEX, refused(5))
    await rig.letters.accepted(INDEX, BulkOutcome("asset_1", 4, 201))
    assert len(rig.letters) == 1
    await rig.letters.accepted(INDEX, BulkOutcome("asset_1", 5, 201))
    assert await rig.listed() == []
    rig.clock.move(60)
    await rig.letters.add(INDEX, refused(6))
    (letter,) = await rig.listed()
    assert (letter.attempts, letter.first_at) == (1, "2024-05-01T10:01:00.000Z")


async def test_each_index_has_its_own(rig: Rig) -> None:
    await rig.letters.add(INDEX, refused())
    await rig.letters.add("other", refused())
    await rig.letters.accepted("other", BulkOutcome("asset_1", 1, 200))
    assert [letter.index for letter in await rig.listed()] == [INDEX]
    assert await rig.letters.clear(INDEX) == 1
    assert len(rig.letters) == 0


async def test_another_process_knows_the_open_ones(rig: Rig) -> None:
    await rig.letters.add(INDEX, refused(3))
    again = DeadLetters(rig.notes.as_store(), rig.clock)
    await again.load([INDEX])
    assert again.open(INDEX) == {"asset_1": 3}
    await again.load(["other"])
    assert len(again) == 0


async def test_what_another_process_wrote_since_is_read_for_one_index_alone(rig: Rig) -> None:
    again = DeadLetters(rig.notes.as_store(), rig.clock)
    await again.load([INDEX])
    await again.add("other", refused(1))
    await rig.letters.add(INDEX, refused(3))
    assert again.open(INDEX) == {}
    await again.reload(INDEX)
    assert (again.open(INDEX), again.open("other")) == ({"asset_1": 3}, {"asset_1": 1})
    await rig.letters.accepted(INDEX, BulkOutcome("asset_1", 3, 200))
    await again.reload(INDEX)
    assert again.open(INDEX) == {}


async def test_a_reason_is_cut(rig: Rig) -> None:
    await rig.letters.add(INDEX, refused(reason="x" * 10_000))
    assert len((await rig.listed())[0].reason) == REASON_LENGTH


def test_letters_of_earlier_releases_are_read() -> None:
    body = {"index": "assets", "asset_id": "a", "version": 1, "error_type": "e", "reason": "r", "at": "then"}
    letter = DeadLetter.read(body)
    assert (letter.attempts, letter.first_at, letter.last_at) == (1, "then", "then")


async def test_a_process_that_wakes_up_late_neither_lowers_nor_clears_a_letter(rig: Rig) -> None:
    late = DeadLetters(rig.notes.as_store(), rig.clock)
    await late.add(INDEX, refused(2))
    await rig.letters.add(INDEX, refused(6))
    await late.add(INDEX, refused(3, "of long ago"))
    assert [(letter.version, letter.reason) for letter in await rig.listed()] == [(6, "bad date")]
    assert late.open(INDEX) == {"asset_1": 6}
    await rig.letters.load([INDEX])
    late = DeadLetters(rig.notes.as_store(), rig.clock)
    late._open[INDEX]["asset_1"] = 2
    await late.accepted(INDEX, BulkOutcome("asset_1", 3, 200))
    assert [letter.version for letter in await rig.listed()] == [6]
    assert late.open(INDEX) == {"asset_1": 6}
