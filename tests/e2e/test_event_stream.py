"""An event stream of a whole service over the network: it ends with the service, and goes on after it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.processes import served

pytestmark = pytest.mark.processes


def events(response: httpx.Response) -> Iterator[tuple[str, Any]]:
    """Yield (id, data) of each event, data None where only the id moves on; until the stream ends in order."""
    last = ""
    for line in response.iter_lines():
        name, _, value = line.partition(": ")
        if name == "id":
            last = value
            yield last, None
        elif name == "data":
            yield last, json.loads(value)


def first(found: Iterator[tuple[str, Any]]) -> tuple[str, Any]:
    """Return the next event with data."""
    return next((at, data) for at, data in found if data is not None)


def test_a_stream_ends_with_the_service_and_goes_on_with_the_next(tmp_path: Path) -> None:
    with served(tmp_path / "data") as service:
        service.until_ready()
        with service.client() as client, client.stream("GET", "/events") as response:
            assert response.status_code == 200
            found = events(response)
            next(found)  # it has begun
            made = client.post("/assets", json={"type": "image", "title": "One"}).json()
            at, event = first(found)
            assert (event["key"], event["type"]) == (made["id"], "asset.created")
            service.process.terminate()
            assert all(data is None for _, data in found), "it ends, without an error of the connection"
        assert service.process.wait(timeout=20) == 0
    with served(tmp_path / "data") as service:
        service.until_ready()
        with service.client() as client:
            client.patch(f"/assets/{made['id']}", json={"title": "Two"}).raise_for_status()
            with client.stream("GET", "/events", headers={"Last-Event-ID": at}) as response:
                _, event = first(events(response))
                assert (event["key"], event["type"], event["rev"]) == (made["id"], "asset.updated", 2)
