"""Bulk work by the API: each request of seed 000, what becomes of each asset, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.api.client import Api, error_of
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEED_UPDATES = {
    "tags": {"add": ["marketing", "q1_2024"], "remove": ["draft"]},
    "title_prefix": "Marketing - ",
    "description_suffix": " - Generated with ALwrity",
    "collections": {"add": ["marketing_campaign_q1"], "remove": ["drafts"]},
}
UNCHECKED = {"asset_ids": ["asset_1"], "updates": {"license": "x"}, "options": {"validate_changes": False}}
SEED_OPTIONS = {"create_backup": True, "validate_changes": True, "notify_on_completion": True}


async def make(api: Api, count: int = 3, **fields: Any) -> list[str]:
    body = {"type": "image", "title": "Mountain", "description": "A lake", "tags": ["draft", "lake"]}
    body |= {"collections": ["drafts"], **fields}
    return [(await api.ok("POST", "/assets", json=body))["id"] for _ in range(count)]


async def assets(api: Api, ids: list[str]) -> list[dict[str, Any]]:
    return [await api.ok("GET", f"/assets/{asset_id}") for asset_id in ids]


async def ended(api: Api, started: Mapping[str, Any]) -> Any:
    path = f"/operations/{started['operation_id']}"

    async def done() -> bool:
        return (await api.ok("GET", path))["status"] in {"completed", "failed", "cancelled"}

    await eventually(done, f"{path} ends")
    return await api.ok("GET", path)


async def items_of(api: Api, started: Mapping[str, Any]) -> dict[str, tuple[str, str | None]]:
    await ended(api, started)
    found = (await api.ok("GET", f"/operations/{started['operation_id']}/items"))["items"]
    return {item["id"]: (item["status"], item["reason"]) for item in found}


async def undone(api: Api, started: Mapping[str, Any]) -> dict[str, tuple[str, str | None]]:
    await ended(api, started)
    return await items_of(api, await api.ok("POST", f"/operations/{started['operation_id']}/undo"))


async def test_the_update_of_the_seed(api: Api) -> None:
    ids = await make(api)
    body = {"asset_ids": ids, "updates": SEED_UPDATES, "options": SEED_OPTIONS}
    started = await api.ok("PATCH", "/assets/bulk/metadata", json=body)
    assert started["operation_id"].startswith("bulk_update_")
    assert (started["status"], started["assets_total"]) in {("processing", 3), ("completed", 3)}
    end = await ended(api, started)
    assert (end["type"], end["status"]) == ("bulk_update", "completed")
    assert end["progress"] == {
        "completed": 3, "total": 3, "percentage": 100, "succeeded": 3, "skipped": 0, "failed": 0,
    }  # fmt: skip
    for asset in await assets(api, ids):
        assert asset["tags"] == ["lake", "marketing", "q1_2024"]
        assert asset["title"] == "Marketing - Mountain"
        assert asset["description"] == "A lake - Generated with ALwrity"
        assert asset["collections"] == ["marketing_campaign_q1"]
    assert len({asset["slug"] for asset in await assets(api, ids)}) == 3
    again = await api.ok("PATCH", "/assets/bulk/metadata", json=body)
    assert set((await items_of(api, again)).values()) == {("skipped", "unchanged")}


async def test_an_update_is_undone(api: Api) -> None:
    ids = await make(api)
    before = await assets(api, ids)
    updates = {**SEED_UPDATES, "license": "CC0", "metadata": {"width": 10}, "custom": {"client": "Acme"}}
    started = await api.ok("PATCH", "/assets/bulk/metadata", json={"asset_ids": ids, "updates": updates})
    assert set((await items_of(api, started)).values()) == {("succeeded", None)}
    assert set((await undone(api, started)).values()) == {("succeeded", None)}
    changing = {"rev", "updated_at", "urls"}
    for was, is_ in zip(before, await assets(api, ids), strict=True):
        assert {k: v for k, v in is_.items() if k not in changing} == {
            k: v for k, v in was.items() if k not in changing
        }
    assert set((await undone(api, started)).values()) == {("skipped", "unchanged")}, "it is as it was"


async def test_an_undo_leaves_what_was_changed_since(api: Api) -> None:
    first, second, third = ids = await make(api)
    updates = {"license": "CC0", "tags": {"add": ["marketing"], "remove": ["draft"]}, "metadata": {"width": 10}}
    started = await api.ok("PATCH", "/assets/bulk/metadata", json={"asset_ids": ids, "updates": updates})
    await ended(api, started)
    await api.ok("PATCH", f"/assets/{first}", json={"license": "Mine"})
    await api.ok("PATCH", f"/assets/{second}", json={"tags": ["lake", "marketing", "new"], "metadata": {"height": 5}})
    await api.ok("DELETE", f"/assets/{third}", params={"permanent": True})
    assert await undone(api, started) == {
        first: ("succeeded", "changed_since"),
        second: ("succeeded", None),
        third: ("skipped", "deleted"),
    }
    one, two = await assets(api, [first, second])
    assert (one["license"], one["tags"]) == ("Mine", ["draft", "lake"])
    assert (two["license"], two["tags"]) == (None, ["lake", "new", "draft"])
    assert two["metadata"] == {"height": 5}


async def test_an_update_by_a_query_takes_what_it_finds(api: Api) -> None:
    ids = await make(api, 4, title="Zanzibar")
    await make(api, 1, title="Elsewhere")
    await api.settled()
    started = await api.ok(
        "PATCH", "/assets/bulk/metadata", json={"query": "zanzibar", "updates": {"tags": {"add": ["island"]}}}
    )
    assert set(await items_of(api, started)) == set(ids)
    assert all("island" in asset["tags"] for asset in await assets(api, ids))


async def test_an_item_that_fails_stops_no_other(api: Api) -> None:
    (there,) = await make(api, 1)
    (long,) = await make(api, 1, title="x" * 495)
    other = await api.as_user(org="others")
    (foreign,) = await make(other, 1)
    ids = [there, long, foreign, "asset_999999"]
    started = await api.ok(
        "PATCH", "/assets/bulk/metadata", json={"asset_ids": ids, "updates": {"title_prefix": "Marketing - "}}
    )
    assert await items_of(api, started) == {
        there: ("succeeded", None),
        long: ("failed", "invalid"),
        foreign: ("failed", "not_found"),
        "asset_999999": ("failed", "not_found"),
    }
    assert (await other.ok("GET", f"/assets/{foreign}"))["title"] == "Mountain"


async def test_a_dry_run_changes_nothing(api: Api) -> None:
    ids = await make(api, 2)
    before = await assets(api, ids)
    body = {"asset_ids": [*ids, "asset_999999"], "updates": {"title_prefix": "New "}, "dry_run": True}
    answer = await api.ok("PATCH", "/assets/bulk/metadata", json=body)
    assert (answer["dry_run"], answer["assets_total"]) == (True, 3)
    assert [item["status"] for item in answer["items"]] == ["succeeded", "succeeded", "failed"]
    assert answer["items"][0]["before"]["title"] == "Mountain"
    assert answer["items"][0]["after"]["title"] == "New Mountain"
    assert await assets(api, ids) == before


async def test_favorites_are_the_callers(api: Api) -> None:
    ids = await make(api, 2)
    other = await api.as_user(user="someone_else")
    body = {"asset_ids": ids, "action": "add", "collection": "favorites"}
    added = await api.ok("POST", "/assets/bulk/favorites", json=body)
    await ended(api, added)
    for asset in await assets(api, ids):
        assert asset["is_favorite"]
        assert asset["usage_stats"]["favorites"] == 1
        assert "favorites" in asset["collections"]
    assert not any(asset["is_favorite"] for asset in await assets(other, ids))
    await ended(other, await other.ok("POST", "/assets/bulk/favorites", json={"asset_ids": ids[:1], "action": "add"}))
    assert await undone(api, added) == dict.fromkeys(ids, ("succeeded", None))
    mine, theirs = await assets(api, ids), await assets(other, ids)
    assert [asset["is_favorite"] for asset in mine] == [False, False]
    assert [asset["is_favorite"] for asset in theirs] == [True, False], "another's stays"
    assert [asset["usage_stats"]["favorites"] for asset in mine] == [1, 0]


async def test_collections(api: Api) -> None:
    ids = await make(api, 2)
    body = {
        "asset_ids": ids,
        "collections": {"add": ["marketing_q1", "approved_assets"], "remove": ["drafts", "review_pending"]},
    }
    started = await api.ok("POST", "/assets/bulk/collections", json=body)
    assert set((await items_of(api, started)).values()) == {("succeeded", None)}
    for asset in await assets(api, ids):
        assert asset["collections"] == ["marketing_q1", "approved_assets"]


async def test_a_delete_is_confirmed_and_undone(api: Api) -> None:
    ids = await make(api)
    body: dict[str, Any] = {
        "asset_ids": ids,
        "confirmation_required": True,
        "reason": "Cleanup old draft assets",
        "options": {"permanent_delete": False, "create_backup": True, "notify_team": True},
    }
    asked = await api.ok("DELETE", "/assets/bulk", json=body)
    assert (asked["status"], asked["assets_total"]) == ("confirmation_required", 3)
    assert not any(asset["is_deleted"] for asset in await assets(api, ids)), "nothing is deleted yet"
    started = await api.ok("DELETE", "/assets/bulk", json={**body, "confirmation_token": asked["confirmation_token"]})
    assert started["operation_id"].startswith("bulk_delete_")
    await ended(api, started)
    assert all(asset["is_deleted"] for asset in await assets(api, ids))
    assert await undone(api, started) == dict.fromkeys(ids, ("succeeded", None))
    assert not any(asset["is_deleted"] for asset in await assets(api, ids))


async def test_a_confirmation_is_of_one_request_and_its_user(api: Api) -> None:
    ids = await make(api, 2)
    other = await api.as_user(user="someone_else")
    body: dict[str, Any] = {"asset_ids": ids, "confirmation_required": True}
    token = (await api.ok("DELETE", "/assets/bulk", json=body))["confirmation_token"]
    for who, wrong in (
        (api, {**body, "asset_ids": ids[:1], "confirmation_token": token}),
        (api, {**body, "options": {"permanent_delete": True}, "confirmation_token": token}),
        (api, {**body, "confirmation_token": f"9{token}"}),
        (api, {**body, "confirmation_token": "nonsense"}),
        (api, {**body, "confirmation_token": "9999999999.2.é"}),
        (other, {**body, "confirmation_token": token}),
    ):
        details = error_of(await who.call("DELETE", "/assets/bulk", json=wrong), 400, "VALIDATION_ERROR")
        assert details["field"] == "confirmation_token"
    assert not any(asset["is_deleted"] for asset in await assets(api, ids))


async def test_a_delete_of_everything_is_always_confirmed(api: Api) -> None:
    other = await api.as_user(org="sweepers")
    await make(other, 2)
    await api.settled()
    asked = await other.ok("DELETE", "/assets/bulk", json={"query": " "})
    assert (asked["status"], asked["assets_total"]) == ("confirmation_required", 2)


@pytest.mark.any_query
async def test_a_permanent_delete_leaves_backups(api: Api) -> None:
    ids = await make(api, 2)
    started = await api.ok(
        "DELETE", "/assets/bulk", json={"asset_ids": [*ids, "asset_999999"], "options": {"permanent_delete": True}}
    )
    assert await items_of(api, started) == {
        **dict.fromkeys(ids, ("succeeded", None)),
        "asset_999999": ("failed", "not_found"),
    }
    for asset_id in ids:
        error_of(await api.call("GET", f"/assets/{asset_id}"), 404, "ASSET_NOT_FOUND")
        backups = (await api.service.base.store.find("backup", {"asset_id": asset_id}, limit=5)).records
        assert [backup.body["asset"]["title"] for backup in backups] == ["Mountain"]
    assert set((await undone(api, started)).values()) == {("skipped", "deleted")}


async def test_a_dry_run_of_a_permanent_delete_means_the_trash_too(api: Api) -> None:
    ids = await make(api, 1)
    await api.ok("DELETE", f"/assets/{ids[0]}")
    body: dict[str, Any] = {"asset_ids": ids, "dry_run": True}
    (kept,) = (await api.ok("DELETE", "/assets/bulk", json=body))["items"]
    (gone,) = (await api.ok("DELETE", "/assets/bulk", json={**body, "options": {"permanent_delete": True}}))["items"]
    assert (kept["status"], gone["status"]) == ("skipped", "succeeded")


async def test_retrieve(api: Api) -> None:
    ids = await make(api)
    other = await api.as_user(org="others")
    (foreign,) = await make(other, 1)
    body = {"asset_ids": [*ids[::-1], foreign, ids[0]], "include_metadata": True, "include_urls": False}
    found = await api.ok("POST", "/assets/bulk/retrieve", json=body)
    assert [asset["id"] for asset in found["assets"]] == ids[::-1]
    assert (found["total_found"], found["total_requested"], found["not_found"]) == (3, 4, [foreign])
    assert all("metadata" in asset and "usage_stats" in asset and "urls" not in asset for asset in found["assets"])


async def test_retrieve_by_a_query_comes_in_pages(api: Api) -> None:
    ids = await make(api, 5, title="Kilimanjaro")
    await api.settled()
    body: dict[str, Any] = {"query": "kilimanjaro", "limit": 2}
    found: list[str] = []
    while True:
        page = await api.ok("POST", "/assets/bulk/retrieve", json=body)
        assert page["total_found"] == 5
        found += [asset["id"] for asset in page["assets"]]
        if "next_cursor" not in page:
            break
        body["cursor"] = page["next_cursor"]
    assert sorted(found) == sorted(ids)


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "retrieve", {"asset_ids": [f"asset_{n}" for n in range(1, 1002)]}, "asset_ids"),
        ("POST", "retrieve", {"asset_ids": ["asset_1"], "limit": 5}, None),
        ("PATCH", "metadata", {"asset_ids": ["asset_1"], "query": "a", "updates": {"license": "x"}}, None),
        ("PATCH", "metadata", {"asset_ids": ["asset_1"], "updates": {}}, "updates"),
        ("PATCH", "metadata", {"asset_ids": ["asset_1"], "updates": {"colour": "red"}}, "updates.colour"),
        ("PATCH", "metadata", {"asset_ids": ["asset_1"], "updates": {"module": None}}, "module"),
        ("PATCH", "metadata", UNCHECKED, "options.validate_changes"),
        ("PATCH", "metadata", {"asset_ids": ["one"], "updates": {"license": "x"}}, "asset_ids"),
        ("PATCH", "metadata", {"query": "nosuchfield:x", "updates": {"license": "x"}}, "query"),
        ("POST", "collections", {"asset_ids": ["asset_1"], "collections": {}}, "collections"),
        ("POST", "favorites", {"asset_ids": ["asset_1"], "action": "toggle"}, "action"),
    ],
    ids=str,
)  # fmt: skip
async def test_a_request_that_is_wrong_starts_nothing(
    api: Api, method: str, path: str, body: dict[str, Any], field: str | None
) -> None:
    before = (await api.ok("GET", "/operations", params={"limit": 1}))["total_count"]
    details = error_of(await api.call(method, f"/assets/bulk/{path}", json=body), 400, "VALIDATION_ERROR")
    assert field is None or details["field"] == field
    assert (await api.ok("GET", "/operations", params={"limit": 1}))["total_count"] == before


async def test_only_admins_give_admin_tags(api: Api) -> None:
    ids = await make(api, 1)
    writer = await api.as_user(scopes="assets:read,assets:write")
    body = {"asset_ids": ids, "updates": {"tags": {"add": ["*secret"]}}}
    error_of(await writer.call("PATCH", "/assets/bulk/metadata", json=body), 403, "INSUFFICIENT_SCOPE")
    reader = await api.as_user(scopes="assets:read")
    body = {"asset_ids": ids, "updates": {"license": "x"}}
    error_of(await reader.call("PATCH", "/assets/bulk/metadata", json=body), 403, "INSUFFICIENT_SCOPE")


async def test_what_cannot_be_undone(api: Api) -> None:
    other = await api.as_user(org="others")
    ids = await make(api, 1)
    body: dict[str, Any] = {"asset_ids": ids, "updates": {"license": "x"}, "options": {"create_backup": False}}
    started = await api.ok("PATCH", "/assets/bulk/metadata", json=body)
    error_of(await other.call("POST", f"/operations/{started['operation_id']}/undo"), 404, "NOT_FOUND")
    assert await undone(api, started) == {ids[0]: ("failed", "not_kept")}


async def test_a_repeated_request_starts_one_operation(api: Api) -> None:
    ids = await make(api, 1)
    options: dict[str, Any] = {
        "json": {"asset_ids": ids, "updates": {"license": "once"}},
        "headers": {"Idempotency-Key": "bulk-once"},
    }
    first = await api.ok("PATCH", "/assets/bulk/metadata", **options)
    assert (await api.ok("PATCH", "/assets/bulk/metadata", **options))["operation_id"] == first["operation_id"]
