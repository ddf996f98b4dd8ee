from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.verify.merge import SLICE, merged

KEYS = st.lists(st.text(alphabet="ab_0é東🎈", min_size=1, max_size=4), unique=True, max_size=40)


def pages(keys: Sequence[str], size: int) -> Callable[[str | None], Awaitable[list[str]]]:
    ordered = sorted(keys)

    async def fetch(after: str | None) -> list[str]:
        await asyncio.sleep(0)
        return [key for key in ordered if after is None or key > after][:size]

    return fetch


async def joined(
    left: Sequence[str], right: Sequence[str], one: int, other: int, after: str | None = None
) -> list[tuple[str, str | None, str | None]]:
    slices = merged(pages(left, one), str, pages(right, other), str, after=after)
    return [pair async for pairs in slices for pair in pairs]


@given(KEYS, KEYS, st.integers(1, 7), st.integers(1, 7), st.none() | st.text("ab_0é東🎈", max_size=3))
def test_both_sides_meet_by_key(left: list[str], right: list[str], one: int, other: int, after: str | None) -> None:
    found = asyncio.run(joined(left, right, one, other, after))
    keys = sorted(key for key in {*left, *right} if after is None or key > after)
    assert found == [(key, key if key in left else None, key if key in right else None) for key in keys]


async def test_slices_are_short_and_memory_is_two_pages_a_side() -> None:
    given_out = 0

    async def fetch(after: str | None) -> list[str]:
        nonlocal given_out
        first = 0 if after is None else int(after) + 1
        given_out = max(given_out, first + 100)
        return [f"{n:06}" for n in range(first, min(first + 100, 2000))]

    seen = 0
    async for pairs in merged(fetch, str, fetch, str):
        assert len(pairs) <= SLICE
        seen += len(pairs)
        assert given_out - seen <= 200 + SLICE
    assert seen == 2000


async def test_a_fetch_that_fails_ends_the_walk_and_the_other_fetch() -> None:
    ended = asyncio.Event()

    async def fails(after: str | None) -> list[str]:
        raise ConnectionError("engine")

    async def hangs(after: str | None) -> list[str]:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return []

    async def walk() -> list[object]:
        return [pairs async for pairs in merged(fails, str, hangs, str)]

    with pytest.raises(ConnectionError):
        await walk()
    assert ended.is_set()
