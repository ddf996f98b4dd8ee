"""What ``assetry doctor`` finds in an OpenSearch: scripted ones in every state, and the real ones that there are."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any

import pytest

from service.adapters.embedded_search.process import OsmemProcess
from service.adapters.opensearch.checks import checks
from service.adapters.opensearch.engine import Connection, OpenSearchEngine
from service.adapters.opensearch.wire import client
from service.ports.checks import Check, Health
from tests.contracts.engines import GIVEN
from tests.unit.adapters.opensearch.servers import Answer, Request, answering, routed, scripted

INFO = {"cluster_uuid": "u", "version": {"distribution": "opensearch", "number": "3.7.0"}}
HEALTH = {"status": "green", "number_of_data_nodes": 2, "active_shards": 10, "unassigned_shards": 0}
SETTINGS = {
    "defaults": {
        "cluster.max_shards_per_node": "1000",
        "action.auto_create_index": "true",
        "cluster.routing.allocation.disk.watermark.low": "85%",
        "cluster.routing.allocation.disk.watermark.flood_stage": "95%",
    }
}
DENIED = {"error": {"type": "security_exception", "reason": "no permissions for [x/y] and User [name=jan]"}}
HIDDEN = Answer.json({"Message": "Your request is not allowed."}, 401)


def node(used: float, *roles: str, clock: float = 0.0) -> dict[str, Any]:
    room = {"total_in_bytes": 1000, "available_in_bytes": round(1000 * (1 - used))}
    return {"roles": roles or ("data",), "fs": {"total": room}, "timestamp": (time.time() + clock) * 1000}


def nodes(*held: dict[str, Any]) -> Answer:
    return Answer.json({"nodes": {str(number): one for number, one in enumerate(held)}})


def routes(**changes: Answer) -> dict[str, Answer]:
    """Return the answers of a healthy engine, with changes by name."""
    found = {
        "info": ("/", Answer.json(INFO)),
        "health": ("/_cluster/health", Answer.json(HEALTH)),
        "settings": ("/_cluster/settings", Answer.json(SETTINGS)),
        "nodes": ("/_nodes/", nodes(node(0.5))),
        "stats": ("/_cluster/stats", Answer.json({"nodes": node(0.3)["fs"] | {"fs": node(0.3)["fs"]["total"]}})),
        "bulk": ("/assets-check", Answer.json({"items": [{"index": {"status": 201}}], "pit_id": "p"})),
        "aliases": ("/_aliases", Answer.json({})),
        "pit": ("/_search", Answer.json({})),
    }
    return {path: changes.get(name, answer) for name, (path, answer) in found.items()}


async def examined(*urls: str, **options: Any) -> dict[str, Check]:
    found = await checks(Connection(urls, **options))
    assert all(check.engine == "search" for check in found)
    assert all(check.fix for check in found if check.health is not Health.OK), "what is not well has a fix"
    return {check.name: check for check in found}


async def test_a_healthy_engine() -> None:
    async with routed(routes()) as (url, seen):
        found = await examined(url)
    assert {check.health for check in found.values()} == {Health.OK}
    assert list(found) == [
        "reachable",
        "version",
        "health",
        "disk",
        "read-only",
        "shards",
        "clock",
        "automatic indexes",
        "permissions",
    ]
    made = [request.path for request in seen if request.method == "PUT" and "/_" not in request.path]
    dropped = [request.path.partition("?")[0] for request in seen if request.method == "DELETE"]
    assert len(made) == 1
    assert made[0].partition("?")[0] in dropped
    changed = {request.path.split("/")[1].partition("?")[0] for request in seen if request.method == "PUT"}
    assert all(name.startswith("assets-check-") for name in changed), "nothing of the service's own is touched"


@pytest.mark.parametrize(
    ("name", "changes", "health", "words"),
    [
        ("health", {"health": Answer.json(HEALTH | {"status": "yellow"})}, Health.WARNING, "yellow"),
        ("health", {"health": Answer.json(HEALTH | {"status": "red"})}, Health.FAILED, "red"),
        ("disk", {"nodes": nodes(node(0.2), node(0.86))}, Health.WARNING, "86% full"),
        ("disk", {"nodes": nodes(node(0.97))}, Health.FAILED, "97% full"),
        ("disk", {"nodes": nodes(node(0.2), node(0.97, "cluster_manager"))}, Health.OK, "20% full"),
        ("disk", {"nodes": HIDDEN}, Health.OK, "30% full"),
        ("disk", {"nodes": HIDDEN, "stats": HIDDEN}, Health.WARNING, "does not reveal"),
        ("disk", {"nodes": nodes({"fs": {"total": {}}})}, Health.OK, "30% full"),
        ("shards", {"health": Answer.json(HEALTH | {"active_shards": 1900})}, Health.WARNING, "1900 of 2000"),
        ("shards", {"health": Answer.json(HEALTH | {"unassigned_shards": 1990})}, Health.FAILED, "2000 of 2000"),
        ("shards", {"settings": HIDDEN}, Health.WARNING, "does not reveal"),
        ("shards", {"settings": Answer.json({})}, Health.WARNING, "cannot read"),
        ("automatic indexes", {"settings": HIDDEN}, Health.WARNING, "does not reveal"),
        (
            "read-only",
            {"settings": Answer.json({"persistent": {"cluster.blocks.create_index": "true"}})},
            Health.FAILED,
            "cluster.blocks.create_index",
        ),
        ("read-only", {"settings": HIDDEN}, Health.OK, "no"),
    ],
)
async def test_each_state_has_its_check(name: str, changes: dict[str, Answer], health: Health, words: str) -> None:
    async with routed(routes(**changes)) as (url, _):
        found = (await examined(url))[name]
    assert found.health is health, found
    assert words in found.found


@pytest.mark.parametrize(
    ("changes", "health", "words"),
    [
        (lambda: {"nodes": nodes(node(0.1, clock=60))}, Health.WARNING, "s ahead"),
        (lambda: {"nodes": nodes(node(0.1, clock=-60))}, Health.WARNING, "s behind"),
        (lambda: {"nodes": HIDDEN}, Health.WARNING, "does not report its time"),
        (lambda: {"nodes": HIDDEN, "info": Answer.json(INFO, Date=formatdate(usegmt=True))}, Health.OK, " s "),
    ],
    ids=["ahead", "behind", "hidden", "header"],
)
async def test_the_clocks_are_compared(changes: Callable[[], dict[str, Answer]], health: Health, words: str) -> None:
    async with routed(routes(**changes())) as (url, _):
        found = (await examined(url))["clock"]
    assert found.health is health, found
    assert words in found.found


async def test_what_may_not_be_done_is_named_and_the_index_is_dropped() -> None:
    seen: list[Request] = []
    healthy = routes()

    def answer(request: Request) -> Answer:
        seen.append(request)
        path = request.path.partition("?")[0]
        if path.endswith(("/_aliases", "/point_in_time")):
            return Answer.json(DENIED, 403)
        fitting = [start for start in healthy if path.startswith(start) and (start != "/" or path == "/")]
        return healthy[max(fitting, key=len)] if fitting else Answer.json({}, 404)

    async with answering(answer) as url:
        found = (await examined(url))["permissions"]
    assert found.health is Health.FAILED
    assert found.setting == "ASSETRY_OPENSEARCH_URL"
    assert "change aliases (security_exception: x/y)" in found.found
    assert "page by PIT (security_exception: x/y)" in found.found
    assert "jan" not in found.found
    assert [request.method for request in seen][-1] == "DELETE"


@pytest.mark.parametrize(
    ("answer", "words", "fix"),
    [
        (Answer.json(DENIED, 403), "create an index (security_exception: x/y)", "permissions"),
        (
            Answer.json({"error": {"type": "validation_exception", "reason": "maximum shards open"}}, 400),
            "create an index (validation_exception)",
            "log",
        ),
        (Answer.json({}, 503), "create an index (search: answered 503", "log"),
    ],
)
async def test_an_index_that_can_not_be_made(answer: Answer, words: str, fix: str) -> None:
    async with routed(routes(bulk=answer)) as (url, _):
        found = (await examined(url))["permissions"]
    assert found.health is Health.FAILED
    assert words in found.found
    assert fix in found.fix


async def test_an_engine_that_is_not_there_is_one_failed_check() -> None:
    async with scripted(None) as (url, _):
        pass
    (found,) = (await examined(url.replace("://", "://u:s3cret@"))).values()
    assert (found.name, found.health, found.setting) == ("reachable", Health.FAILED, "ASSETRY_OPENSEARCH_URL")
    assert found.fix == "start the engine, or correct the address"
    assert "s3cret" not in found.found


POSES = {"version": {"number": "7.10.2"}, "tagline": "The OpenSearch Project: https://opensearch.org/"}


@pytest.mark.parametrize(
    ("answer", "words", "fix"),
    [
        (Answer.json({}, 404), "answered 404, the server is not OpenSearch", "correct the address or its path"),
        (Answer.json({}, 302), "redirects elsewhere (302)", "set that address"),
        (Answer.json({}), "the server is not OpenSearch", "set it to the address of an OpenSearch"),
        (
            Answer.json(POSES),
            "claims to be Elasticsearch 7.10.2",
            'PUT /_cluster/settings {"persistent": {"compatibility.override_main_response_version": false}}',
        ),
    ],
)
async def test_what_is_not_the_engine_that_is_needed_is_reported_with_its_fix(
    answer: Answer, words: str, fix: str
) -> None:
    async with routed({"/": answer}) as (url, _):
        (found,) = (await examined(url)).values()
    assert found.found.startswith(url)
    assert words in found.found
    assert found.fix == fix


async def test_an_engine_that_is_busy_is_one_failed_check() -> None:
    async with scripted((503, "{}")) as (url, _):
        (found,) = (await examined(url)).values()
    assert (found.name, found.health) == ("reachable", Health.FAILED)


async def test_a_host_of_several_that_is_down_is_a_warning() -> None:
    async with scripted(None) as (dead, _):
        pass
    async with routed(routes()) as (url, _):
        found = await examined(dead, url)
    assert found["host"].health is Health.WARNING
    assert found["permissions"].health is Health.OK


async def test_a_password_in_plain_text_is_a_warning_unless_it_stays_on_this_machine() -> None:
    async with routed(routes()) as (url, _):
        assert "encryption" not in await examined(url, user="u", password="p")


@asynccontextmanager
async def osmem() -> AsyncIterator[str]:
    process = OsmemProcess()
    try:
        yield await process.start()
    finally:
        await process.close()


@asynccontextmanager
async def given() -> AsyncIterator[str]:
    yield os.environ[GIVEN]


@pytest.mark.parametrize("engine", [osmem, *([given] if GIVEN in os.environ else [])])
async def test_an_engine_that_runs_is_well_and_keeps_nothing(engine: Any) -> None:
    async with engine() as url:
        found = await checks(Connection((url,)), "doctored")
        failed = [check for check in found if check.health is Health.FAILED]
        assert failed == []
        made = client(Connection((url,)))
        assert await made.indices.get(index="doctored-*") == {}
        await made.close()


async def test_a_block_that_is_set_is_found_with_its_fix() -> None:
    async with osmem() as url:
        engine = OpenSearchEngine(Connection((url,)))
        await engine.create_index("assets-1", {})
        await engine.update_aliases([{"add": {"index": "assets-1", "alias": "assets"}}])
        await engine.put_settings("assets-1", {"index.blocks.read_only_allow_delete": True})
        found = {check.name: check for check in await checks(Connection((url,)))}["read-only"]
        await engine.close()
    assert found.health is Health.FAILED
    assert 'PUT /assets-1/_settings {"index.blocks.read_only_allow_delete": null}' in found.fix
