"""The steps of docs/how-to-add-an-operation.md, as they are written there."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from service.api.dialects.native.views import operation
from service.api.kernel.call import Call, Reply
from service.api.kernel.inputs import NoParams
from service.core.access.keys import Principal
from service.core.operation_types import OPERATION_TYPES
from service.core.operations.operations import Operations
from service.core.operations.registry import OperationRegistry
from service.model import AssetCreate
from tests.unit.core.fakes import Clock, Shelf

PAGE = Path(__file__).parents[3] / "docs" / "how-to-add-an-operation.md"
WRITE, TABLE, HANDLE, START = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def follow(step: str, names: dict[str, Any]) -> None:
    exec(compile(step, str(PAGE), "exec"), names)


async def test_the_steps_make_an_operation(shelf: Shelf, who: Principal, clock: Clock) -> None:
    names: dict[str, Any] = {"__name__": "shouting", "OPERATION_TYPES": OPERATION_TYPES}
    follow(WRITE, names)
    follow(TABLE, names)
    registry = OperationRegistry(names["OPERATION_TYPES"])
    names |= {
        "queue": SimpleNamespace(registry=registry, jobs=shelf.jobs),
        "base": SimpleNamespace(store=shelf.store),
        "Call": Call,
        "NoParams": NoParams,
        "Reply": Reply,
        "operation": operation,
    }
    follow(HANDLE, names)
    follow(START, names)

    quiet = (await shelf.assets.create(who, AssetCreate(type="text", title="quiet"))).key
    loud = (await shelf.assets.create(who, AssetCreate(type="text", title="LOUD"))).key
    operations = Operations(shelf.store, shelf.jobs, clock, registry)
    call = SimpleNamespace(
        context=SimpleNamespace(operations=operations),
        who=who,
        body=names["Shout"](asset_ids=[quiet, loud, "asset_999"]),
        attempt=None,
        accepted=lambda body, location: Reply(body, 202, {"Location": location}),
    )
    reply = cast(Reply, await names["shout"](call))
    assert (reply.status, reply.body["type"], reply.body["status"]) == (202, "shout", "queued")

    await shelf.jobs.start()
    async with asyncio.timeout(20):
        await shelf.jobs.drain()
    end = operation(await operations.get(who, reply.body["operation_id"]))
    assert (end["status"], end["result"]) == ("completed", {"succeeded": 1, "skipped": 1, "failed": 1})
    assert (await shelf.store.get("asset", quiet)).body["title"] == "QUIET"
    items = (await operations.items(who, end["operation_id"], limit=10)).items
    assert [(item.key, item.reason) for item in items] == [
        (quiet, None),
        (loud, "unchanged"),
        ("asset_999", "not_found"),
    ]
