"""A pipeline of batches: the next one starts while earlier ones are in progress, and they are settled in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Begun:
    task: asyncio.Task[None]
    keys: frozenset[str]


class Pipeline:
    """Works on at most ``depth`` batches at once; no key is in two of them.

    A batch is settled when it is done *and* every earlier batch is settled, so that there are no gaps. A batch that
    fails is never settled, nor is any later one. An async context manager: leaving it cancels the batches in progress.
    """

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._begun: deque[_Begun] = deque()

    def __len__(self) -> int:
        """The number of batches that are not settled."""
        return len(self._begun)

    async def put(self, keys: Collection[str], work: Callable[[], Awaitable[T]], settle: Callable[[T], None]) -> None:
        """Start ``work()`` as soon as there is room; its result is passed to ``settle``.

        Raises what a batch in progress, or its ``settle``, raised.
        """
        mine = frozenset(keys)
        while len(self._begun) >= self._depth or not all(mine.isdisjoint(begun.keys) for begun in self._begun):
            await self._step()
        before = self._begun[-1].task if self._begun else None
        self._begun.append(_Begun(asyncio.create_task(self._run(work, settle, before)), mine))

    async def beside(self, step: Coroutine[Any, Any, T]) -> T:
        """Return the result of ``step``, which is cancelled when a batch fails. Raises what either raised."""
        waited = asyncio.ensure_future(step)
        try:
            while not waited.done():
                await self._step(waited)
            return waited.result()
        finally:
            waited.cancel()
            await asyncio.gather(waited, return_exceptions=True)

    async def drain(self) -> None:
        """Return when all batches are settled. Raises what a batch raised."""
        while self._begun:
            await self._step()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        tasks = [begun.task for begun in self._begun]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._begun.clear()

    async def _run(
        self, work: Callable[[], Awaitable[T]], settle: Callable[[T], None], before: asyncio.Task[None] | None
    ) -> None:
        outcome = await work()
        if before is not None:
            await asyncio.wait([before])
            before.result()
        settle(outcome)
        self._begun.popleft()  # all earlier ones are gone already

    async def _step(self, *others: asyncio.Future[Any]) -> None:
        """Wait until a batch ends, or one of the others does. Raises what a batch raised."""
        tasks = [begun.task for begun in self._begun]
        await asyncio.wait([*tasks, *others], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
