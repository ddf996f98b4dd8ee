"""Operations by the API, on the real one: reading the files of assets again."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from service.ports.store import Change
from service.times import timestamp
from tests.api.client import Api, error_of
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEED = ["operation_id", "type", "status", "progress", "result", "created_at", "completed_at"]


async def upload(api: Api, name: str, text: str) -> str:
    made = await api.ok("POST", "/assets", files={"file": (name, text.encode())})
    return str(made["id"])


async def age(api: Api, *asset_ids: str) -> None:
    """Make records such as readers of earlier days left them."""
    for asset_id in asset_ids:
        body = (await api.service.base.store.get("asset", asset_id)).body
        metadata = {name: value for name, value in body["metadata"].items() if name != "word_count"}
        await api.service.base.store.update("asset", asset_id, Change(set={"metadata": metadata}))


async def ended(api: Api, operation_id: str) -> Any:
    async def done() -> bool:
        return (await api.ok("GET", f"/operations/{operation_id}"))["status"] in {"completed", "failed", "cancelled"}

    await eventually(done, f"{operation_id} ends")
    return await api.ok("GET", f"/operations/{operation_id}")


async def queued(api: Api, **body: Any) -> str:
    """Start an operation that no worker takes by itself, since it is not due."""
    answer = await api.ok("POST", "/assets/reprocess", json=body)
    return str(answer["operation_id"])


async def test_files_are_read_again_by_a_query(api: Api) -> None:
    old = [await upload(api, f"mountain {number}.txt", f"text number {number}") for number in range(3)]
    same = await upload(api, "mountain same.txt", "as it was")
    await upload(api, "valley.txt", "other")
    await age(api, *old)
    await api.settled()
    dry = await api.ok("POST", "/assets/reprocess", json={"query": "mountain", "dry_run": True})
    assert dry == {"dry_run": True, "total": 4}
    answer = await api.call("POST", "/assets/reprocess", json={"query": "mountain", "filters": {"type": "text"}})
    assert answer.status_code == 202, answer.text
    started = answer.json()
    assert answer.headers["location"].endswith(f"/v1/asset-library/operations/{started['operation_id']}")
    assert list(started)[: len(SEED)] == SEED
    assert (started["type"], started["user_id"]) == ("reprocess", "user_789")
    end = await ended(api, started["operation_id"])
    assert end["status"] == "completed", end
    assert end["progress"] == {
        "completed": 4, "total": 4, "percentage": 100, "succeeded": 3, "skipped": 1, "failed": 0,
    }  # fmt: skip
    assert end["result"] == {"total": 4, "succeeded": 3, "skipped": 1, "failed": 0}
    assert end["created_at"] <= end["started_at"] <= end["completed_at"] < end["expires_at"]
    for asset_id in old:
        assert (await api.ok("GET", f"/assets/{asset_id}"))["metadata"]["word_count"] == 3
    items = await api.ok("GET", f"/operations/{started['operation_id']}/items")
    assert {item["id"]: item["status"] for item in items["items"]} == {
        **dict.fromkeys(old, "succeeded"),
        same: "skipped",
    }


async def test_items_come_in_pages_by_their_status(api: Api) -> None:
    ids = [f"asset_{number}" for number in range(900_001, 900_006)]
    there = await upload(api, "a.txt", "words of its own")
    started = await api.ok("POST", "/assets/reprocess", json={"asset_ids": [*ids, there]})
    path = f"/operations/{started['operation_id']}/items"
    assert (await ended(api, started["operation_id"]))["result"]["failed"] == 5
    found: list[str] = []
    params: dict[str, Any] = {"status": "failed", "limit": 2}
    while True:
        page = await api.ok("GET", path, params=params)
        assert len(page["items"]) <= 2
        assert {(item["status"], item["reason"]) for item in page["items"]} == {("failed", "not_found")}
        found += [item["id"] for item in page["items"]]
        if "next_cursor" not in page:
            break
        params["cursor"] = page["next_cursor"]
    assert found == ids
    assert [item["id"] for item in (await api.ok("GET", path, params={"status": "skipped"}))["items"]] == [there]
    error_of(await api.call("GET", path, params={"cursor": "elsewhere"}), 400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, None),
        ({"query": "a", "asset_ids": ["asset_1"]}, None),
        ({"asset_ids": ["7"]}, "asset_ids"),
        ({"asset_ids": []}, "asset_ids"),
        ({"query": "nosuchfield:x"}, "query"),
        ({"query": "a", "filters": {"nosuchfield": 1}}, None),
        ({"query": "a", "unknown": 1}, "unknown"),
    ],
    ids=str,
)
async def test_a_request_that_is_wrong_starts_nothing(api: Api, body: dict[str, Any], field: str | None) -> None:
    before = (await api.ok("GET", "/operations", params={"limit": 1}))["total_count"]
    details = error_of(await api.call("POST", "/assets/reprocess", json=body), 400, "VALIDATION_ERROR")
    assert field is None or details["field"] == field
    assert (await api.ok("GET", "/operations", params={"limit": 1}))["total_count"] == before


async def test_a_repeated_request_starts_one_operation(api: Api) -> None:
    options: dict[str, Any] = {
        "json": {"asset_ids": ["asset_800001"]},
        "headers": {"Idempotency-Key": "reprocess-once"},
    }
    first = await api.ok("POST", "/assets/reprocess", **options)
    second = await api.ok("POST", "/assets/reprocess", **options)
    assert first["operation_id"] == second["operation_id"]


async def test_the_list_is_the_organizations_own(api: Api) -> None:
    other = await api.as_user(org="others")
    mine = [await queued(api, asset_ids=[f"asset_70000{number}"]) for number in range(3)]
    for operation_id in mine:
        await ended(api, operation_id)
    listed = await api.ok("GET", "/operations", params={"type": "reprocess", "status": "completed", "limit": 3})
    assert [operation["operation_id"] for operation in listed["operations"]] == mine[::-1], "the newest first"
    page = await api.ok("GET", "/operations", params={"limit": 2})
    rest = await api.ok("GET", "/operations", params={"limit": 2, "cursor": page["next_cursor"]})
    assert not {each["operation_id"] for each in page["operations"]} & {
        each["operation_id"] for each in rest["operations"]
    }
    assert (await other.ok("GET", "/operations"))["total_count"] == 0
    assert (await api.ok("GET", "/operations", params={"type": "no_such_type"}))["operations"] == []
    for method, path in (("GET", ""), ("POST", "/cancel"), ("GET", "/items"), ("GET", "/events")):
        error_of(await other.call(method, f"/operations/{mine[0]}{path}"), 404, "NOT_FOUND")
        error_of(await api.call(method, f"/operations/reprocess_nothing{path}"), 404, "NOT_FOUND")


async def test_the_services_own_operations_are_nobodys(api: Api) -> None:
    asset_id = await upload(api, "gone.txt", "a file that goes")
    await api.ok("DELETE", f"/assets/{asset_id}", params={"permanent": True, "backup": False})
    found = (await api.service.base.store.find("operation", {"type": "files.collect"}, limit=1)).records
    assert found
    error_of(await api.call("GET", f"/operations/{found[0].key}"), 404, "NOT_FOUND")
    listed = await api.ok("GET", "/operations", params={"limit": 100})
    assert {operation["type"] for operation in listed["operations"]} <= {"reprocess"}


async def test_scopes(api: Api) -> None:
    reader = await api.as_user(scopes="assets:read")
    error_of(await reader.call("POST", "/assets/reprocess", json={"query": ""}), 403, "INSUFFICIENT_SCOPE")
    operation_id = await queued(api, asset_ids=["asset_600001"])
    error_of(await reader.call("POST", f"/operations/{operation_id}/cancel"), 403, "INSUFFICIENT_SCOPE")
    assert (await reader.ok("GET", f"/operations/{operation_id}"))["operation_id"] == operation_id
    assert (await reader.ok("GET", "/operations"))["total_count"] > 0


async def test_a_queued_operation_is_cancelled(api: Api) -> None:
    later = await make_waiting(api)
    answer = await api.ok("POST", f"/operations/{later}/cancel")
    assert (answer["status"], answer["result"]) == ("cancelled", None)
    assert answer["completed_at"]
    assert answer["expires_at"]
    assert await api.ok("POST", f"/operations/{later}/cancel") == answer, "twice is once"


async def make_waiting(api: Api) -> str:
    """Make an operation that is not due for a long time."""
    body = {
        "org_id": "acme",
        "type": "reprocess",
        "internal": False,
        "status": "queued",
        "params": {"asset_ids": ["asset_1"]},
        "run_after": "2999-01-01T00:00:00.000Z",
        "progress": {"completed": 0, "total": 0, "percentage": 0},
        "result": None,
        "error": None,
        "created_at": timestamp(api.service.base.clock.now()),
        "keep_seconds": 60,
        "user_id": "user_1",
        "started_by": {"user_id": "user_1", "scopes": ["assets:write"]},
    }
    key = f"reprocess_{api.service.base.clock.sid()}"
    await api.service.base.store.insert("operation", key, body)
    return key


async def stream(api: Api, operation_id: str, **headers: str) -> list[dict[str, str]]:
    """Read a stream of events to its end."""
    events: list[dict[str, str]] = []
    async with asyncio.timeout(20):
        answer = await api.call("GET", f"/operations/{operation_id}/events", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    for block in answer.text.split("\n\n"):
        lines = [line.partition(": ") for line in block.splitlines() if line and not line.startswith((":", "retry"))]
        if lines:
            events.append({name: value for name, _, value in lines})
    return events


async def test_progress_comes_as_events(api: Api) -> None:
    operation_id = await make_waiting(api)
    store = api.service.base.store
    reading = asyncio.create_task(stream(api, operation_id))
    # What a worker would write while the stream is read.
    for done in (1, 2):
        progress = {
            "completed": done,
            "total": 2,
            "percentage": 50 * done,
            "succeeded": done,
            "skipped": 0,
            "failed": 0,
        }
        await store.update("operation", operation_id, Change(set={"progress": progress}))
        await asyncio.sleep(0)
    await api.ok("POST", f"/operations/{operation_id}/cancel")
    events = await reading
    assert [event["event"] for event in events][-1] == "end"
    assert {event["event"] for event in events[:-1]} <= {"progress"}
    assert json.loads(events[-1]["data"])["status"] == "cancelled"
    ids = [int(event["id"]) for event in events]
    assert ids == sorted(set(ids))
    assert await stream(api, operation_id, **{"Last-Event-ID": "1"}) == events[-1:], "only what is new, then the end"


async def test_a_stream_goes_on_behind_an_event(api: Api) -> None:
    operation_id = await make_waiting(api)
    rev = (await api.service.base.store.get("operation", operation_id)).rev
    reading = asyncio.create_task(stream(api, operation_id, **{"Last-Event-ID": str(rev)}))
    await api.ok("POST", f"/operations/{operation_id}/cancel")
    assert [event["event"] for event in await reading] == ["end"]
    wrong = await api.call("GET", f"/operations/{operation_id}/events", headers={"Last-Event-ID": "x"})
    error_of(wrong, 400, "VALIDATION_ERROR")


async def test_expired_operations_are_removed(api: Api) -> None:
    operation_id = await queued(api, asset_ids=["asset_500001"])
    await ended(api, operation_id)
    store = api.service.base.store
    assert await store.count("operation_page", {"operation_id": operation_id}) == 2
    await store.update("operation", operation_id, Change(set={"expires_at": "2020-01-01T00:00:00.000Z"}))
    assert await api.service.context.operations.expire() == 1
    error_of(await api.call("GET", f"/operations/{operation_id}"), 404, "NOT_FOUND")
    assert await store.count("operation_page", {"operation_id": operation_id}) == 0
    assert await api.service.context.operations.expire() == 0
