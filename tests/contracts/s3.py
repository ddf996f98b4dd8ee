"""The files port on the S3 engine that the environment names: a bucket of its own for each place."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from minio import Minio
from minio.deleteobjects import DeleteObject

from service.adapters.s3.bucket import create_bucket
from service.adapters.s3.client import client, provider
from service.adapters.s3.files import S3Files
from service.adapters.s3.options import S3Options
from service.ports.files import Files
from service.urls import redacted

URL = "ASSETRY_TEST_S3_URL"


def s3_options(place: Path) -> S3Options:
    """Return the options of a place: its bucket, and links that clients can use."""
    url = os.environ[URL]
    name = hashlib.sha256(str(place).encode()).hexdigest()[:24]
    return S3Options(url, bucket=f"assetry-test-{name}", public_url=redacted(url), scratch=place)


@asynccontextmanager
async def s3_files(place: Path) -> AsyncIterator[Files]:
    options = replace(s3_options(place), fresh=1.0)
    await create_bucket(options)
    try:
        async with S3Files(options) as files:
            yield files
    finally:
        await asyncio.to_thread(remove_bucket, options)


def raw_client(options: S3Options) -> Minio:
    """Return a client that looks at a bucket past the adapter."""
    return client(options, provider(options))


def remove_bucket(options: S3Options) -> None:
    """Remove a bucket with all that is in it."""
    raw = raw_client(options)
    objects = raw.list_objects(options.bucket, recursive=True, include_version=True)
    doomed = [DeleteObject(found.object_name, found.version_id) for found in objects if found.object_name]
    assert list(raw.remove_objects(options.bucket, doomed)) == []
    raw.remove_bucket(options.bucket)
