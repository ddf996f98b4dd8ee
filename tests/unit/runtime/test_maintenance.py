from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from service.errors import Unavailable
from service.runtime.maintenance import run_maintenance
from tests.support.waiting import until


class _Files:
    """Files, or operations, that remember how often they were swept; a fault comes first."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.swept = 0

    async def expire(self) -> int:
        return await self.sweep()

    async def sweep(self) -> int:
        if self.faults:
            raise self.faults.pop(0)
        self.swept += 1
        return 3


async def test_files_are_swept_at_once_and_again_whatever_happens() -> None:
    files: Any = _Files(Unavailable("files", "no connection"), RuntimeError("a bug"))
    operations: Any = _Files(Unavailable("store", "no connection"), RuntimeError("a bug"))
    async with AsyncExitStack() as stack:
        run_maintenance(files, operations, stack, sweep_every=0.001, expire_every=0.001)
        await until(lambda: files.swept >= 2, "the files were swept twice")
        await until(lambda: operations.swept >= 2, "expired operations were removed twice")
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("maintenance")]
