"""``Idempotency-Key``: however often a POST comes, it has one effect and one answer."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from service.errors import Unavailable
from service.model import AssetBody
from service.ports.replies import MAX_REPLY_BYTES
from service.ports.store import AnyRecord
from tests.api.client import Api, error_of
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.any_query]  # tests count by title

NOTE = {"type": "text", "title": "A note"}
KEY = "Idempotency-Key"


def keyed(key: str | None = None) -> dict[str, str]:
    return {KEY: key or str(uuid.uuid4())}


async def count(api: Api, title: str) -> int:
    return await api.service.base.store.count("asset", {"title": title})


async def post(api: Api, headers: dict[str, str], **fields: Any) -> httpx.Response:
    return await api.call("POST", "/assets", json={**NOTE, **fields}, headers=headers)


async def test_a_repeated_request_gets_the_first_answer(api: Api) -> None:
    headers = keyed()
    first = await post(api, headers, title="Once")
    assert first.status_code == 201
    assert "idempotent-replayed" not in first.headers
    again = await post(api, headers, title="Once")
    assert again.status_code == 201
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    for name in ("etag", "location", "content-type", "cache-control"):
        assert again.headers[name] == first.headers[name]
    assert again.headers["x-request-id"] != first.headers["x-request-id"], "what tells the requests apart is fresh"
    assert again.headers["x-index-token"]
    assert "ratelimit" in again.headers
    assert await count(api, "Once") == 1


async def test_without_a_key_nothing_is_kept(api: Api) -> None:
    ids = {(await post(api, {}, title="Twice")).json()["id"] for _ in range(2)}
    assert len(ids) == 2


async def test_saved_searches_take_keys(api: Api) -> None:
    headers, body = keyed(), {"name": "Blue", "query": "blue"}
    first, again = [await api.call("POST", "/searches", json=body, headers=headers) for _ in range(2)]
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert again.headers["location"] == first.headers["location"]
    assert await api.service.base.store.count("saved_search", {"name": "Blue"}) == 1


def parts(content: bytes = b"the content", name: str = "note.txt", title: str = "A form") -> dict[str, Any]:
    return {"asset": (None, f'{{"title": "{title}"}}'), "file": (name, content)}


async def test_a_form_is_the_same_with_another_boundary(api: Api) -> None:
    headers = keyed()
    first, again = [await api.call("POST", "/assets", files=parts(), headers=headers) for _ in range(2)]
    assert first.request.headers["content-type"] != again.request.headers["content-type"]
    assert first.status_code == 201
    assert again.content == first.content
    for other in (parts(b"other content"), parts(name="other.txt"), parts(title="Other")):
        error_of(await api.call("POST", "/assets", files=other, headers=headers), 422, "IDEMPOTENCY_KEY_REUSED")


async def test_a_large_file_is_spooled_and_stored_whole(api: Api) -> None:
    headers, content = keyed(), b"0123456789abcdef" * 200_000
    first, again = [await api.call("POST", "/assets", files=parts(content), headers=headers) for _ in range(2)]
    assert first.json()["metadata"]["file_size"] == len(content)
    assert again.content == first.content


async def test_a_key_of_another_request_is_refused(api: Api) -> None:
    headers = keyed()
    assert (await post(api, headers, title="First")).status_code == 201
    for response in (
        await post(api, headers, title="Second"),
        await api.call("POST", "/searches", json={"name": "x"}, headers=headers),
    ):
        details = error_of(response, 422, "IDEMPOTENCY_KEY_REUSED")
        assert details["field"] == KEY
    assert await count(api, "Second") == 0


async def test_keys_belong_to_a_user_of_an_organization(api: Api) -> None:
    headers = keyed()
    users = [api, await api.as_user(user="another"), await api.as_user(org="others")]
    answers = [await post(user, headers, title="Mine") for user in users]
    assert len({answer.json()["id"] for answer in answers}) == len(users)
    more = await api.service.base.keys.create("acme", "another", ["assets:write"])
    same = await post(Api(api.service, api.http, more[0]), headers, title="Mine")
    assert same.json()["id"] == answers[1].json()["id"], "another API key of the same user"


@pytest.mark.parametrize(
    "key", ["", " ", '""', "x" * 256, "tab\there", "é".encode(), "\x7f", '"' + "x" * 256 + '"'], ids=repr
)
async def test_keys_that_are_none(api: Api, key: str | bytes) -> None:
    details = error_of(await api.call("POST", "/assets", json=NOTE, headers={KEY: key}), 400, "VALIDATION_ERROR")
    assert details["field"] == KEY


async def test_two_keys_are_none(api: Api) -> None:
    headers = [("authorization", f"Bearer {api.key}"), (KEY, "a"), (KEY, "b")]
    response = await api.http.post("/v1/asset-library/assets", json=NOTE, headers=headers)
    assert error_of(response, 400, "VALIDATION_ERROR")["field"] == KEY


@pytest.mark.parametrize(
    ("plain", "quoted"),
    [("a", '"a"'), ("x" * 255, '"' + "x" * 255 + '"'), ("two words", '"two words"'), ('a"b\\c', '"a\\"b\\\\c"')],
    ids=["one", "longest", "space", "escapes"],
)
async def test_a_quoted_key_is_the_plain_one(api: Api, plain: str, quoted: str) -> None:
    first = await post(api, keyed(plain), title=plain)
    again = await post(api, keyed(quoted), title=plain)
    assert first.status_code == 201, first.text
    assert again.headers["idempotent-replayed"] == "true"


async def test_a_refused_request_frees_its_key(api: Api) -> None:
    headers = keyed()
    for wrong in ({"type": "link"}, {"colour": "blue"}, {"tags": ["*admin"]}):
        response = await post(api, headers, **wrong)
        assert response.status_code in (400, 403)
        assert "idempotent-replayed" not in response.headers
    assert (await post(api, headers, title="Corrected")).status_code == 201


async def test_a_file_that_can_not_be_read_frees_its_key(api: Api) -> None:
    headers = keyed()
    wrong = await api.call("POST", "/assets", files=parts(b"no picture", "picture.png"), headers=headers)
    assert wrong.status_code == 400, wrong.text
    assert (await api.call("POST", "/assets", files=parts(), headers=headers)).status_code == 201


async def test_other_methods_take_no_notice(api: Api) -> None:
    asset = (await post(api, {})).json()
    headers = keyed("an unlikely key \x7f")
    for method, options in (("GET", {}), ("PATCH", {"json": {"title": "x"}}), ("DELETE", {})):
        response = await api.call(method, f"/assets/{asset['id']}", headers=headers, **options)
        assert response.status_code == 200
    response = await api.call("POST", "/query/explain", json={"query": "x"}, headers=headers)
    assert response.status_code == 200


async def test_a_request_under_way_is_not_begun_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, begun = asyncio.Event(), asyncio.Event()
    create = api.service.context.assets._create

    async def slow(*arguments: Any) -> AnyRecord:
        begun.set()
        await gate.wait()
        return await create(*arguments)

    monkeypatch.setattr(api.service.context.assets, "_create", slow)
    headers = keyed()
    first = asyncio.create_task(post(api, headers, title="Slow"))
    await until(begun.is_set, "the first has begun")
    again = await post(api, headers, title="Slow")
    assert error_of(again, 409, "REQUEST_IN_PROGRESS")["retry_after"] == int(again.headers["retry-after"]) == 1
    error_of(await post(api, headers, title="Other"), 422, "IDEMPOTENCY_KEY_REUSED")
    gate.set()
    assert (await first).status_code == 201
    last = await post(api, headers, title="Slow")
    assert last.content == (await first).content
    assert await count(api, "Slow") == 1


async def test_many_at_once_have_one_effect(api: Api) -> None:
    headers = keyed()
    answers = await asyncio.gather(*(post(api, headers, title="Crowd") for _ in range(50)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert await count(api, "Crowd") == 1


Insert = Callable[[AssetBody], Awaitable[AnyRecord]]


def unknown(insert: Insert) -> Insert:
    """A write that happens and says nothing."""

    async def failing(body: AssetBody) -> AnyRecord:
        await insert(body)
        raise Unavailable("store", "the answer is lost")

    return failing


def never(_insert: Insert) -> Insert:
    """A write that does not happen."""

    async def failing(_body: AssetBody) -> AnyRecord:
        raise Unavailable("store", "it is gone")

    return failing


def broken(insert: Insert) -> Insert:
    """A fault of ours behind a write."""

    async def failing(body: AssetBody) -> AnyRecord:
        await insert(body)
        raise ZeroDivisionError

    return failing


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [(unknown, 503, "SERVICE_UNAVAILABLE"), (never, 503, "SERVICE_UNAVAILABLE"), (broken, 500, "INTERNAL_ERROR")],
)
async def test_what_failed_is_tried_again(
    api: Api, monkeypatch: pytest.MonkeyPatch, fault: Callable[[Insert], Insert], status: int, code: str
) -> None:
    headers, title = keyed(), f"After {fault.__name__}"
    with monkeypatch.context() as patched:
        patched.setattr(api.service.context.assets, "insert", fault(api.service.context.assets.insert))
        error_of(await post(api, headers, title=title), status, code)
    error_of(await post(api, headers, title="Another one"), 422, "IDEMPOTENCY_KEY_REUSED")
    retried = await post(api, headers, title=title)
    assert retried.status_code == 201
    assert "idempotent-replayed" not in retried.headers, "this answer was not given before"
    assert (await post(api, headers, title=title)).content == retried.content
    assert await count(api, title) == 1


async def test_a_cancelled_request_is_tried_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()

    async def endless(*_arguments: Any) -> AnyRecord:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    headers = keyed()
    with monkeypatch.context() as patched:
        patched.setattr(api.service.context.assets, "_create", endless)
        first = asyncio.create_task(post(api, headers, title="Cancelled"))
        await until(begun.is_set, "it has begun")
        first.cancel()
        await asyncio.wait({first})
    assert (await post(api, headers, title="Cancelled")).status_code == 201


async def test_a_long_answer_is_looked_up(api: Api) -> None:
    headers = keyed()
    numbers = ",".join(["1e9"] * 1000)  # longer as they are answered: 1000000000.0
    metadata = ",".join(f'"field_{number}": [{numbers}]' for number in range(100))
    body = f'{{"type": "text", "title": "Long", "metadata": {{{metadata}}}}}'
    first, again = [await api.call("POST", "/assets", content=body, headers=headers) for _ in range(2)]
    assert first.status_code == 201, first.text
    assert len(first.content) > MAX_REPLY_BYTES
    assert again.status_code == 201
    assert again.headers["idempotent-replayed"] == "true"
    assert again.content == first.content
    assert await count(api, "Long") == 1


async def test_without_a_place_for_replies_only_keyed_requests_fail(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_arguments: Any, **_options: Any) -> None:
        raise Unavailable("redis", "no connection")

    monkeypatch.setattr(api.service.context.idempotency._replies, "begin", away)
    response = await post(api, keyed(), title="Not begun")
    assert error_of(response, 503, "SERVICE_UNAVAILABLE")["engine"] == "redis"
    assert response.headers["retry-after"]
    assert await count(api, "Not begun") == 0
    assert (await post(api, {}, title="No key")).status_code == 201


async def test_a_reply_that_can_not_be_kept_is_given_all_the_same(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_arguments: Any, **_options: Any) -> None:
        raise Unavailable("redis", "no connection")

    with monkeypatch.context() as patched:
        patched.setattr(api.service.context.idempotency._replies, "keep", away)
        assert (await post(api, keyed(), title="Done")).status_code == 201
    assert await count(api, "Done") == 1


async def test_a_body_over_its_limit_is_refused_before_it_is_hashed(api: Api) -> None:
    response = await api.call("POST", "/assets", content=b"x" * (1024 * 1024 + 1), headers=keyed())
    error_of(response, 413, "PAYLOAD_TOO_LARGE")
