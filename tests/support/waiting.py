"""Waiting for a condition on the event loop, instead of for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

PATIENCE = 20.0


async def until(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Return once the condition holds; fail when that takes too long."""
    try:
        async with asyncio.timeout(patience):
            while not condition():
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"not within {patience} s: {what}") from None


async def eventually(condition: Callable[[], Awaitable[bool]], what: str, patience: float = PATIENCE) -> None:
    """Return once the condition, which has to ask somebody, holds; fail when that takes too long."""
    try:
        async with asyncio.timeout(patience):
            while not await condition():
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"not within {patience} s: {what}") from None
