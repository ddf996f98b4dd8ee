"""What has to be done from time to time, by any process that works: leftovers of broken uploads are removed."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack

from service.errors import Unavailable
from service.ports.files import Files

log = logging.getLogger(__name__)

SWEEP_SECONDS = 4 * 3600.0
"""How often the files are swept; several processes may do so at once."""


def run_maintenance(files: Files, stack: AsyncExitStack, every: float = SWEEP_SECONDS) -> None:
    """Sweep the files now and every so many seconds, until the stack is closed."""
    task = asyncio.create_task(_sweep(files, every), name="housekeeping")
    stack.push_async_callback(_end, task)


async def _sweep(files: Files, every: float) -> None:
    while True:
        try:
            if removed := await files.sweep():
                log.info("%s leftovers of broken uploads were removed", removed)
        except Unavailable as error:
            log.info("the files cannot be swept now: %s", error.message)
        except Exception:  # what is left behind is a nuisance, never a reason to stop
            log.exception("the files cannot be swept")
        await asyncio.sleep(every)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
