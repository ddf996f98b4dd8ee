"""Uploads and downloads through the API compared with the raw MinIO client, and the memory of a large upload."""

from __future__ import annotations

import asyncio
import io
import json
import os
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from urllib.parse import unquote, urlsplit

import aiohttp
from minio import Minio
from minio.deleteobjects import DeleteObject

from scripts.benchlib import PREFIX, fill, service
from service.adapters.s3.bucket import create_bucket
from service.adapters.s3.options import S3Options

S3 = "ASSETRY_TEST_S3_URL"
MB = 1_000_000
GOAL = 0.7
"""The share of the raw client's throughput that the API should reach."""

Work = Callable[[int], Awaitable[None]]


@dataclass(frozen=True)
class Load:
    """A workload: file size in bytes, number of files per round, and concurrency."""

    name: str
    size: int
    count: int
    at_once: int


@dataclass
class Rates:
    """MB per second in each round."""

    raw: list[float] = field(default_factory=list)
    api: list[float] = field(default_factory=list)


async def files(url: str, rounds: int, large: int, small: int, upload_mb: int) -> None:
    """Print the tables for files."""
    bucket = f"assetry-bench-{secrets.token_hex(4)}"
    await create_bucket(S3Options(url, bucket=bucket))
    raw = _raw(url)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        key = await fill(data, 1)
        try:
            async with service(data, ASSETRY_S3_URL=url, ASSETRY_S3_BUCKET=bucket) as (base, _):
                headers = {"Authorization": f"Bearer {key}"}
                timeout = aiohttp.ClientTimeout(total=None, sock_read=300)
                async with aiohttp.ClientSession(base, headers=headers, timeout=timeout) as session:
                    loads = (
                        Load("100 MB", 100 * MB, large, 1),
                        Load("100 MB", 100 * MB, large, 4),
                        Load("10 kB", 10_000, small, 16),
                    )
                    print("\n| files | at once | way | API | raw client | API / raw, median of rounds |")
                    print("|---|---|---|---|---|---|")
                    for load in loads:
                        await _compare(session, raw, bucket, load, rounds)
                    await _watch(session, upload_mb * MB)
        finally:
            await asyncio.to_thread(_remove, raw, bucket)


def _raw(url: str) -> Minio:
    split = urlsplit(url)
    host = split.netloc.rpartition("@")[2]
    access, secret = unquote(split.username or ""), unquote(split.password or "")
    return Minio(host, access_key=access, secret_key=secret, secure=split.scheme == "https")


def _remove(raw: Minio, bucket: str) -> None:
    objects = raw.list_objects(bucket, recursive=True)
    doomed = [DeleteObject(found.object_name) for found in objects if found.object_name]
    assert not list(raw.remove_objects(bucket, doomed))
    raw.remove_bucket(bucket)


async def _compare(session: aiohttp.ClientSession, raw: Minio, bucket: str, load: Load, rounds: int) -> None:
    up, down = Rates(), Rates()
    seed = os.urandom(load.size)  # files differ in their first bytes, since identical content is not sent twice
    with ThreadPoolExecutor(load.at_once) as pool:
        for number in range(rounds):
            names = [f"raw/{number}/{index}" for index in range(load.count)]
            urls: dict[int, str] = {}

            def put(index: int, names: list[str] = names) -> None:
                content = _fresh(seed)
                raw.put_object(bucket, names[index], io.BytesIO(content), load.size)

            def get(index: int, names: list[str] = names) -> None:
                response = raw.get_object(bucket, names[index])
                size = sum(len(chunk) for chunk in response.stream(MB))
                response.close()
                response.release_conn()
                assert size == load.size

            async def upload(index: int, urls: dict[int, str] = urls) -> None:
                urls[index] = await _upload(session, _fresh(seed))

            async def download(index: int, urls: dict[int, str] = urls) -> None:
                async with session.get(urls[index]) as answer:
                    size = 0
                    async for chunk in answer.content.iter_chunked(MB):
                        size += len(chunk)
                assert (answer.status, size) == (200, load.size)

            up.raw.append(await _rate(load, _threaded(pool, put)))
            up.api.append(await _rate(load, upload))
            down.raw.append(await _rate(load, _threaded(pool, get)))
            down.api.append(await _rate(load, download))
    _row(load, "up", up)
    _row(load, "down", down)


def _fresh(seed: bytes) -> bytes:
    """Return unique content that no reader mistakes for a damaged file of a known format."""
    return b"bench " + os.urandom(16) + seed[22:]


async def _upload(session: aiohttp.ClientSession, content: bytes) -> str:
    form = aiohttp.FormData()
    form.add_field("asset", json.dumps({"title": "Bench", "type": "other"}), content_type="application/json")
    form.add_field("file", io.BytesIO(content), filename="bench.bin", content_type="application/octet-stream")
    async with session.post(f"{PREFIX}/assets", data=form) as answer:
        body = await answer.json()
        assert answer.status == 201, body
    return str(body["data"]["urls"]["original"] if "data" in body else body["urls"]["original"])


def _threaded(pool: ThreadPoolExecutor, work: Callable[[int], None]) -> Work:
    async def run(index: int) -> None:
        await asyncio.get_running_loop().run_in_executor(pool, work, index)

    return run


async def _rate(load: Load, work: Work) -> float:
    """Return the MB per second of one round."""
    todo: Iterator[int] = iter(range(load.count))

    async def worker() -> None:
        for index in todo:
            await work(index)

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(load.at_once)))
    return load.count * load.size / MB / (time.perf_counter() - started)


def _row(load: Load, way: str, rates: Rates) -> None:
    share = median(api / raw for api, raw in zip(rates.api, rates.raw, strict=True))
    per_file = load.size / MB
    shown = [
        f"{median(way):,.0f} MB/s" if per_file > 1 else f"{median(way) / per_file:,.0f} files/s"
        for way in (rates.api, rates.raw)
    ]
    met = "" if share >= GOAL else f" (goal {GOAL})"
    print(
        f"| {load.count} of {load.name} | {load.at_once} | {way} | {shown[0]} | {shown[1]} | {share:.2f}{met} |",
        flush=True,
    )


async def _watch(session: aiohttp.ClientSession, size: int) -> None:
    """Upload one large file and print how the memory of the service grew."""

    async def body() -> AsyncIterator[bytes]:
        piece = os.urandom(MB)
        for number in range(size // MB):
            yield number.to_bytes(8) + piece[8:]

    with _memory() as memory:
        before = memory()
        form = aiohttp.FormData()
        form.add_field("asset", '{"title": "Large", "type": "other"}', content_type="application/json")
        form.add_field("file", body(), filename="large.bin", content_type="application/octet-stream")
        started = time.perf_counter()
        async with session.post(f"{PREFIX}/assets", data=form) as answer:
            assert answer.status == 201, await answer.text()
        seconds = time.perf_counter() - started
        after = memory()
    print(
        f"\nUpload of {size // MB:,} MB: {seconds:.1f} s; peak of the service's memory {after} MB, {before} MB before"
    )


@contextmanager
def _memory() -> Iterator[Callable[[], int]]:
    """Yield a function that returns the peak memory of the service in MB; reset at the start where permitted."""
    place = Path("/proc") / str(_served())

    def peak() -> int:
        for line in (place / "status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) // 1024
        return 0

    (place / "clear_refs").write_text("5")
    yield peak


def _served() -> int:
    """Return the process id of the service started by this process."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    for child in children:
        if b"\0serve\0" in (Path("/proc") / child / "cmdline").read_bytes():
            return int(child)
    raise RuntimeError("the service is not running")
