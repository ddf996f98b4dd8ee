from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from indexer.bulk.loop import BatchLimits, BulkLoop, Halted, IndexGone, requests
from indexer.follow.feed import Interrupted
from service.errors import Unavailable
from service.ports.search import BulkItem, BulkOutcome, Rejected, SearchEngine

Answer = Callable[[BulkItem], BulkOutcome] | Exception


def item(number: int, *, size: int = 10, version: int = 1) -> BulkItem:
    return BulkItem(f"asset_{number}", version, b"x" * size)


def status(code: int) -> Callable[[BulkItem], BulkOutcome]:
    return lambda sent: BulkOutcome(sent.id, sent.version, code, None if code < 300 else "some_error", "why")


def poison(bad: str, code: int) -> Callable[[BulkItem], BulkOutcome]:
    return lambda sent: status(code if sent.id == bad else 201)(sent)


class Engine:
    """Answers each bulk request by the next entry of a script; the last one repeats."""

    def __init__(self, *script: Answer, held: dict[str, int] | None = None) -> None:
        self.script = list(script)
        self.held = held or {}
        self.sent: list[list[str]] = []

    async def bulk(self, index: str, items: Sequence[BulkItem], *, refresh: bool = False) -> list[BulkOutcome]:
        self.sent.append([sent.id for sent in items])
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, Exception):
            raise answer
        return [answer(sent) for sent in items]

    async def versions(self, index: str, ids: Sequence[str]) -> dict[str, int]:
        return {name: self.held[name] for name in ids if name in self.held}


class Letters:
    def __init__(self) -> None:
        self.dead: list[str] = []
        self.good: list[str] = []

    async def add(self, index: str, outcome: BulkOutcome) -> None:
        self.dead.append(outcome.id)

    async def accepted(self, index: str, outcome: BulkOutcome) -> None:
        self.good.append(outcome.id)


class Flow:
    """Never waits; interrupts after so many pauses."""

    def __init__(self, patience: int = 100) -> None:
        self.pauses: list[tuple[float, str]] = []
        self.patience = patience

    def check(self) -> None:
        if self.patience < 0:
            raise Interrupted

    async def pause(self, seconds: float, reason: str) -> None:
        self.pauses.append((seconds, reason))
        self.patience -= 1
        self.check()


def loop(engine: Engine, *, lanes: int = 1, bounds: BatchLimits | None = None, patience: int = 100) -> Any:
    letters, flow = Letters(), Flow(patience)
    made = BulkLoop(cast("SearchEngine", engine), letters, flow, bounds=bounds, lanes=lanes)
    return made, letters, flow


@pytest.mark.parametrize(
    ("sizes", "bounds", "expected"),
    [
        ([], BatchLimits(2, 100), []),
        ([1, 1, 1, 1, 1], BatchLimits(2, 100), [2, 2, 1]),
        ([40, 40, 40], BatchLimits(10, 100), [2, 1]),
        ([500, 1, 1], BatchLimits(10, 100), [1, 2]),
        ([1, 500, 1], BatchLimits(10, 100), [1, 1, 1]),
        ([100, 100], BatchLimits(10, 100), [1, 1]),
    ],
)
def test_requests_keep_both_bounds_and_the_order(sizes: list[int], bounds: BatchLimits, expected: list[int]) -> None:
    items = [item(number, size=size) for number, size in enumerate(sizes)]
    batches = list(requests(items, bounds))
    assert [len(batch) for batch in batches] == expected
    assert [sent for batch in batches for sent in batch] == items


async def test_what_is_acknowledged_is_done_and_clears_letters() -> None:
    engine = Engine(status(201))
    bulk, letters, flow = loop(engine, bounds=BatchLimits(2, 1000), lanes=2)
    await bulk.write("i", [item(number) for number in range(5)])
    assert sorted(letters.good) == [f"asset_{number}" for number in range(5)]
    assert [len(sent) for sent in engine.sent] == [2, 2, 1]
    assert not flow.pauses
    assert bulk.items == {"done": 5}


@pytest.mark.parametrize("code", [403, 429, 500, 503])
async def test_only_what_the_engine_can_not_take_now_is_sent_again(code: int) -> None:
    engine = Engine(poison("asset_1", code), poison("asset_1", code), status(200))
    bulk, letters, flow = loop(engine)
    await bulk.write("i", [item(number) for number in range(3)])
    assert engine.sent == [["asset_0", "asset_1", "asset_2"], ["asset_1"], ["asset_1"]]
    assert not letters.dead
    assert len(flow.pauses) == 2
    assert str(code) in flow.pauses[0][1]


async def test_an_engine_that_is_away_is_waited_for_with_growing_pauses() -> None:
    engine = Engine(*[Unavailable("search", "no connection")] * 6, status(200))
    bulk, letters, flow = loop(engine)
    await bulk.write("i", [item(1)])
    assert letters.good == ["asset_1"]
    seconds = [pause for pause, _ in flow.pauses]
    assert len(seconds) == 6
    assert 0.05 <= seconds[0] <= 0.1
    assert 1.6 <= seconds[5] <= 3.2


async def test_the_wait_ends_when_the_owner_says_so() -> None:
    bulk, letters, _ = loop(Engine(Unavailable("search", "gone")), patience=2)
    with pytest.raises(Interrupted):
        await bulk.write("i", [item(1)])
    assert not letters.good


@pytest.mark.parametrize(("held", "rounds"), [({"asset_1": 5}, 1), ({"asset_1": 9}, 1), ({"asset_1": 4}, 2), ({}, 2)])
async def test_a_conflict_is_done_only_where_the_index_holds_at_least_our_version(
    held: dict[str, int], rounds: int
) -> None:
    engine = Engine(status(409), status(200), held=held)
    bulk, letters, _ = loop(engine)
    await bulk.write("i", [item(1, version=5)])
    assert len(engine.sent) == rounds
    assert letters.good == ["asset_1"]


@pytest.mark.parametrize("code", [400, 413])
async def test_one_bad_document_is_a_dead_letter_and_the_rest_goes_on(code: int) -> None:
    bulk, letters, _ = loop(Engine(poison("asset_1", code)))
    await bulk.write("i", [item(number) for number in range(3)])
    assert letters.dead == ["asset_1"]
    assert letters.good == ["asset_0", "asset_2"]


async def test_a_request_that_is_refused_whole_is_halved_until_the_culprit_is_alone() -> None:
    class Picky(Engine):
        async def bulk(self, index: str, items: Sequence[BulkItem], *, refresh: bool = False) -> list[BulkOutcome]:
            if any(sent.id == "asset_5" for sent in items):
                raise Rejected(413, "content_too_long", "too much")
            return await super().bulk(index, items)

    engine = Picky(status(201))
    bulk, letters, _ = loop(engine)
    await bulk.write("i", [item(number) for number in range(8)])
    assert letters.dead == ["asset_5"]
    assert sorted(letters.good) == [f"asset_{number}" for number in range(8) if number != 5]


@pytest.mark.parametrize("answer", [status(404), Rejected(404, "index_not_found_exception", "")])
async def test_a_missing_index_ends_the_loop_and_blames_no_document(answer: Answer) -> None:
    bulk, letters, _ = loop(Engine(answer))
    with pytest.raises(IndexGone):
        await bulk.write("i", [item(1)])
    assert not letters.dead


async def test_a_refused_login_is_waited_for() -> None:
    bulk, letters, flow = loop(Engine(Rejected(401, "security_exception", "who?"), status(200)))
    await bulk.write("i", [item(1)])
    assert letters.good == ["asset_1"]
    assert "401 security_exception" in flow.pauses[0][1]


async def test_a_bad_mapping_halts_before_it_fills_the_dead_letters() -> None:
    bulk, letters, _ = loop(Engine(status(400)))
    with pytest.raises(Halted, match="dead letters"):
        await bulk.write("i", [item(number) for number in range(1000)])
    assert len(letters.dead) == 201


async def test_a_halt_names_the_index_and_stops_no_other() -> None:
    engine = Engine(status(400))
    bulk, _, _ = loop(engine)
    with pytest.raises(Halted) as raised:
        await bulk.write("bad", [item(number) for number in range(1000)])
    assert raised.value.index == "bad"
    with pytest.raises(Halted):
        await bulk.write("bad", [item(1)])
    engine.script = [status(201)]
    await bulk.write("good", [item(1)])
    bulk.forgive()
    await bulk.write("bad", [item(1)])
