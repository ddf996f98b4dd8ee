"""What has to be done from time to time, by any process that works.

Leftovers of broken uploads are removed, and operations that have expired.
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
"""How often the files are swept; several processes may do so at once."""


EXPIRE_SECONDS = 3600.0
"""How often expired operations are looked for."""

_Step = Callable[[], Awaitable[int]]
"""Removes what is to go and returns how much that was."""


def run_maintenance(
    files: Files,
    operations: Operations,
    stack: AsyncExitStack,
    *,
    sweep_every: float = SWEEP_SECONDS,
    expire_every: float = EXPIRE_SECONDS,
) -> None:
    """Do each part now and every so many seconds, until the stack is closed."""
    for step, every, what in (
        (files.sweep, sweep_every, "leftovers of broken uploads"),
        (operations.expire, expire_every, "expired operations"),
    ):
        stack.push_async_callback(_end, asyncio.create_task(_repeat(step, every, what), name=f"maintenance: {what}"))


async def _repeat(step: _Step, every: float, what: str) -> None:
    while True:
        try:
            if removed := await step():
                log.info("%s %s were removed", removed, what)
        except Unavailable as error:
            log.info("%s cannot be removed now: %s", what, error.message)
        except Exception:  # what is left behind is a nuisance, never a reason to stop
            log.exception("%s cannot be removed", what)
        await asyncio.sleep(every)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
