"""Operations: long or later work, kept as records and run by the jobs port."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from service.ports.clock import Clock
from service.ports.jobs import Jobs
from service.ports.store import Body, Record, Store
from service.times import timestamp


class Operations:
    """Submits operations."""

    def __init__(self, store: Store, jobs: Jobs, clock: Clock) -> None:
        self._store = store
        self._jobs = jobs
        self._clock = clock

    async def submit(self, type_: str, org_id: str, params: Mapping[str, Any], *, delay: float = 0) -> Record:
        """Write an operation's record and have it run, not before ``delay`` seconds have passed."""
        now = self._clock.now()
        body: Body = {
            "org_id": org_id,
            "type": type_,
            "status": "queued",
            "params": dict(params),
            "attempts": 0,
            "run_after": timestamp(now + timedelta(seconds=delay)),
            "progress": {"completed": 0, "total": 0, "percentage": 0},
            "result": None,
            "error": None,
            "created_at": timestamp(now),
            "started_at": None,
            "completed_at": None,
        }
        record = await self._store.insert("operation", f"{type_.replace('.', '_')}_{self._clock.sid()}", body)
        await self._jobs.enqueue(record.key)
        return record
