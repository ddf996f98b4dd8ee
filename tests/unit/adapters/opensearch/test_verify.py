"""What the service says of an engine that it cannot work on: one line, the setting and the fix, no secret."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from service.adapters.opensearch.engine import Connection
from service.adapters.opensearch.startup import numbers, verify
from service.errors import SettingsError, Unavailable
from tests.unit.adapters.opensearch.servers import Answer, mute, routed, scripted

INFO: dict[str, Any] = {
    "cluster_uuid": "u",
    "version": {"distribution": "opensearch", "number": "2.19.3"},
    "tagline": "The OpenSearch Project: https://opensearch.org/",
}
MISSING = {"items": [{"index": {"status": 404, "error": {"type": "index_not_found_exception", "reason": "r"}}}]}
GOOD = {
    "/": Answer.json(INFO),
    "/assets-check-write/_bulk": Answer.json(MISSING),
    "/_cluster/settings": Answer.json({"persistent": {}, "transient": {}}),
}


def refusal(permission: str) -> dict[str, Any]:
    reason = f"no permissions for [{permission}] and User [name=jan, backend_roles=[], requestedTenant=null]"
    return {"error": {"type": "security_exception", "reason": reason}, "status": 403}


def info(**version: str) -> dict[str, Any]:
    return {**INFO, "version": {**INFO["version"], **version}}


async def said(*urls: str, writes: bool = True, **options: Any) -> str:
    """Return the words of the refusal."""
    with pytest.raises(SettingsError) as caught:
        await verify(Connection(urls, **options), prefix="assets", writes=writes)
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)
    return str(caught.value)


async def test_a_good_engine_is_named() -> None:
    async with routed(GOOD) as (url, seen):
        found = await verify(Connection((url,)), prefix="assets", writes=True)
    assert found == {"engine": "opensearch", "version": "2.19.3"}
    assert all(request.method in {"GET", "POST"} for request in seen), "an examination at start changes nothing"


async def test_one_that_only_reads_is_not_asked_to_write() -> None:
    async with routed(GOOD) as (url, seen):
        await verify(Connection((url,)), prefix="assets", writes=False)
    assert not [request.path for request in seen if "_bulk" in request.path or "blocks" in request.path]


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        ({"error": "Unauthorized"}, 401, "requires credentials: set ASSETRY_OPENSEARCH_USER"),
        (refusal("cluster:monitor/main"), 403, "lacks cluster:monitor/main"),
        ({}, 404, "not OpenSearch"),
        ({}, 302, "redirects elsewhere (302)"),
        ({}, 200, "not OpenSearch"),
        ([], 200, "not OpenSearch"),
        ({"version": 3}, 200, "not OpenSearch"),
        ({"version": {"number": "new"}}, 200, "not OpenSearch"),
        (info(number="2.18.0"), 200, "is OpenSearch 2.18.0: upgrade it to 2.19"),
        (info(number="1.3.20"), 200, "upgrade it"),
        (
            {**info(number="7.10.2", distribution=""), "tagline": "You Know, for Search"},
            200,
            "is Elasticsearch 7.10.2",
        ),
        (info(number="7.10.2", distribution=""), 200, "compatibility.override_main_response_version"),
    ],
)
async def test_what_answers_is_not_what_is_needed(content: object, status: int, words: str) -> None:
    async with routed({"/": Answer.json(content, status)}) as (url, _):
        message = await said(url)
    assert message.startswith("ASSETRY_OPENSEARCH_URL: ")
    assert words in message


async def test_a_wrong_password_is_said_without_it() -> None:
    async with routed({"/": Answer.json({}, 401)}) as (url, _):
        assert "rejected the user or the password" in await said(url, user="jan", password="s3cret")


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_engine_that_is_busy_is_unavailable(status: int) -> None:
    async with routed({"/": Answer.json({}, status)}) as (url, _):
        with pytest.raises(Unavailable):
            await verify(Connection((url,)), prefix="assets", writes=True)


async def test_no_json_is_no_opensearch() -> None:
    async with scripted((200, "<html>"), kind="text/html") as (url, _):
        assert "not OpenSearch" in await said(url)


async def test_what_hangs_up_may_want_tls() -> None:
    async with scripted(None) as (url, _):
        assert "use https://" in await said(url)


async def test_nothing_listens() -> None:
    async with scripted(None) as (url, _):
        pass
    assert "start the engine" in await said(url.replace("://", "://u:s3cret@"))


async def test_no_such_host() -> None:
    assert "cannot resolve the host name nowhere.invalid" in await said("http://u:s3cret@nowhere.invalid:9200")


async def test_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.adapters.opensearch.raw_calls.SECONDS", 0.1)
    async with mute() as url, asyncio.timeout(5):
        assert "does not answer in time" in await said(url)


async def test_one_dead_host_of_two_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with scripted(None) as (dead, _):
        pass
    async with routed(GOOD) as (url, _):
        with caplog.at_level(logging.WARNING):
            await verify(Connection((dead, url)), prefix="assets", writes=True)
    assert "cannot use one of 2 hosts" in caplog.text


async def test_hosts_of_two_clusters_are_refused() -> None:
    async with routed(GOOD) as (one, _), routed({"/": Answer.json({**INFO, "cluster_uuid": "v"})}) as (other, _):
        assert "different clusters" in await said(one, other)


async def test_a_node_that_has_not_joined_yet_is_of_no_other_cluster() -> None:
    """It says so itself, and joins a moment later: no reason to end."""
    starting = {"/": Answer.json({**INFO, "cluster_uuid": "_na_"})}
    async with routed(GOOD) as (one, _), routed(starting) as (other, _):
        await verify(Connection((one, other)), prefix="assets", writes=True)


async def test_a_block_that_may_not_be_looked_at_is_seen_by_what_it_does() -> None:
    """A managed service may keep its cluster's settings to itself."""
    reason = "blocked by: [FORBIDDEN/6/cluster read-only (api)];"
    blocked = Answer.json({"error": {"type": "cluster_block_exception", "reason": reason}}, 403)
    hidden = Answer.json(refusal("cluster:monitor/settings"), 403)
    routes = {**GOOD, "/_cluster/settings": hidden, "/assets-check-write/_bulk": blocked}
    async with routed(routes) as (url, _):
        message = await said(url)
    assert "is read-only (blocked by: [FORBIDDEN/6" in message
    assert "remove the block" in message


DENIED = Answer.json(refusal("indices:data/x"), 403)
DENIED_ITEM = Answer.json({"items": [{"index": {"status": 403, **refusal("indices:data/y")}}]})


@pytest.mark.parametrize(
    ("path", "answer", "permission"),
    [
        ("/assets/_search", DENIED, "indices:data/x"),
        ("/assets-check-write/_bulk", DENIED, "indices:data/x"),
        ("/assets-check-write/_bulk", DENIED_ITEM, "indices:data/y"),
    ],
)
async def test_a_permission_that_lacks_is_named_and_its_user_is_not(path: str, answer: Answer, permission: str) -> None:
    async with routed({**GOOD, path: answer}) as (url, _):
        message = await said(url)
    assert f"lacks {permission}" in message
    assert "jan" not in message


BLOCK = "index.blocks.read_only_allow_delete"
BLOCKED = Answer.json({"assets-1": {"settings": {BLOCK: "true"}}})
CLUSTER = "cluster.blocks.read_only"


@pytest.mark.parametrize(
    ("path", "answer", "fix"),
    [
        ("/assets/_settings", BLOCKED, f'free disk space, then PUT /assets-1/_settings {{"{BLOCK}": null}}'),
        (
            "/_cluster/settings",
            Answer.json({"persistent": {CLUSTER: "true"}, "transient": {}}),
            f'free disk space, then PUT /_cluster/settings {{"persistent": {{"{CLUSTER}": null}}}}',
        ),
    ],
)
async def test_a_read_only_engine_is_refused_to_who_writes(path: str, answer: Answer, fix: str) -> None:
    async with routed({**GOOD, path: answer}) as (url, _):
        assert fix in await said(url)
        await verify(Connection((url,)), prefix="assets", writes=False)


async def test_what_a_managed_service_does_not_tell_stops_nothing() -> None:
    hidden = Answer.json({"Message": "Your request: '/_cluster/settings' is not allowed."}, 401)
    async with routed({**GOOD, "/_cluster/settings": hidden}) as (url, _):
        await verify(Connection((url,)), prefix="assets", writes=True)


async def test_an_index_that_is_broken_stops_no_start() -> None:
    broken = Answer.json({"error": {"type": "search_phase_execution_exception", "reason": "all shards failed"}}, 503)
    async with routed({**GOOD, "/assets/_search": broken}) as (url, _):
        await verify(Connection((url,)), prefix="assets", writes=True)


@pytest.mark.parametrize(
    ("version", "expected"), [("3.7.0", (3, 7, 0)), ("2.19.0-SNAPSHOT", (2, 19, 0)), ("10", (10,)), ("new", ())]
)
def test_versions_compare_by_number(version: str, expected: tuple[int, ...]) -> None:
    assert numbers(version) == expected
