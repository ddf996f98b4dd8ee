"""A place of its own on the run's real engines for one whole service: made, and removed after.

A run on real engines (`./scripts/test --engines native`) has their URLs in `ASSETRY_TEST_…`. A place is a database, a
bucket, a prefix of keys and one of indexes, all by one name that no other test has. An engine that the run lacks is
embedded, as it would be in a service without that setting.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
from minio import Minio
from minio.deleteobjects import DeleteObject
from pymongo import MongoClient
from redis import Redis

from service.runtime import engine_setup
from service.settings import load

RUN = "ASSETRY_TEST_ENGINES"
"""The variable that says which engines the run is on: embedded (or unset), native, docker."""

Remove = Callable[[str, str], None]


def on_real_engines() -> bool:
    """Whether whole services of this run are on real engines."""
    return os.environ.get(RUN, "embedded") != "embedded"


def chosen(name: str) -> dict[str, Any]:
    """Return the settings of a service at the place of this name; none where the run is embedded."""
    if not on_real_engines():
        return {}
    settings: dict[str, Any] = {}
    for variable, (url, place, _) in _ENGINES.items():
        if variable in os.environ:
            settings |= {url: os.environ[variable], place: name}
    return settings


@asynccontextmanager
async def place(**settings: Any) -> AsyncIterator[dict[str, Any]]:
    """Give the settings of a service of its own on the run's engines, ready to be opened; nothing is left of it after.

    `settings` are more of them, which win.
    """
    name = f"t{secrets.token_hex(6)}"
    given = chosen(name) | settings
    try:
        if given:
            await engine_setup.apply(load(**given))
        yield given
    finally:
        for variable, (url, _, remove) in _ENGINES.items():
            if variable in os.environ and url in given:
                await asyncio.to_thread(remove, os.environ[variable], name)


def _drop_database(url: str, name: str) -> None:
    with MongoClient[dict[str, Any]](url) as client:
        client.drop_database(name)


def _drop_bucket(url: str, name: str) -> None:
    parts = urlsplit(url)
    client = Minio(
        parts.netloc.rpartition("@")[2],
        access_key=unquote(parts.username or ""),
        secret_key=unquote(parts.password or ""),
        secure=parts.scheme == "https",
    )
    if client.bucket_exists(name):
        objects = client.list_objects(name, recursive=True)
        gone = (DeleteObject(found.object_name) for found in objects if found.object_name)
        errors = list(client.remove_objects(name, gone))
        assert not errors, errors
        client.remove_bucket(name)


def _drop_keys(url: str, name: str) -> None:
    with Redis.from_url(url) as client:
        for key in client.scan_iter(f"*{name}*", count=1000):  # arq puts a word of its own before the prefix
            client.delete(key)


def _drop_indexes(url: str, name: str) -> None:
    with httpx.Client(base_url=url, timeout=30) as client:
        for index in client.get(f"/{name}-*/_alias", params={"expand_wildcards": "all"}).raise_for_status().json():
            client.delete(f"/{index}").raise_for_status()


_ENGINES: Mapping[str, tuple[str, str, Remove]] = {
    "ASSETRY_TEST_MONGODB_URL": ("mongodb_url", "mongodb_database", _drop_database),
    "ASSETRY_TEST_S3_URL": ("s3_url", "s3_bucket", _drop_bucket),
    "ASSETRY_TEST_REDIS_URL": ("redis_url", "redis_prefix", _drop_keys),
    "ASSETRY_TEST_OPENSEARCH_URL": ("opensearch_url", "index_prefix", _drop_indexes),
}
"""By the variable of an engine: the setting of its URL, the one that names the place on it, and what removes that."""


def given(name: str) -> dict[str, str]:
    """Return the environment of processes at the place of this name, on every engine that the run was given."""
    environment: dict[str, str] = {}
    for variable, (url, place, _) in _ENGINES.items():
        if variable in os.environ:
            environment |= {f"ASSETRY_{url.upper()}": os.environ[variable], f"ASSETRY_{place.upper()}": name}
    return environment


def removed(name: str) -> None:
    """Remove all that is at a place."""
    for variable, (_, _, remove) in _ENGINES.items():
        if variable in os.environ:
            remove(os.environ[variable], name)
