"""Periodic maintenance in any process that runs jobs.

It removes leftovers of interrupted uploads, and expired operations.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from service.core.operations.operations import Operations
from service.errors import Unavailable
from service.ports.files import Files

log = logging.getLogger(__name__)

SWEEP_SECONDS = 4 * 3600.0
"""The interval of sweeps; several processes may sweep at the same time."""


EXPIRE_SECONDS = 3600.0
"""The interval at which expired operations are removed."""

_Step = Callable[[], Awaitable[int]]
"""Removes something and returns how much that was."""


def run_maintenance(
    files: Files,
    operations: Operations,
    stack: AsyncExitStack,
    *,
    sweep_every: float = SWEEP_SECONDS,
    expire_every: float = EXPIRE_SECONDS,
) -> None:
    """Do each part now and again at its interval, until the stack is closed."""
    for step, every, what in (
        (files.sweep, sweep_every, "leftovers of interrupted uploads"),
        (operations.expire, expire_every, "expired operations"),
    ):
        stack.push_async_callback(_end, asyncio.create_task(_repeat(step, every, what), name=f"maintenance: {what}"))


async def _repeat(step: _Step, every: float, what: str) -> None:
    while True:
        try:
            if removed := await step():
                log.info("removed %s %s", removed, what)
        except Unavailable as error:
            log.info("cannot remove %s now: %s", what, error.message)
        except Exception:  # leftovers only cost space, so a failed sweep must not stop the process
            log.exception("cannot remove %s", what)
        await asyncio.sleep(every)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
