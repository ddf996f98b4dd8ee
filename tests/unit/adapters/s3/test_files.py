from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from service.adapters.s3 import files as s3_files
from service.adapters.s3.bucket import create_bucket
from service.adapters.s3.checks import checks
from service.adapters.s3.connections import RETRIES
from service.adapters.s3.files import S3Files
from service.adapters.s3.options import MIB, S3Options
from service.errors import AssetryError, SettingsError, StorageFull, Unavailable
from service.ports.checks import Health
from service.ports.files import original_key
from tests.support.certificates import NEEDS, Authority, available, server_side
from tests.support.waiting import PATIENCE, until
from tests.unit.adapters.s3.server import Engine, s3_engine

LARGE = b"0123456789abcdef" * (12 * MIB // 16)
KEY = original_key("org", hashlib.sha256(LARGE).hexdigest())


@pytest.fixture
def engine() -> Iterator[Engine]:
    with s3_engine() as engine:
        yield engine


@pytest.fixture
def options(engine: Engine, tmp_path: Path) -> S3Options:
    return S3Options(engine.url, single=5 * MIB, part_size=5 * MIB, scratch=tmp_path)


async def stream(content: bytes) -> AsyncIterator[bytes]:
    for first in range(0, len(content), MIB):
        yield content[first : first + MIB]


def silent(error: AssetryError) -> bool:
    """Say whether a message keeps to itself what is nobody's business."""
    return not any(word in str(error) for word in ("hush", "someone", "engine says secret"))


@pytest.mark.parametrize(
    ("code", "status", "setting"),
    [
        ("InvalidAccessKeyId", 403, "ASSETRY_S3_ACCESS_KEY"),
        ("ExpiredToken", 400, "ASSETRY_S3_ACCESS_KEY"),
        ("AccessDenied", 403, "ASSETRY_S3_ACCESS_KEY"),
        ("SignatureDoesNotMatch", 403, "ASSETRY_S3_SECRET_KEY"),
        ("NoSuchBucket", 404, "ASSETRY_S3_BUCKET"),
        ("AuthorizationHeaderMalformed", 400, "ASSETRY_S3_REGION"),
        ("PermanentRedirect", 301, "ASSETRY_S3_REGION"),
        ("InvalidRegionName", 400, "ASSETRY_S3_REGION"),
        ("RequestTimeTooSkewed", 403, "ASSETRY_S3_URL"),
    ],
)
async def test_what_is_wrong_at_start_names_its_setting(
    engine: Engine, options: S3Options, code: str, status: int, setting: str
) -> None:
    engine.fail("GET", code, status, times=9)
    with pytest.raises(SettingsError) as caught:
        async with S3Files(options):
            pass
    assert caught.value.setting == setting
    assert silent(caught.value)
    found = (await checks(options))[-1]
    assert (found.health, found.setting) == (Health.FAILED, setting)
    assert found.fix


async def test_what_is_no_s3_is_told(engine: Engine, options: S3Options) -> None:
    for body, status, kind in ((b"<html>hello</html>", 200, "text/html"), (b"Not Found", 404, "text/plain")):
        engine.faults.clear()
        engine.fail("GET", status=status, body=body, kind=kind, times=9)
        with pytest.raises(SettingsError, match=r"ASSETRY_S3_URL: .* not answer as S3 does"):
            async with S3Files(options):
                pass


async def test_an_engine_that_is_starting_is_unavailable(engine: Engine, options: S3Options) -> None:
    engine.fail("GET", "XMinioServerNotInitialized", 503, times=9)
    with pytest.raises(Unavailable) as caught:
        async with S3Files(options):
            pass
    assert silent(caught.value)


async def test_a_bucket_is_made_where_none_is(engine: Engine, options: S3Options) -> None:
    assert await create_bucket(options) is False
    engine.fail("GET", "NoSuchBucket", 404)
    assert await create_bucket(options) is True
    engine.fail("GET", "NoSuchBucket", 404)
    engine.fail("PUT", "BucketAlreadyOwnedByYou", 409)
    assert await create_bucket(options) is False
    engine.fail("GET", "InvalidAccessKeyId", 403)
    with pytest.raises(SettingsError, match="ASSETRY_S3_ACCESS_KEY"):
        await create_bucket(options)


async def test_every_body_is_sent_with_its_checksum(engine: Engine, options: S3Options) -> None:
    async with S3Files(options) as files:
        small = await files.put("org", stream(b"small"))
        assert (await files.put("org", stream(LARGE))).key == KEY
    bodies = [asked for asked in engine.asked if asked.method == "PUT"]
    parts = sorted(len(asked.body) for asked in bodies if "partNumber" in asked.target)
    assert parts == [2 * MIB, 5 * MIB, 5 * MIB]
    for asked in bodies:
        assert asked.headers["x-amz-content-sha256"] == hashlib.sha256(asked.body).hexdigest()
    assert set(engine.objects) == {small.key, KEY}  # no mark is left
    assert engine.objects[KEY] == LARGE


async def test_an_md5_that_the_engine_tells_is_believed_until_it_is_wrong(engine: Engine, options: S3Options) -> None:
    async def md5_of(content: bytes) -> str:
        return (await files.put("org", stream(content))).md5

    contents = [bytes([number]) * MIB for number in range(6)]
    async with S3Files(options) as files:
        assert await md5_of(contents[0]) == hashlib.md5(contents[0]).hexdigest()
        engine.headers = {"ETag": f'"{"0" * 31}1"'}  # looks like one
        assert await md5_of(contents[1]) == hashlib.md5(contents[1]).hexdigest()
    async with S3Files(options) as files:
        engine.headers = {"ETag": f'"{hashlib.md5(contents[2]).hexdigest()}"'}
        assert await md5_of(contents[2]) == hashlib.md5(contents[2]).hexdigest()
        engine.headers = {"ETag": f'"{"0" * 31}2"'}
        assert await md5_of(contents[3]) == "0" * 31 + "2"  # this engine has proved to tell it
        kms = {"ETag": f'"{"0" * 32}"', "x-amz-server-side-encryption": "aws:kms"}
        for engine.headers in (kms, {"ETag": '"e"'}, {}):
            assert await md5_of(contents[4]) == hashlib.md5(contents[4]).hexdigest()
            engine.objects.clear()
        engine.headers = {"ETag": f'"{"0" * 31}3"'}
        small = b"small"
        assert await md5_of(small) == hashlib.md5(small).hexdigest()
        assert await md5_of(contents[5]) == hashlib.md5(contents[5]).hexdigest()  # it has lied since


@pytest.mark.parametrize("code", ["BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", "RequestTimeout"])
async def test_a_part_that_arrives_broken_is_sent_again(engine: Engine, options: S3Options, code: str) -> None:
    engine.fail("partNumber=2", code, 400, times=2)
    async with S3Files(options) as files:
        await files.put("org", stream(LARGE))
    assert engine.count("partNumber=2") == 3
    assert engine.objects[KEY] == LARGE


@pytest.mark.parametrize(
    ("matches", "code", "status"),
    [
        ("partNumber=3", "BadDigest", 400),
        ("partNumber=1", "AccessDenied", 403),
        ("partNumber=2", "XMinioStorageFull", 507),
        (r"POST .*\?uploadId=u1", "InvalidPart", 400),
        (r"PUT .*partNumber", "SlowDown", 503),
    ],
)
async def test_a_put_that_fails_aborts_its_parts(
    engine: Engine, options: S3Options, matches: str, code: str, status: int
) -> None:
    engine.fail(matches, code, status, times=99)
    async with S3Files(options) as files:
        with pytest.raises(Unavailable) as caught:
            await files.put("org", stream(LARGE))
    assert silent(caught.value)
    assert engine.uploads == {}
    assert engine.objects == {}


async def test_an_error_in_a_completion_of_status_200_is_an_error(engine: Engine, options: S3Options) -> None:
    engine.fail(r"POST .*\?uploadId", body=b"<Error><Code>InternalError</Code></Error>", status=200)
    async with S3Files(options) as files:
        with pytest.raises(Unavailable, match="complete the multipart upload"):
            await files.put("org", stream(LARGE))
    assert engine.uploads == {}


async def test_a_lost_answer_to_a_completion_is_no_failure(engine: Engine, options: S3Options) -> None:
    engine.fail(r"POST .*\?uploadId", "NoSuchUpload", 404, after=True)
    async with S3Files(options) as files:
        assert (await files.put("org", stream(LARGE))).key == KEY


async def test_a_mark_that_can_not_be_removed_is_the_janitors(engine: Engine, options: S3Options) -> None:
    engine.fail(r"DELETE \.marks/", "AccessDenied", 403)
    async with S3Files(options) as files:
        await files.put("org", stream(LARGE))
        assert len(engine.objects) == 2
        assert await files.sweep() == 1  # the server says that it is old
    assert set(engine.objects) == {KEY}


async def test_a_busy_engine_is_asked_again(engine: Engine, options: S3Options) -> None:
    async with S3Files(options) as files:
        put = await files.put("org", stream(b"small"))
        engine.fail("HEAD", "SlowDown", 503, times=2)
        assert (await files.stat(put.key)).size == 5
        engine.fail("HEAD", "SlowDown", 503, times=9)
        with pytest.raises(Unavailable):
            await files.stat(put.key)


async def test_no_links_without_an_address_for_clients(engine: Engine, options: S3Options) -> None:
    async with S3Files(options) as files:
        assert await files.signed_put("org", "u", seconds=60) is None
        link = await files.signed_get("org/x", seconds=60, filename="x", mime_type="text/plain", attachment=True)
        assert link is None
    assert engine.count("PUT") == 0


async def test_after_close_it_is_unavailable(engine: Engine, options: S3Options) -> None:
    async with S3Files(options) as files:
        pass
    with pytest.raises(Unavailable, match="closed"):
        await files.stat("org/x")


@pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (429, "TooManyRequests")])
async def test_an_engine_that_names_a_time_is_not_waited_for(
    engine: Engine, options: S3Options, status: int, code: str
) -> None:
    """MinIO asks for a minute with each 503; the threads, and all who wait for one, would sleep through it."""
    async with S3Files(options) as files:
        await files.put("org", stream(b"first"))
        engine.asked.clear()
        engine.fail("GET|HEAD|PUT", code, status, times=99, headers={"Retry-After": "60"})
        async with asyncio.timeout(10):
            for call in (files.ping(), files.stat("org/x"), files.put("org", stream(b"small"))):
                with pytest.raises(Unavailable) as caught:
                    await call
                assert silent(caught.value)
    assert engine.count("PUT") == 1 + RETRIES


@pytest.mark.parametrize(
    ("status", "body", "kind", "told"),
    [
        (503, None, "application/xml", "asks for fewer requests"),
        (502, b"<html>Bad Gateway</html>", "text/html", "HTTP status 502"),
        (504, b"", "text/plain", "HTTP status 504"),
    ],
)
async def test_an_engine_or_proxy_that_is_busy_says_so(
    engine: Engine, options: S3Options, status: int, body: bytes | None, kind: str, told: str
) -> None:
    """At the start, too: the URL is right."""
    engine.fail("GET", "SlowDown", status, body=body, kind=kind, times=99)
    with pytest.raises(Unavailable, match=told):
        async with S3Files(options):
            pass


async def test_a_body_may_be_taken_slower_than_a_connection(engine: Engine, options: S3Options) -> None:
    """The first body of a connection, too: an engine that is busy, or a narrow uplink, takes its time."""
    engine.busy = 0.5
    content = b"x" * (24 * MIB)  # more than the buffers of the wire hold
    async with S3Files(replace(options, connect=0.1, single=len(content))) as files:
        put = await files.put("org", stream(content))
    assert engine.objects[put.key] == content
    assert engine.count("PUT") == 1


async def test_a_body_that_is_not_taken_is_not_sent_again(engine: Engine, options: S3Options) -> None:
    engine.busy = 1.5
    content = b"x" * (24 * MIB)
    async with S3Files(replace(options, idle=0.2, single=len(content))) as files:
        with pytest.raises(Unavailable, match="did not answer in time"):
            await files.put("org", stream(content))
    assert engine.count("PUT") <= 1


@pytest.mark.skipif(not available(), reason=NEEDS)
async def test_an_engine_with_a_certificate_of_its_own(tmp_path: Path) -> None:
    ours, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    with s3_engine(server_side(ours.issue("engine", "IP:127.0.0.1"))) as engine:
        options = S3Options(engine.url, ca=ours.root, single=5 * MIB, part_size=5 * MIB, scratch=tmp_path)
        async with S3Files(options) as files:
            small = await files.put("org", stream(b"small"))
            assert (await files.put("org", stream(LARGE))).key == KEY
            assert engine.objects[KEY] == LARGE
            async with files.open(small.key) as content:
                assert b"".join([chunk async for chunk in content]) == b"small"
        engine.busy = 1.5
        body = b"x" * (24 * MIB)
        with pytest.raises(Unavailable, match="did not answer in time"):
            async with S3Files(replace(options, idle=0.2, single=len(body))) as files:
                await files.put("org", stream(body))
        with pytest.raises(SettingsError, match=r"ASSETRY_S3_CA: the certificate of .* is not trusted"):
            async with S3Files(replace(options, ca=other.root)):
                pass


async def test_an_engine_that_is_slow_serves_all_in_turn(engine: Engine, options: S3Options) -> None:
    """Large bodies on a narrow line: whoever waits for them to leave is not refused, and reading does not wait."""
    async with S3Files(replace(options, threads=1, stall=1.0)) as files:
        small = await files.put("org", stream(b"small"))
        engine.busy = 0.3
        puts = [asyncio.create_task(files.put("org", stream(bytes([n]) * (2 * MIB)))) for n in range(6)]
        await until(lambda: engine.count("PUT") > 1, "a large body has left")
        assert (await files.stat(small.key)).size == 5
        assert sum(put.done() for put in puts) < 3
        assert len({put.key for put in await asyncio.gather(*puts)}) == 6


async def test_what_comes_slowly_is_passed_on(engine: Engine, options: S3Options) -> None:
    """Who waits for the first byte of a download must not wait for the first MiB."""
    content = bytes(range(256)) * 4096 * 2
    async with S3Files(options) as files:
        put = await files.put("org", stream(content))
        engine.pace = 0.05
        async with files.open(put.key) as opened:
            chunks = [chunk async for chunk in opened]
    assert len(chunks[0]) < MIB
    assert b"".join(chunks) == content


@pytest.mark.parametrize("code", ["XMinioStorageFull", "QuotaExceeded"])
async def test_an_engine_that_is_full_says_so(engine: Engine, options: S3Options, code: str) -> None:
    async with S3Files(options) as files:
        engine.fail("PUT", code, 507)
        with pytest.raises(StorageFull) as caught:
            await files.put("org", stream(b"small"))
    assert silent(caught.value)


async def test_an_upload_gives_up_an_engine_that_hangs(engine: Engine, options: S3Options) -> None:
    async with S3Files(replace(options, idle=0.5)) as files:
        engine.hangs = "PUT .*partNumber"
        with pytest.raises(Unavailable, match="did not answer in time"):
            await files.put("org", stream(LARGE))
        engine.awake.set()


async def test_an_upload_that_broke_does_not_wait_for_what_it_left(
    engine: Engine, options: S3Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for the time of a call, after all that its parts took: what is left is the janitor's."""
    monkeypatch.setattr(s3_files, "_GIVE_UP_SECONDS", 0.2)
    async with S3Files(replace(options, idle=600)) as files:
        engine.fail("partNumber", "AccessDenied", 403, times=99)
        engine.hangs = "DELETE"
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(Unavailable):
                await files.put("org", stream(LARGE))
        assert engine.hung > 0
        engine.awake.set()
