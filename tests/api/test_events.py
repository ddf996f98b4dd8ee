"""``GET /events``: what happens to records, as their organization sees it, from wherever a client left off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from itertools import pairwise

import httpx
import pytest
import pytest_asyncio
from starlette.types import ASGIApp

from service.api.app import create_app
from service.core.events.log import EventLog
from service.ports.clock import SystemClock
from tests.api.client import PREFIX, Api, error_of, running
from tests.support.event_streams import StreamClient, connected
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

PER_KEY = 4


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with running(tmp_path_factory.mktemp("data"), streams_per_key=PER_KEY) as api:
        await relayed(api)
        yield api


async def relayed(api: Api) -> None:
    """Return once the relay tells of changes: the first one of a store tells of nothing from before its start."""
    other = await api.as_user("warm_up")
    log = EventLog(api.service.base.store, SystemClock())

    async def told() -> bool:
        await other.create(title="Is anybody there?")
        return await log.head() is not None

    await eventually(told, "the relay tells of a change")


@pytest.fixture
def app(api: Api) -> ASGIApp:
    return create_app(api.service.context, api.service.gauges)


def listening(
    app: ASGIApp, api: Api, query: str = "", headers: Mapping[str, str] | None = None
) -> AbstractAsyncContextManager[StreamClient]:
    return connected(app, f"{PREFIX}/events{query}", api.key, headers)


async def test_what_happens_to_an_asset_comes_in_order(api: Api, app: ASGIApp) -> None:
    mine = await api.as_user("order")
    async with listening(app, mine) as client:
        await client.begun()
        asset = await mine.create(title="One")
        url = f"/assets/{asset['id']}"
        await client.until(1)
        await mine.ok("PATCH", url, json={"title": "Two"})
        await client.until(2)
        await mine.ok("DELETE", url)
        await client.until(3)
        await mine.ok("PATCH", url, json={"is_deleted": False})
        await client.until(4)
        await mine.ok("DELETE", f"{url}?permanent=true")
        events = await client.until(5)
    assert client.status == 200
    assert client.headers["content-type"].startswith("text/event-stream")
    assert "retry: 3000\n" in client.text
    assert [event.type for event in events] == [
        "asset.created", "asset.updated", "asset.trashed", "asset.restored", "asset.deleted",
    ]  # fmt: skip
    assert [event.data["type"] for event in events] == [event.type for event in events]
    assert [event.data["id"] for event in events] == [f"asset/{asset['id']}/{rev}" for rev in range(1, 6)]
    assert [event.data["rev"] for event in events] == [1, 2, 3, 4, 5]
    assert [event.data["trashed"] for event in events] == [False, False, True, False, False]
    assert {event.data["key"] for event in events} == {asset["id"]}
    assert {event.data["actor"]["user_id"] for event in events} == {"user_1"}
    assert [event.data["changed"] for event in events[-2:]] == [["deleted_at"], None]
    assert all(int(one.id) < int(other.id) for one, other in pairwise(events))


async def test_an_event_says_who_did_it_and_what_changed(api: Api, app: ASGIApp) -> None:
    mine, admin = await api.as_user("who", "kim"), await api.as_user("who", "boss", "admin")
    async with listening(app, mine) as client, listening(app, admin) as other:
        await client.begun()
        await other.begun()
        asset = await mine.create(title="One")
        await client.until(1)
        await mine.call("PATCH", f"/assets/{asset['id']}", json={"title": "Two"}, headers={"X-Request-Id": "call-7"})
        seen, told = (await client.until(2))[1].data, (await other.until(2))[1].data
    assert seen["actor"] == {"user_id": "kim"}
    assert seen["changed"] == ["slug", "title"]
    assert told["actor"]["user_id"] == "kim"
    assert told["actor"]["key_id"].startswith("key_")
    assert told["actor"]["call_id"] == "call-7"


async def test_admin_tags_are_nobody_elses_business(api: Api, app: ASGIApp) -> None:
    mine, admin = await api.as_user("tags"), await api.as_user("tags", "boss", "admin")
    async with listening(app, mine) as client, listening(app, admin) as other:
        await client.begun()
        await other.begun()
        asset = await admin.create(title="One")
        await admin.ok("PATCH", f"/assets/{asset['id']}", json={"tags": ["a", "*secret"]})
        await client.until(1)
        seen = [event.data for event in await client.until(len(await _settled(client)))]
        told = [event.data for event in await other.until(len(seen))]
    assert all("admin_tags" not in (event["changed"] or ()) for event in seen)
    assert told[-1]["changed"] == ["admin_tags", "tags"]


async def _settled(client: StreamClient) -> list[object]:
    """Wait for the event of rev 2."""
    count = 1
    while (await client.until(count))[-1].data["rev"] < 2:
        count += 1
    return list(client.events)


async def test_a_client_goes_on_behind_the_last_event_that_it_has(api: Api, app: ASGIApp) -> None:
    mine = await api.as_user("resume")
    async with listening(app, mine) as client:
        start = await client.begun()
    made = [(await mine.create(title=f"n{number}"))["id"] for number in range(6)]
    async with listening(app, mine, headers={"Last-Event-ID": start}) as client:
        events = await client.until(6)
    assert [event.data["key"] for event in events] == made
    for place, event in enumerate(events[:-1]):
        async with listening(app, mine, headers={"Last-Event-ID": event.id}) as client:
            rest = await client.until(5 - place)
        assert [one.data["id"] for one in rest] == [one.data["id"] for one in events[place + 1 :]]
    async with listening(app, mine, f"?last_event_id={events[3].id}") as client:
        assert [event.data["key"] for event in await client.until(2)] == made[4:]


async def test_without_an_id_it_begins_now(api: Api, app: ASGIApp) -> None:
    mine = await api.as_user("now")
    async with listening(app, mine) as client:
        await client.begun()
        first = await mine.create(title="First")
        await client.until(1)
        async with listening(app, mine) as other:
            await other.begun()
            second = await mine.create(title="Second")
            assert [event.data["key"] for event in await other.until(1)] == [second["id"]]
        assert [event.data["key"] for event in await client.until(2)] == [first["id"], second["id"]]


async def test_another_organization_sees_nothing_of_it(api: Api, app: ASGIApp) -> None:
    mine, theirs = await api.as_user("mine"), await api.as_user("theirs")
    async with listening(app, mine) as client, listening(app, theirs) as other:
        start = await client.begun()
        await other.begun()
        for number in range(3):
            await theirs.create(title=f"theirs {number}")
            await mine.create(title=f"mine {number}")
        await client.until(3)
        await other.until(3)
    keys = {event.data["key"] for event in client.events}, {event.data["key"] for event in other.events}
    assert len(client.events) == len(other.events) == 3
    assert not keys[0] & keys[1]
    async with listening(app, mine, headers={"Last-Event-ID": start}) as client:
        assert {event.data["key"] for event in await client.until(3)} == keys[0]
        assert len(client.events) == 3


async def test_types_choose_events(api: Api, app: ASGIApp) -> None:
    mine = await api.as_user("types")
    async with listening(app, mine, "?types=asset.deleted,%20asset.trashed") as client, listening(app, mine) as all_:
        await client.begun()
        await all_.begun()
        asset = await mine.create(title="One")
        await all_.until(1)
        await mine.ok("DELETE", f"/assets/{asset['id']}")
        assert [event.type for event in await client.until(1)] == ["asset.trashed"]


@pytest.mark.parametrize(
    ("query", "headers", "field"),
    [
        ("?types=asset.create", {}, "types"),
        ("?types=asset.created,nonsense", {}, "types"),
        ("", {"Last-Event-ID": "abc"}, "Last-Event-ID"),
        ("", {"Last-Event-ID": "-1"}, "Last-Event-ID"),
        ("?last_event_id=" + "9" * 40, {}, "Last-Event-ID"),
        ("", {"Last-Event-ID": "9" * 2000}, "Last-Event-ID"),
    ],
)
async def test_what_makes_no_sense_is_refused(api: Api, query: str, headers: dict[str, str], field: str) -> None:
    details = error_of(await api.call("GET", f"/events{query}", headers=headers), 400, "VALIDATION_ERROR")
    assert details["field"] == field


async def test_a_type_that_does_not_exist_names_the_nearest(api: Api) -> None:
    response = await api.call("GET", "/events?types=asset.create")
    assert "asset.created" in response.json()["error"]["message"]


async def test_a_key_is_needed_that_may_read(api: Api) -> None:
    error_of(await api.call("GET", "/events", headers={"Authorization": None}), 401, "AUTHENTICATION_REQUIRED")
    writer = await api.as_user(scopes="assets:write")
    error_of(await writer.call("GET", "/events"), 403, "INSUFFICIENT_SCOPE")


async def test_an_id_that_is_of_no_event_here_asks_to_read_again(api: Api, app: ASGIApp) -> None:
    mine = await api.as_user("lost")
    async with listening(app, mine, headers={"Last-Event-ID": "999999999999"}) as client:
        first = (await client.until(1))[0]
        assert first.type == "resync"
        assert first.data == {"type": "resync", "reason": "Events behind the one that you named are no longer kept."}
        asset = await mine.create(title="After")
        assert (await client.until(2))[1].data["key"] == asset["id"]
    async with listening(app, mine, headers={"Last-Event-ID": first.id}) as client:
        assert (await client.until(1))[0].type == "asset.created"


async def test_streams_of_a_key_are_bounded(api: Api, app: ASGIApp) -> None:
    mine, other = await api.as_user("many"), await api.as_user("many")
    held = [listening(app, mine) for _ in range(PER_KEY)]
    clients = [await one.__aenter__() for one in held]
    for client in clients:
        await client.begun()
    metrics = (await api.call("GET", "/metrics")).text
    assert f"assetry_event_streams {PER_KEY}.0" in metrics
    response = await mine.call("GET", "/events")
    error_of(response, 429, "RATE_LIMIT_EXCEEDED")
    assert int(response.headers["retry-after"]) > 0
    async with listening(app, other) as client:
        await client.begun()
    for one in held:
        await one.__aexit__(None, None, None)
    async with listening(app, mine) as client:
        await client.begun()
    assert api.service.context.streams.open == 0


async def test_all_streams_end_when_the_service_stops(api: Api) -> None:
    stop = asyncio.Event()
    app = create_app(replace(api.service.context, stopping=stop), api.service.gauges)
    async with listening(app, await api.as_user()) as one, listening(app, await api.as_user()) as other:
        await one.begun()
        await other.begun()
        stop.set()
        await one.end()
        await other.end()


async def test_the_relay_shows_in_the_metrics(api: Api, app: ASGIApp) -> None:
    mine = await api.as_user("metrics")
    async with listening(app, mine) as client:
        await client.begun()
        await mine.create(title="One")
        await client.until(1)
    text = (await api.call("GET", "/metrics")).text
    assert "assetry_relay_leader 1.0" in text
    assert 'assetry_relay_events_total{type="asset.created"}' in text
    assert "assetry_relay_lag_seconds" in text


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://assetry.test") as http:
        yield http


async def test_head_answers_without_a_stream(api: Api, app: ASGIApp) -> None:
    async with served(app) as http:
        response = await http.head(f"{PREFIX}/events", headers={"Authorization": f"Bearer {api.key}"})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
