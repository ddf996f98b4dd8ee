from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from service.adapters.opensearch.engine import Connection, OpenSearchEngine
from service.adapters.opensearch.wire import bulk_body, describe
from service.errors import Unavailable
from service.ports.search import BulkItem, PitGone, Rejected
from tests.support.virtual_time import on_virtual_time
from tests.support.waiting import PATIENCE
from tests.unit.adapters.opensearch.servers import Answer, Request, answering, listening, mute, scripted


@asynccontextmanager
async def connected(*hosts: str, **options: Any) -> AsyncIterator[OpenSearchEngine]:
    engine = OpenSearchEngine(Connection(hosts=hosts, **options))
    try:
        yield engine
    finally:
        await engine.close()


REFUSAL = (
    '{"error":{"type":"parsing_exception","reason":"outer","caused_by":{"type":"x","reason":"inner"}},"status":400}'
)
HITS = '{"timed_out":%s,"_shards":{"total":2,"successful":2,"skipped":1,"failed":%d},"hits":{"hits":[]}}'
# What OpenSearch answers of a shard that has no copy anywhere: none failed.
RED = '{"total":2,"successful":1,"skipped":0,"failed":0}'
LOST = (
    '{"total":2,"successful":1,"skipped":0,"failed":1,"failures":[{"shard":1,"index":"i",'
    '"reason":{"type":"search_context_missing_exception","reason":"No search context found for id [1]"}}]}'
)


@pytest.mark.parametrize("status", [401, 403, 408, 429, 500, 502, 503, 504])
async def test_not_now_is_unavailable_and_is_not_retried(status: int) -> None:
    async with scripted((status, '{"error":{"type":"busy","reason":"r"}}')) as (url, seen), connected(url) as engine:
        with pytest.raises(Unavailable):
            await engine.search("i", {})
        assert len(seen) == 1


@pytest.mark.parametrize("status", [400, 405, 409, 413])
async def test_a_refusal_is_rejected_with_all_of_its_reasons(status: int) -> None:
    async with scripted((status, REFUSAL)) as (url, _), connected(url) as engine:
        with pytest.raises(Rejected) as caught:
            await engine.search("i", {})
    assert caught.value.status == status
    assert caught.value.error_type == "parsing_exception"
    assert caught.value.reason == "outer: inner"


async def test_too_many_buckets_are_a_refusal_whatever_the_status_says() -> None:
    """As OpenSearch 3.7 answers: a client that is told to try again would do so for ever."""
    cause = '{"type":"too_many_buckets_exception","reason":"Trying to create too many buckets.","max_buckets":20}'
    body = f'{{"error":{{"type":"search_phase_execution_exception","reason":"","caused_by":{cause}}},"status":503}}'
    async with scripted((503, body)) as (url, _), connected(url) as engine:
        with pytest.raises(Rejected) as caught:
            await engine.search("i", {})
    assert (caught.value.status, caught.value.error_type) == (400, "too_many_buckets_exception")


@pytest.mark.parametrize("body", ['"Forbidden"', "[]", "<html>", "", '{"Message": "no"}', "\xff"])
async def test_a_refusal_of_any_shape_is_understood(body: str) -> None:
    """A gateway in front of an engine answers in its own ways."""
    async with scripted((400, body)) as (url, _), connected(url) as engine:
        with pytest.raises(Rejected) as caught:
            await engine.search("i", {})
    assert caught.value.error_type == "unknown"


@pytest.mark.parametrize(("timed_out", "failed"), [("true", 0), ("false", 1)])
async def test_a_partial_answer_is_no_answer(timed_out: str, failed: int) -> None:
    async with scripted((200, HITS % (timed_out, failed))) as (url, _), connected(url) as engine:
        with pytest.raises(Unavailable, match="partial"):
            await engine.search("i", {})


CALLS: dict[str, Callable[[OpenSearchEngine], Awaitable[object]]] = {
    "search": lambda engine: engine.search("i", {}),
    "by PIT": lambda engine: engine.search(None, {"pit": {"id": "p"}}),
    "count": lambda engine: engine.count("i", {}),
    "scan": lambda engine: engine.scan_documents("i", after=None, limit=1),
    "open a PIT": lambda engine: engine.open_pit("i", "1m"),
}


@pytest.mark.parametrize("name", CALLS)
async def test_an_answer_without_a_shard_that_is_nowhere_is_partial_too(name: str) -> None:
    body = f'{{"timed_out":false,"count":0,"pit_id":"p","_shards":{RED},"hits":{{"hits":[]}}}}'
    async with scripted((200, body)) as (url, seen), connected(url) as engine:
        with pytest.raises(Unavailable, match="partial"):
            await CALLS[name](engine)
    if name == "open a PIT":
        assert "allow_partial_pit_creation=false" in seen[0]
        assert len(seen) == 2, "and closed again"


async def test_a_pit_of_which_a_node_lost_its_part_is_gone() -> None:
    """It never comes back, so "try again" would be wrong for as long as the cursor is used."""
    body = f'{{"timed_out":false,"_shards":{LOST},"hits":{{"hits":[]}}}}'
    async with scripted((200, body)) as (url, _), connected(url) as engine:
        with pytest.raises(PitGone):
            await engine.search(None, {"pit": {"id": "p"}})
        with pytest.raises(Unavailable):
            await engine.search("i", {})


async def test_a_document_of_which_no_shard_tells_is_not_called_absent() -> None:
    error = '{"type":"no_shard_available_action_exception","reason":"No shard available"}'
    body = f'{{"docs":[{{"_id":"a","found":false}},{{"_id":"b","error":{error}}}]}}'
    async with scripted((200, body)) as (url, _), connected(url) as engine:
        with pytest.raises(Unavailable, match="no_shard_available"):
            await engine.versions("i", ["a", "b"])
        with pytest.raises(Unavailable, match="no_shard_available"):
            await engine.documents("i", ["a", "b"])


async def test_an_answer_that_is_no_json_is_unavailable() -> None:
    async with scripted((200, "<html>"), kind="text/html") as (url, _), connected(url) as engine:
        with pytest.raises(Unavailable, match="not JSON"):
            await engine.ping()


@pytest.mark.parametrize("body", ["{}", "[]", '{"version": 3}'])
async def test_a_server_of_another_kind_is_unavailable(body: str) -> None:
    async with scripted((200, body)) as (url, _), connected(url) as engine:
        with pytest.raises(Unavailable, match="not OpenSearch"):
            await engine.ping()


async def test_a_connection_lost_once_is_made_again() -> None:
    async with scripted(None, (200, HITS % ("false", 0))) as (url, seen), connected(url) as engine:
        assert (await engine.search("i", {}))["hits"]["hits"] == []
        assert len(seen) == 2


async def test_a_refused_connection_is_unavailable() -> None:
    async with scripted(None) as (url, _):
        pass
    async with connected(url) as engine:
        with pytest.raises(Unavailable, match="no connection"):
            await engine.ping()


@on_virtual_time
async def test_silence_is_unavailable_in_time() -> None:
    async with mute() as url, connected(url) as engine:
        with pytest.raises(Unavailable, match="in time"):
            await engine.search("i", {}, timeout=0.05)


async def test_a_second_host_answers_for_a_dead_one() -> None:
    async with scripted(None) as (dead, _):
        pass
    async with scripted((200, HITS % ("false", 0))) as (live, seen), connected(dead, live) as engine:
        for _ in range(4):
            await engine.search("i", {})
        assert len(seen) == 4


@on_virtual_time
async def test_a_host_that_hangs_costs_a_search_a_part_of_its_time_and_then_nobody_any() -> None:
    async with mute() as hung, scripted((200, HITS % ("false", 0))) as (live, seen), connected(hung, live) as engine:
        clock = asyncio.get_running_loop().time
        began = clock()
        await asyncio.gather(*(engine.search("i", {}, timeout=0.5) for _ in range(4)))
        assert clock() - began < 0.5
        assert len(seen) == 4
        began = clock()
        for _ in range(10):
            await engine.search("i", {}, timeout=0.5)
        assert clock() - began < 0.3, "the host that hangs is left alone"


@on_virtual_time
async def test_no_host_answers_and_the_time_out_holds() -> None:
    async with mute() as first, mute() as second, connected(first, second) as engine:
        began = asyncio.get_running_loop().time()
        with pytest.raises(Unavailable, match="in time"):
            await engine.search("i", {}, timeout=0.3)
        assert asyncio.get_running_loop().time() - began < 0.4


@on_virtual_time
async def test_the_wait_for_a_connection_counts_and_is_bounded_in_number() -> None:
    async with mute() as url, connected(url, connections=2, waiting=20) as engine:
        began = asyncio.get_running_loop().time()
        calls = [engine.search("i", {}, timeout=0.3) for _ in range(100)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        took = asyncio.get_running_loop().time() - began
    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert sum("are waiting already" in str(answer) for answer in answers) == 80
    assert took < 0.4


async def test_those_that_were_refused_leave_no_trace() -> None:
    async with scripted((200, HITS % ("false", 0))) as (url, _), connected(url, waiting=1) as engine:
        answers = await asyncio.gather(*(engine.search("i", {}) for _ in range(5)), return_exceptions=True)
        assert sum(isinstance(answer, Unavailable) for answer in answers) == 4
        await engine.search("i", {})


WRITES: dict[str, Callable[[OpenSearchEngine], Any]] = {
    "bulk": lambda engine: engine.bulk("i", [BulkItem("a", 1, {})]),
    "create": lambda engine: engine.create_index("i", {}),
    "aliases": lambda engine: engine.update_aliases([]),
    "settings": lambda engine: engine.put_settings("i", {}),
}


@pytest.mark.parametrize("write", WRITES)
async def test_what_writes_is_never_repeated(write: str) -> None:
    async with scripted(None) as (one, seen), scripted(None) as (other, more), connected(one, other) as engine:
        with pytest.raises(Unavailable):
            await WRITES[write](engine)
        assert len(seen) + len(more) == 1


async def test_an_index_is_counted_in_one_piece_unless_the_engine_does_not_know_how() -> None:
    seen: list[Any] = []

    def answer(request: Request) -> Answer:
        seen.append(orjson.loads(request.body))
        reason = "unknown setting [index.search.concurrent_segment_search.mode]"
        refused = {"error": {"type": "illegal_argument_exception", "reason": reason}, "status": 400}
        return Answer.json(refused, 400) if "search" in str(seen[-1].get("settings")) else Answer.json({})

    body = {"settings": {"index": {"number_of_shards": 1}}, "mappings": {}}
    async with answering(answer) as url, connected(url) as engine:
        await engine.create_index("i", body)
    aliased = {**body, "aliases": {"i-write": {}}}
    mode = {"search.concurrent_segment_search.mode": "none", "number_of_shards": 1}
    assert seen == [{**aliased, "settings": {"index": mode}}, aliased]


async def test_an_index_that_is_there_is_not_tried_twice() -> None:
    refused = '{"error":{"type":"resource_already_exists_exception","reason":"index [i] already exists"},"status":400}'
    async with scripted((400, refused)) as (url, seen), connected(url) as engine:
        with pytest.raises(Rejected):
            await engine.create_index("i", {})
        assert len(seen) == 1


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("size", [10, 5_000, 3_000_000])
async def test_a_bulk_of_any_size_arrives_whole(size: int, compress: bool) -> None:
    """Bodies over a megabyte make aiohttp warn when they are passed as bytes, and warnings are errors here."""
    seen: list[Request] = []

    def answer(request: Request) -> Answer:
        seen.append(request)
        return Answer.json({"items": [{"index": {"status": 201}}]})

    items = [BulkItem("a", 1, b'{"x":"' + b"y" * size + b'"}')]
    async with answering(answer) as url, connected(url, compress=compress) as engine:
        assert [outcome.status for outcome in await engine.bulk("i", items)] == [201]
    zipped = compress and size >= 5_000
    assert (seen[0].headers.get("content-encoding") == "gzip") == zipped
    assert (gzip.decompress(seen[0].body) if zipped else seen[0].body) == bulk_body(items)[0]
    assert ("gzip" in seen[0].headers.get("accept-encoding", "")) == compress


async def test_a_compressed_answer_is_read() -> None:
    body = gzip.compress(b'{"version":{"number":"3.0.0","distribution":"opensearch"}}')
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    async with answering(lambda _: Answer(200, body, headers)) as url, connected(url, compress=True) as engine:
        assert await engine.ping() == {"engine": "opensearch", "version": "3.0.0"}


async def test_credentials_are_not_carried_to_where_a_redirect_points() -> None:
    seen: list[Request] = []

    def elsewhere(request: Request) -> Answer:
        seen.append(request)
        return Answer.json({})

    async with answering(elsewhere) as other:
        redirect = Answer.json({}, 302, Location=other)
        async with answering(lambda _: redirect) as url, connected(url, user="u", password="p") as engine:
            with pytest.raises(Rejected):
                await engine.ping()
    assert seen == []


async def test_a_path_a_user_and_a_password_go_with_each_call() -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Answer:
        seen.append(request)
        return Answer.json({"version": {"number": "3.0.0"}})

    async with answering(answer) as url:
        async with connected(f"{url.replace('://', '://j%40n:s%2Fcret@')}/search/") as engine:
            await engine.ping()
        async with connected(url, user="j@n", password="s/cret") as engine:
            await engine.ping()
    assert [(request.path, request.headers["authorization"]) for request in seen] == [
        ("/search/", "Basic akBuOnMvY3JldA=="),
        ("/", "Basic akBuOnMvY3JldA=="),
    ]


async def test_a_deprecation_that_the_engine_notes_is_no_warning_of_ours() -> None:
    answer = Answer.json({"version": {"number": "3.0.0"}}, Warning='299 OpenSearch-3.0.0 "old"')
    async with answering(lambda _: answer) as url, connected(url) as engine:
        await engine.ping()


def test_unverified_certificates_are_said_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        OpenSearchEngine(Connection(("https://127.0.0.1:9",), verify_certs=False))
    assert "ASSETRY_OPENSEARCH_URL: certificates are not verified" in caplog.text


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({"error": {"type": "a", "reason": "b"}}, ("a", "b")),
        ({"type": "a", "reason": "b", "caused_by": {"type": "c", "reason": "b"}}, ("a", "b")),
        ({"error": "alias [foo] missing", "status": 404}, ("unknown", "alias [foo] missing")),
        ("plain", ("unknown", "plain")),
        ({"error": {}}, ("unknown", "")),
    ],
)
def test_an_error_is_described_by_its_type_and_reasons(info: object, expected: tuple[str, str]) -> None:
    assert describe(info) == expected


def test_a_bulk_body_is_pairs_of_lines_and_leaves_out_what_is_no_json() -> None:
    items = [BulkItem("a", 2**41, {"x": 1}), BulkItem("b", 1, {"x": object()}), BulkItem("c", 1, b'{"x":3}')]
    body, failed = bulk_body(items)
    assert body == (
        b'{"index":{"_id":"a","version":2199023255552,"version_type":"external_gte"}}\n{"x":1}\n'
        b'{"index":{"_id":"c","version":1,"version_type":"external_gte"}}\n{"x":3}\n'
    )
    assert list(failed) == [1]
    assert (failed[1].id, failed[1].status, failed[1].error_type) == ("b", 400, "unencodable_document")


@pytest.mark.parametrize("by", ["time-out", "deadline"])
async def test_a_search_that_is_given_up_hangs_up(by: str) -> None:
    """OpenSearch cancels a search whose connection is closed: else it would go on for nobody."""
    asked, hung_up = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        asked.set()
        with contextlib.suppress(ConnectionError):
            await reader.read()  # to the end: until the client closes it
        hung_up.set()

    async with listening(serve) as url, connected(url) as engine:
        search = asyncio.create_task(engine.search("assets", {}, timeout=0.2 if by == "time-out" else 60))
        await asyncio.wait_for(asked.wait(), PATIENCE)
        if by == "deadline":
            search.cancel()  # what the middleware of deadlines does with a request
        with pytest.raises(Unavailable if by == "time-out" else asyncio.CancelledError):
            await search
        await asyncio.wait_for(hung_up.wait(), PATIENCE)
