"""The files on a real S3 engine, over a wire that breaks."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from service.adapters.s3.bucket import create_bucket
from service.adapters.s3.checks import checks
from service.adapters.s3.files import S3Files
from service.adapters.s3.options import MIB, S3Options
from service.errors import InvalidInput, NotFound, Unavailable
from service.ports.checks import Health
from service.ports.files import original_key
from tests.contracts.s3 import URL, raw_client, remove_bucket, s3_options
from tests.contracts.wire import Wire, wire
from tests.support.waiting import PATIENCE, until

pytestmark = pytest.mark.skipif(URL not in os.environ, reason=f"needs an S3 engine: {URL} (scripts/engines up)")

LARGE = 24 * MIB
"""Bytes of a file of five parts."""


@dataclass(frozen=True)
class Rig:
    """An adapter behind a wire, and a client that looks at the bucket past both."""

    files: S3Files
    wire: Wire
    options: S3Options

    def left(self, key: str) -> list[str]:
        """Return what a put left: multipart uploads of its key, and marks."""
        raw = raw_client(self.options)
        uploads = raw._list_multipart_uploads(self.options.bucket, prefix=key).uploads
        marks = raw.list_objects(self.options.bucket, ".marks/", recursive=True)
        return [f"upload {found.object_name}" for found in uploads] + [f"mark {found.object_name}" for found in marks]


@asynccontextmanager
async def rig(place: Path, **bounds: Any) -> AsyncIterator[Rig]:
    straight = replace(s3_options(place), **{"single": 5 * MIB, "part_size": 5 * MIB, **bounds})
    await create_bucket(straight)
    with wire(straight.url) as between:
        async with S3Files(replace(straight, url=between.url)) as files:
            yield Rig(files, between, straight)
    await asyncio.to_thread(remove_bucket, straight)


async def random(size: int) -> AsyncIterator[bytes]:
    for number in range(size // MIB):
        yield number.to_bytes(4) * (MIB // 4)


def key_of(size: int) -> str:
    digest = hashlib.sha256(b"".join(number.to_bytes(4) * (MIB // 4) for number in range(size // MIB)))
    return original_key("org", digest.hexdigest())


async def absent(files: S3Files, key: str) -> None:
    with pytest.raises(NotFound):
        await files.stat(key)


@pytest.mark.parametrize("dies_at", [1 * MIB, 12 * MIB, 23 * MIB])
async def test_an_engine_that_dies_at_a_part_leaves_nothing_readable(tmp_path: Path, dies_at: int) -> None:
    async with rig(tmp_path) as r:
        r.wire.cut_at = r.wire.sent + dies_at
        with pytest.raises(Unavailable, match="files: the engine cannot be reached"):
            await r.files.put("org", random(LARGE))
        r.wire.cut_at = None
        await absent(r.files, key_of(LARGE))
        left = await asyncio.to_thread(r.left, key_of(LARGE))
        assert len(left) == 2  # nobody could reach the engine to abort
        assert await r.files.sweep() == 0  # as young as one that is under way
        assert await r.files.sweep(older_than=0) == 2
        assert await asyncio.to_thread(r.left, key_of(LARGE)) == []
        assert await r.files.sweep(older_than=0) == 0
        assert (await r.files.put("org", random(LARGE))).key == key_of(LARGE)


async def test_a_cancelled_put_aborts_its_parts(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        before = r.wire.sent
        task = asyncio.create_task(r.files.put("org", random(LARGE)))
        await until(lambda: r.wire.sent > before + 6 * MIB, "some parts are on their way")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await absent(r.files, key_of(LARGE))
        assert await asyncio.to_thread(r.left, key_of(LARGE)) == []


@pytest.mark.parametrize("size", [1 * MIB, LARGE], ids=["single", "parts"])
async def test_a_flipped_bit_is_noticed_and_sent_again(tmp_path: Path, size: int) -> None:
    async with rig(tmp_path) as r:
        r.wire.flips = 1
        put = await r.files.put("org", random(size))
        assert r.wire.flips == 0
        async with r.files.open(put.key) as chunks:
            content = b"".join([chunk async for chunk in chunks])
        assert hashlib.sha256(content).hexdigest() == put.sha256


@pytest.mark.parametrize("size", [1 * MIB, LARGE], ids=["single", "parts"])
async def test_a_wire_that_flips_for_ever_stores_nothing(tmp_path: Path, size: int) -> None:
    async with rig(tmp_path) as r:
        r.wire.flips = 10**9
        with pytest.raises(Unavailable):
            await r.files.put("org", random(size))
        r.wire.flips = 0
        await absent(r.files, key_of(size))
        assert await asyncio.to_thread(r.left, key_of(size)) == []


async def test_an_engine_that_hangs_is_unavailable_in_time_and_comes_back(tmp_path: Path) -> None:
    async with rig(tmp_path, idle=1.0, stall=0.5, threads=2) as r:
        put = await r.files.put("org", random(MIB))
        r.wire.hang = True
        calls = [r.files.stat(put.key) for _ in range(6)] + [r.files.ping()]
        async with asyncio.timeout(PATIENCE):
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(outcome, Unavailable) for outcome in outcomes), outcomes
        r.wire.hang = False
        r.wire.drop()
        assert (await r.files.stat(put.key)).size == MIB
        assert (await r.files.ping())["engine"] == "s3"


async def test_a_download_that_breaks_says_so(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        put = await r.files.put("org", random(LARGE))
        received: list[int] = []

        async def read() -> None:
            async with r.files.open(put.key) as chunks:
                async for chunk in chunks:
                    received.append(len(chunk))
                    r.wire.drop()

        with pytest.raises(Unavailable):
            await read()
        assert 0 < sum(received) < LARGE
        assert (await r.files.stat(put.key)).size == LARGE


async def test_a_download_that_is_left_early_reads_no_further(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        put = await r.files.put("org", random(LARGE))
        before = r.wire.received
        async with r.files.open(put.key) as chunks:
            assert len(await anext(aiter(chunks))) > 0
        assert r.wire.received - before < LARGE
        assert (await r.files.stat(put.key)).size == LARGE


async def test_slow_readers_hold_no_thread(tmp_path: Path) -> None:
    async with rig(tmp_path, threads=2, stall=2.0) as r:
        put = await r.files.put("org", random(LARGE))
        async with r.files.open(put.key) as one, r.files.open(put.key) as two, r.files.open(put.key) as three:
            for chunks in (one, two, three):
                assert len(await anext(aiter(chunks))) > 0
            assert (await r.files.stat(put.key)).size == LARGE


async def test_content_that_is_there_is_not_sent_again(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        await r.files.put("org", random(LARGE))
        before = r.wire.sent
        await r.files.put("org", random(LARGE))
        path = tmp_path / "copy"
        path.write_bytes(b"".join([chunk async for chunk in random(LARGE)]))
        await r.files.put_path("org", path)
        assert r.wire.sent - before < 10_000


async def test_failures_leave_no_temporary_file(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        async for chunk in random(LARGE):
            yield chunk
        raise ConnectionResetError

    async with rig(tmp_path) as r:
        with pytest.raises(ConnectionResetError):
            await r.files.put("org", broken())
        with pytest.raises(InvalidInput):
            await r.files.put("org", random(LARGE), expected_sha256="0" * 64)
        assert list(tmp_path.iterdir()) == []
        assert r.wire.sent < MIB
        await r.files.put("org", random(LARGE))
    assert list(tmp_path.iterdir()) == []


async def test_the_loop_runs_on_during_a_put(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        turns = 0

        async def tick() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        ticking = asyncio.create_task(tick())
        await r.files.put("org", random(64 * MIB))
        ticking.cancel()
        assert turns > 1000


async def test_nothing_that_a_client_said_is_kept_with_the_object(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        raw = raw_client(r.options)
        metadata = {"Content-Type": "text/html", "x-amz-meta-owner": "mallory"}
        await asyncio.to_thread(raw._put_object, r.options.bucket, ".uploads/org/u", b"<script>", dict(metadata))
        put = await r.files.adopt("org", "u")
        found = await asyncio.to_thread(raw.stat_object, r.options.bucket, put.key)
        assert found.content_type == "application/octet-stream"
        assert found.metadata is not None
        assert not [name for name in found.metadata if name.lower().startswith("x-amz-meta")]


async def test_the_bucket_is_made_once(tmp_path: Path) -> None:
    options = s3_options(tmp_path)
    assert sorted(await asyncio.gather(*(create_bucket(options) for _ in range(4)))) == [False] * 3 + [True]
    await asyncio.to_thread(remove_bucket, options)


async def test_a_good_engine_passes_the_checks(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        found = await checks(r.options)
        assert {check.name for check in found} >= {"endpoint", "bucket", "permissions", "multipart uploads"}
        assert [check for check in found if check.health is not Health.OK] == []
        assert await asyncio.to_thread(r.left, "") == []


@pytest.mark.parametrize(
    ("spoil", "setting"),
    [
        (lambda options: replace(options, bucket="nowhere-at-all"), "ASSETRY_S3_BUCKET"),
        (lambda options: replace(options, access_key="nobody", secret_key="x" * 12), "ASSETRY_S3_ACCESS_KEY"),
        (lambda options: replace(options, access_key=options.keys[0], secret_key="x" * 12), "ASSETRY_S3_SECRET_KEY"),
    ],
    ids=["bucket", "access key", "secret key"],
)
async def test_a_wrong_setting_is_a_failed_check(
    tmp_path: Path, spoil: Callable[[S3Options], S3Options], setting: str
) -> None:
    last = (await checks(spoil(s3_options(tmp_path))))[-1]
    assert (last.health, last.setting) == (Health.FAILED, setting)
    assert last.fix
