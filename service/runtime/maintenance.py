"""Periodic maintenance in any process that runs jobs: removes leftovers of interrupted uploads."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack

from service.errors import Unavailable
from service.ports.files import Files

log = logging.getLogger(__name__)

SWEEP_SECONDS = 4 * 3600.0
"""The interval of sweeps; several processes may sweep at the same time."""


def run_maintenance(files: Files, stack: AsyncExitStack, every: float = SWEEP_SECONDS) -> None:
    """Sweep the files now and every ``every`` seconds, until the stack is closed."""
    task = asyncio.create_task(_sweep(files, every), name="maintenance")
    stack.push_async_callback(_end, task)


async def _sweep(files: Files, every: float) -> None:
    while True:
        try:
            if removed := await files.sweep():
                log.info("removed %s leftovers of interrupted uploads", removed)
        except Unavailable as error:
            log.info("cannot sweep the files now: %s", error.message)
        except Exception:  # leftovers only cost space, so a failed sweep must not stop the process
            log.exception("cannot sweep the files")
        await asyncio.sleep(every)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
