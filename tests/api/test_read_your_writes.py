"""X-Index-Token on every write, and searches that wait for it."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from service.core.search.consistency import Consistency, _sign
from service.errors import Unavailable
from tests.api.client import Api, error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def found(api: Api, query: str, **params: Any) -> tuple[int, Any]:
    body = await api.ok("GET", "/assets/search/advanced", params={"query": query, "limit": 0, **params})
    return body["total_count"], body.get("index_caught_up")


async def test_a_search_sees_the_write_that_it_waits_for(api: Api) -> None:
    for number in range(20):
        response = await api.call("POST", "/assets", json={"type": "image", "title": f"ownwrite{number}"})
        token = response.headers["x-index-token"]
        assert await found(api, f"ownwrite{number}", wait_for=token) == (1, True)


async def test_every_write_has_a_token_and_no_read_has(api: Api) -> None:
    response = await api.call("POST", "/assets", json={"type": "image", "title": "tokens"})
    asset = f"/assets/{response.json()['id']}"
    saved = await api.call("POST", "/searches", json={"name": "tokens", "query": "tokens"})
    search = f"/searches/{saved.json()['id']}"
    writes = [
        response,
        saved,
        await api.call("PATCH", asset, json={"title": "token two"}),
        await api.call("PATCH", asset, json={"title": "token two"}),
        await api.call("PATCH", search, json={"name": "token two"}),
        await api.call("DELETE", asset),
        await api.call("DELETE", asset, params={"permanent": "true"}),
        await api.call("DELETE", search),
    ]
    for write in writes:
        assert write.is_success, write.text
        assert (await found(api, "", wait_for=write.headers["x-index-token"]))[1] is True
    assert await found(api, "token") == (0, None)
    reads = ["/assets/search", "/assets/search/facets", "/searches", "/suggest"]
    for path in reads:
        assert "x-index-token" not in (await api.call("GET", path)).headers
    explained = await api.call("POST", "/query/explain", json={"query": "x"})
    assert "x-index-token" not in explained.headers


async def test_a_change_and_a_delete_are_seen(api: Api) -> None:
    asset = f"/assets/{(await api.create(title='firstname'))['id']}"
    patched = await api.call("PATCH", asset, json={"title": "secondname"})
    assert await found(api, "secondname", wait_for=patched.headers["x-index-token"]) == (1, True)
    assert (await found(api, "firstname"))[0] == 0
    deleted = await api.call("DELETE", asset, params={"permanent": "true"})
    assert await found(api, "secondname", wait_for=deleted.headers["x-index-token"]) == (0, True)


async def test_a_token_passes_when_other_things_are_written_after_it(api: Api) -> None:
    """A write that searches do not see moves no index: waiting for it must not wait for a later asset."""
    await api.create(title="before")
    saved = await api.call("POST", "/searches", json={"name": "later", "query": ""})
    assert await found(api, "", wait_for=saved.headers["x-index-token"], wait_timeout=20) == (
        (await found(api, ""))[0],
        True,
    )


async def test_many_wait_at_once(api: Api) -> None:
    async def one(number: int) -> bool:
        response = await api.call("POST", "/assets", json={"type": "image", "title": f"crowd{number}"})
        return await found(api, f"crowd{number}", wait_for=response.headers["x-index-token"]) == (1, True)

    assert all(await asyncio.gather(*(one(number) for number in range(30))))


async def test_one_that_does_not_come_in_time_says_so(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    token = (await api.call("POST", "/assets", json={"type": "image", "title": "late"})).headers["x-index-token"]
    asked: list[float] = []

    async def never(_token: str, seconds: float) -> bool:
        asked.append(seconds)
        return False

    monkeypatch.setattr(api.service.context.consistency, "_wait", never)
    assert (await found(api, "", wait_for=token, wait_timeout=0.25))[1] is False
    assert (await found(api, "", wait_for=token))[1] is False
    assert asked == [0.25, 5.0]


@pytest.mark.parametrize("seconds", [-1, 31, "nan", "inf", "long"])
async def test_the_time_to_wait_is_bounded(api: Api, seconds: object) -> None:
    params: dict[str, Any] = {"wait_timeout": seconds}
    details = error_of(await api.call("GET", "/assets/search", params=params), 400, "VALIDATION_ERROR")
    assert details["field"] == "wait_timeout"


async def test_tokens_that_are_not_ours(api: Api) -> None:
    good = (await api.call("POST", "/assets", json={"type": "image", "title": "x"})).headers["x-index-token"]
    raw = base64.urlsafe_b64decode(good + "=" * (-len(good) % 4))
    ahead = base64.urlsafe_b64encode(raw[:12] + raw[12:] + b"9").decode().rstrip("=")
    for token in ("x", "A" * 400, "ä", "*", good[1:], good[:-2], good + "AAAA", ahead, good.upper()):
        response = await api.call("GET", "/assets/search", params={"wait_for": token})
        assert error_of(response, 400, "VALIDATION_ERROR")["field"] == "wait_for", token


async def test_a_token_of_another_database_is_refused(api: Api) -> None:
    mine = api.service.context.consistency
    place = "00000000-0000-0000-0000-000000000000:5"
    text = base64.urlsafe_b64encode(_sign(mine._keys[0], place.encode()) + place.encode()).decode().rstrip("=")
    response = await api.call("GET", "/assets/search", params={"wait_for": text})
    assert error_of(response, 400, "VALIDATION_ERROR")["field"] == "wait_for"


async def test_a_write_is_answered_also_without_a_token(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def down(_self: Consistency) -> str:
        raise Unavailable("store", "no answer")

    monkeypatch.setattr(Consistency, "token", down)
    response = await api.call("POST", "/assets", json={"type": "image", "title": "x"})
    assert response.status_code == 201
    assert "x-index-token" not in response.headers
