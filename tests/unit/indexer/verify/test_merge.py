from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.verify.merge import AHEAD, SLICE, merged

KEYS = st.lists(st.text(alphabet="ab_0é東🎈", min_size=1, max_size=4), unique=True, max_size=40)


def pages(keys: Sequence[str], size: int) -> Callable[[str | None], Awaitable[list[str]]]:
    ordered = sorted(keys)

    async def fetch(after: str | None) -> list[str]:
        await asyncio.sleep(0)
        return [key for key in ordered if after is None or key > after][:size]

    return fetch


def ranges(keys: Sequence[str], size: int) -> Callable[[str | None, str | None], Awaitable[list[str]]]:
    ordered = sorted(keys)

    async def fetch(after: str | None, last: str | None) -> list[str]:
        await asyncio.sleep(0)
        return [key for key in ordered if (after is None or key > after) and (last is None or key <= last)][:size]

    return fetch


async def joined(
    left: Sequence[str], right: Sequence[str], one: int, other: int, after: str | None = None
) -> list[tuple[str, str | None, str | None]]:
    slices = merged(pages(left, one), str, ranges(right, other), str, after=after)
    return [pair async for pairs in slices for pair in pairs]


@given(KEYS, KEYS, st.integers(1, 7), st.integers(1, 7), st.none() | st.text("ab_0é東🎈", max_size=3))
def test_both_sides_meet_by_key(left: list[str], right: list[str], one: int, other: int, after: str | None) -> None:
    found = asyncio.run(joined(left, right, one, other, after))
    keys = sorted(key for key in {*left, *right} if after is None or key > after)
    assert found == [(key, key if key in left else None, key if key in right else None) for key in keys]


async def test_slices_are_short_and_memory_is_three_pages_a_side() -> None:
    given_out = 0

    async def left(after: str | None) -> list[str]:
        nonlocal given_out
        first = 0 if after is None else int(after) + 1
        given_out = max(given_out, min(first + 100, 2000))
        return [f"{n:06}" for n in range(first, min(first + 100, 2000))]

    async def right(after: str | None, last: str | None) -> list[str]:
        first = 0 if after is None else int(after) + 1
        return [f"{n:06}" for n in range(first, int(last) + 1 if last else 2000)][:100]

    seen = most = 0
    async for pairs in merged(left, str, right, str):
        assert len(pairs) <= SLICE
        most = max(most, given_out - seen)
        seen += len(pairs)
    assert seen == 2000
    assert 200 < most <= 100 * AHEAD


async def test_documents_of_the_next_page_are_read_meanwhile() -> None:
    asked: list[tuple[str | None, str | None]] = []
    free = asyncio.Event()

    async def right(after: str | None, last: str | None) -> list[str]:
        asked.append((after, last))
        if len(asked) == AHEAD:
            free.set()
        await free.wait()
        return ["b"] if last == "b" else []

    async with asyncio.timeout(10):
        slices = [pairs async for pairs in merged(pages("abcdefgh", 2), str, right, str)]
    assert slices[0] == [("a", "a", None), ("b", "b", "b")]
    assert asked[:AHEAD] == [(None, "b"), ("b", "d"), ("d", "f")]
    assert asked[-1] == ("h", None), "what comes after the last record"


async def test_a_fetch_that_fails_ends_the_walk_and_the_other_fetches() -> None:
    ended = asyncio.Event()

    async def hangs(after: str | None) -> list[str]:
        if after is None:
            return ["a"]
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return []

    async def fails(after: str | None, last: str | None) -> list[str]:
        await asyncio.sleep(0)
        raise ConnectionError("engine")

    with pytest.raises(ConnectionError, match="engine"):
        _ = [pairs async for pairs in merged(hangs, str, fails, str)]
    assert ended.is_set()


async def test_what_came_before_a_failure_is_shown() -> None:
    async def fails(after: str | None) -> list[str]:
        if after is None:
            return ["a"]
        raise ConnectionError("store")

    slices = merged(fails, str, ranges("a", 1), str)
    assert await anext(slices) == [("a", "a", "a")]
    with pytest.raises(ConnectionError, match="store"):
        await anext(slices)
