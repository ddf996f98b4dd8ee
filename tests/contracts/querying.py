"""A handful of records in an engine, for tests that work the answers out by hand."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from osmem_server import resolve_binary

from mappings.index import index_body
from mappings.projection import fold_object
from query.compile import compile_search
from query.types import Caller, CompiledSearch, SearchRequest
from tests.contracts.engines import GIVEN
from tests.support.workers import own

NOW = datetime(2024, 6, 15, 12, 0, tzinfo=UTC)
ME = Caller("org_a", "user_1")
ADMIN = Caller("org_a", "user_1", frozenset({"admin"}))
INDEX = own("queries")

Json = dict[str, Any]


def _image(number: int, title: str, **more: Any) -> Json:
    return {"number": number, "id": f"asset_{number}", "type": "image", "title": title, **more}


RECORDS: list[Json] = [
    _image(
        1,
        "Stunning mountain landscape",
        module="image_studio",
        filename="ai_generated_image_123456.jpg",
        description="A beautiful mountain landscape generated with Stable Diffusion",
        tags=["mountain", "Landscape", "Nature", "outdoor"],
        created_at="2024-01-15T10:30:00Z",
        user_id="user_1",
        collections=["favorites", "landscapes"],
        favorited_by=["user_1"],
        is_public=True,
        rating=5,
        usage_stats={"downloads": 12, "views": 45},
        cost={"credits_used": 5, "currency": "USD", "amount": 0.05},
        metadata={
            "width": 1024,
            "height": 1024,
            "file_size": 245760,
            "model": "stable-diffusion-xl",
            "prompt": "majestic mountain landscape with lake and forest",
            "seed": 18446744073709551615,
            "aspect": "square",
        },
    ),
    _image(
        2,
        "Forest at dawn",
        module="image_studio",
        filename="forest-dawn.png",
        tags=["forest", "nature"],
        created_at="2024-01-31T23:59:59Z",
        user_id="user_2",
        usage_stats={"downloads": 5},
        metadata={"width": 2048, "height": 1000, "file_size": 6_000_000, "model": "Stable-Diffusion-1.5"},
    ),
    _image(
        3,
        "Café crème in the landscape",
        filename="IMG20240201.JPG",
        tags=["coffee", "nature"],
        taxonomy=["Places/Europe/Netherlands", "Food"],
        storage_folder="/Campaigns/2024/",
        created_at="2024-02-01T00:00:00Z",
        user_id="user_1",
        gps={"lat": 52.37, "lon": 4.89},
        captured_at="2023-05-31T22:30:00Z",
        creator=["Jane Doe"],
        metadata={
            "width": 4000,
            "camera": "Canon EOS 5D",
            "camera_make": "Canon",
            "camera_model": "EOS 5D",
            "iso": 400,
            "f_number": 2.8,
            "exif": {"FNumber": "2.8", "Image Make": "Canon"},
            "codec": "raw",
        },
    ),
    {
        "number": 4,
        "id": "asset_4",
        "type": "video",
        "module": "video_studio",
        "title": "How to paint a river",
        "filename": "tutorial.mp4",
        "tags": ["educational"],
        "taxonomy": ["places/europe"],
        "storage_folder": "campaigns/2024/spring",
        "created_at": "2024-03-10T08:00:00Z",
        "user_id": "user_2",
        "usage_stats": {"downloads": 40},
        "metadata": {"duration": 90.0, "width": 1920},
        "expires_at": "2024-06-01T00:00:00Z",
        "people": [{"name": "Ann Lee", "role": "speaker"}, {"name": "Bob Ray", "role": "editor"}],
    },
    {
        "number": 5,
        "id": "asset_5",
        "type": "video",
        "module": "video_studio",
        "title": "River tutorial, blurry",
        "filename": "river_v2.mp4",
        "tags": ["tutorial"],
        "created_at": "2024-03-11T08:00:00Z",
        "user_id": "user_1",
        "metadata": {"duration": 121.5},
        "people": [{"name": "Ann Ray", "role": "editor"}],
        "custom": {"Colour": "Dark Red", "weight": 7, "due": "2024-05-01", "ok": True},
    },
    {
        "number": 6,
        "id": "asset_6",
        "type": "text",
        "module": "blog_writer",
        "title": "Fair-trade coffee at 12:30",
        "description": "See https://example.com/coffee?x=1, doi 10.5281/zenodo.1 and C++",
        "tags": ["marketing", "brand"],
        "created_at": "2024-01-20T00:00:00Z",
        "user_id": "user_2",
        "source_info": "Archive of Zürich",
        "cost": {"amount": 0.1},
        "usage_stats": {"downloads": 6},
        "custom": {"colour": "red", "weight": 4},
    },
    _image(
        7,
        "Deleted hill",
        tags=["hill"],
        created_at="2024-01-02T00:00:00Z",
        deleted_at="2024-02-02T00:00:00Z",
        user_id="user_1",
    ),
    _image(
        8,
        "東京タワー ＡＢＣ",
        tags=["Nature"],
        taxonomy=["Places/Asia/Japan"],
        filename="caf\u0065\u0301_photo.png",
        user_id="user_1",
        created_at="2023-12-31T23:30:00Z",
        gps={"lat": 35.66, "lon": 139.75},
        admin_tags=["review"],
        colours=["teal", "#ffffff"],
        metadata={"width": 800, "camera": "Canon EOS 5D Mark II"},
    ),
    _image(
        9,
        "Brand*new logo",
        tags=["brand"],
        filename="logo.svg",
        user_id="user_2",
        created_at="2024-04-01T00:00:00Z",
        suggested_tags=[{"tag": "water", "confidence": 83.7}, {"tag": "river", "confidence": 12.0}],
    ),
]
FOREIGN = {"number": 100, "id": "asset_100", "type": "image", "title": "Foreign mountain landscape", "tags": ["nature"]}


LIVE = {1, 2, 3, 4, 5, 6, 8, 9}


@pytest.fixture(scope="module", params=["osmem", *(["opensearch"] if GIVEN in os.environ else [])])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an index with `RECORDS` of org_a and one record of org_b."""
    with _server(str(request.param)) as url:
        send(url, "PUT", f"/{INDEX}", index_body())
        for record in RECORDS:
            put(f"{url}/{INDEX}", record)
        put(f"{url}/{INDEX}", FOREIGN, "org_b")
        yield f"{url}/{INDEX}"


@contextmanager
def _server(name: str) -> Iterator[str]:
    if name == "opensearch":
        url = os.environ[GIVEN]
        send(url, "DELETE", f"/{INDEX}?ignore_unavailable=true")
        try:
            yield url
        finally:
            send(url, "DELETE", f"/{INDEX}?ignore_unavailable=true")
        return
    command = [resolve_binary(), "-no-ja", "-parent-pid", str(os.getpid())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield str(json.loads(process.stdout.readline())["url"])
        finally:
            process.kill()


def put(engine: str, record: Mapping[str, Any], org_id: str = "org_a") -> None:
    """Write a record; it can be searched at once."""
    derived = {"fold": fold_object(record), "org_id": org_id, "asset_id": record["id"], "rev": 1, "deleted": False}
    send(engine, "PUT", f"/_doc/{record['number']}?refresh=true", {**record, **derived})


def send(url: str, method: str, path: str, body: Any = None) -> Json:
    """Call the engine; an error of it fails the test."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request) as answer:
        found: Json = json.loads(answer.read())
    return found


def search(engine: str, request: SearchRequest, caller: Caller = ME) -> tuple[CompiledSearch, Json]:
    """Compile and run a search; one by cursor goes where its point in time is."""
    compiled = compile_search(request, caller, NOW)
    place = engine if "pit" not in compiled.body else engine.rpartition("/")[0]
    return compiled, send(place, "POST", "/_search", compiled.body)


def numbers(answer: Json) -> list[int]:
    """The numbers of the records found, in their order."""
    return [hit["_source"]["number"] for hit in answer["hits"]["hits"]]
