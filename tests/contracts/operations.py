"""Operations for the jobs suites: made, waited for, answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from service.ports.clock import SystemClock
from service.ports.jobs import Handler, Jobs, Progress
from service.ports.store import Body, Record, Store
from service.times import timestamp

FAR = "2999-01-01T00:00:00.000Z"


async def submit(store: Store, key: str = "op", **fields: Any) -> None:
    body: Body = {
        "org_id": "o",
        "type": "test",
        "status": "queued",
        "params": {},
        "created_at": timestamp(SystemClock().now()),
    }
    await store.insert("operation", key, {**body, **fields})


async def operation(store: Store, key: str = "op") -> Body:
    return (await store.get("operation", key)).body


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.01)


async def until_status(store: Store, status: str, key: str = "op") -> Body:
    async def reached() -> bool:
        return bool((await operation(store, key))["status"] == status)

    await until(reached)
    return await operation(store, key)


async def finish(jobs: Jobs) -> None:
    async with asyncio.timeout(20):
        await jobs.drain()


def answering(result: Body, runs: list[str] | None = None) -> Handler:
    async def handler(record: Record, progress: Progress) -> Body:
        if runs is not None:
            runs.append(record.key)
        return result

    return handler
