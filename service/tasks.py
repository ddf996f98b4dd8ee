"""Doing several things at once, and ending tasks that go on for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")
U = TypeVar("U")

_AGAIN_SECONDS = 0.5


async def cancelled(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks and return when all have ended; how they ended is for whoever looks at them.

    It is cancelled again and again: a driver may take a cancel in the middle of an operation for a connection that
    broke (PyMongo's async client does), and the task would go on.
    """
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=_AGAIN_SECONDS)


async def all_of(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Do all of it at once and return the results in order; the first failure ends the others, and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


async def both(first: Coroutine[Any, Any, T], second: Coroutine[Any, Any, U]) -> tuple[T, U]:
    """Do two things at once and return both results; the failure of one ends the other, and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = group.create_task(first), group.create_task(second)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return tasks[0].result(), tasks[1].result()
