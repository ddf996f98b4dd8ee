from __future__ import annotations

import asyncio
import hashlib
import os
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest

from service.errors import InvalidInput, NotFound, TooLarge
from service.ports.files import ByteRange, Files, Put, derived_key, original_key
from tests.contracts.content import CONTENT, MIB, SHA256, absent, read, stream
from tests.support.waiting import eventually

MANY = 100
"""Clients at once, each of which may be slow."""


@pytest.mark.parametrize("content", [b"", b"x", CONTENT, CONTENT * 3 + b"tail"], ids=["empty", "byte", "MiB", "more"])
async def test_content_comes_back_as_it_was_put(files: Files, content: bytes) -> None:
    put = await files.put("org", stream(content))
    sha256 = hashlib.sha256(content).hexdigest()
    md5 = hashlib.md5(content).hexdigest()
    assert put == Put(original_key("org", sha256), sha256, md5, len(content))
    assert await read(files, put.key) == content
    stat = await files.stat(put.key)
    assert (stat.key, stat.size) == (put.key, len(content))
    assert stat.modified > 1_700_000_000


@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, MIB - 1), (5, 9), (MIB - 1, MIB - 1), (1000, 900_000)])
async def test_a_range(files: Files, first: int, last: int) -> None:
    put = await files.put("org", stream(CONTENT))
    assert await read(files, put.key, ByteRange(first, last)) == CONTENT[first : last + 1]


async def test_chunks_are_small(files: Files) -> None:
    put = await files.put("org", stream(CONTENT * 3))
    for byte_range in (None, ByteRange(10, 2 * MIB)):
        async with files.open(put.key, byte_range) as chunks:
            assert max([len(chunk) async for chunk in chunks]) <= MIB


async def test_many_slow_readers_share_the_memory(files: Files) -> None:
    """Each holds some blocks for as long as its client likes: with many, blocks are small."""
    put = await files.put("org", stream(CONTENT * 4))
    async with AsyncExitStack() as stack:
        with traced() as held:
            readers = [aiter(await stack.enter_async_context(files.open(put.key))) for _ in range(MANY)]
            for reader in readers * 2:
                assert len(await anext(reader)) > 0
            assert held() < MANY * MIB


async def test_many_slow_writers_share_the_memory(files: Files) -> None:
    pieces = [bytes(64 * 1024) for _ in range(15)]
    async with AsyncExitStack() as stack:
        with traced() as held:
            for _ in range(MANY):
                incoming = await stack.enter_async_context(files.receive())
                for piece in pieces:
                    await incoming.write(bytes(bytearray(piece)))
            assert held() < 0.75 * MANY * MIB


@contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """Give the bytes that were taken since, and not given back."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


async def test_equal_content_is_one_object_in_a_space(files: Files) -> None:
    first = await files.put("org", stream(CONTENT))
    assert await files.put("org", stream(CONTENT, size=MIB)) == first
    other = await files.put("other", stream(CONTENT))
    assert other.key != first.key
    assert await files.delete(first.key)
    with pytest.raises(NotFound):
        await files.stat(first.key)
    assert await read(files, other.key) == CONTENT


async def test_content_that_is_put_again_counts_as_new(files: Files) -> None:
    first = await files.stat((await files.put("org", stream(CONTENT))).key)

    async def renewed() -> bool:
        await files.put("org", stream(CONTENT))
        return (await files.stat(first.key)).modified > first.modified

    await eventually(renewed, "the object is newer than it was")
    assert await read(files, first.key) == CONTENT


@pytest.mark.parametrize("content", [b"", b"small", CONTENT * 3 + b"tail"], ids=["empty", "small", "large"])
async def test_what_comes_in_is_seen_before_it_is_kept(files: Files, content: bytes) -> None:
    sha256 = hashlib.sha256(content).hexdigest()
    async with files.receive(limit=len(content)) as incoming:
        async for chunk in stream(content):
            await incoming.write(chunk)
        assert await incoming.sha256() == sha256
        assert (await incoming.path()).read_bytes() == content
        with pytest.raises(NotFound):
            await files.stat(original_key("org", sha256))
        put = await incoming.keep("org", expected_sha256=sha256)
    assert put == Put(original_key("org", sha256), sha256, hashlib.md5(content).hexdigest(), len(content))
    assert await read(files, put.key) == content


@pytest.mark.parametrize("content", [b"small", CONTENT * 3], ids=["small", "large"])
async def test_what_comes_in_and_is_not_kept_is_gone(files: Files, content: bytes) -> None:
    async with files.receive() as incoming:
        async for chunk in stream(content):
            await incoming.write(chunk)
        path = await incoming.path()
        with pytest.raises(InvalidInput):
            await incoming.keep("org", expected_sha256="0" * 64)
    assert not path.exists()
    async with files.receive() as incoming:
        await incoming.write(content)
    async with files.receive(limit=len(content) - 1) as incoming:
        await incoming.write(content)
        with pytest.raises(TooLarge):
            await incoming.sha256()
    await absent(files, content)


async def test_the_hash_may_be_expected(files: Files) -> None:
    put = await files.put("org", stream(CONTENT), expected_sha256=SHA256)
    assert (await files.put("org", stream(CONTENT), expected_sha256=SHA256.upper())) == put
    with pytest.raises(InvalidInput) as caught:
        await files.put("org", stream(b"other"), expected_sha256=SHA256)
    assert caught.value.field == "sha256"
    await absent(files, b"other")


async def test_the_limit_is_inclusive(files: Files) -> None:
    await files.put("org", stream(CONTENT), limit=MIB)
    with pytest.raises(TooLarge):
        await files.put("org", stream(CONTENT + b"x"), limit=MIB)
    await absent(files, CONTENT + b"x")


async def test_a_broken_stream_leaves_nothing(files: Files) -> None:
    async def broken() -> AsyncIterator[bytes]:
        async for chunk in stream(CONTENT):
            yield chunk
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await files.put("org", broken())
    await absent(files, CONTENT)


async def test_a_cancelled_put_leaves_nothing(files: Files) -> None:
    reached = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        async for chunk in stream(CONTENT):
            yield chunk
        reached.set()
        await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(files.put("org", endless()))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await absent(files, CONTENT)
    assert (await files.put("org", stream(CONTENT))).sha256 == SHA256


async def test_puts_at_once(files: Files) -> None:
    contents = [os.urandom(200_000) for _ in range(8)]
    puts = await asyncio.gather(*(files.put("org", stream(content)) for content in contents * 4))
    assert puts[:8] == puts[8:16] == puts[24:]
    for content, put in zip(contents, puts, strict=False):
        assert await read(files, put.key) == content


async def test_memory_stays_flat(files: Files) -> None:
    async def large() -> AsyncIterator[bytes]:
        for _ in range(640):
            yield b"x" * 102_400  # made anew: 64 MB in all

    tracemalloc.start()
    put = await files.put("org", large())
    async with files.open(put.key) as chunks:
        size = sum([len(chunk) async for chunk in chunks])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == put.size == 65_536_000
    assert peak < 8 * MIB


async def test_a_local_file_is_put(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "picture.bin"
    path.write_bytes(CONTENT)
    put = await files.put_path("org", path, limit=MIB)
    assert put == await files.put("org", stream(CONTENT))
    assert path.read_bytes() == CONTENT
    with pytest.raises(TooLarge):
        await files.put_path("org", path, limit=MIB - 1)


async def test_what_is_no_local_file_is_refused(files: Files, tmp_path: Path) -> None:
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, tmp_path / "absent", dangling, pipe, tmp_path / ("x" * 300)):
        with pytest.raises(InvalidInput):
            await files.put_path("org", path)


async def test_derived_objects(files: Files) -> None:
    put = await files.put("org", stream(CONTENT))
    key = derived_key(put.key, "thumbnail-512.webp")
    assert (await files.put_derived(key, b"one")).size == 3
    assert (await files.put_derived(key, b"three")).size == 5
    assert await read(files, key) == b"three"
    await files.put_derived(derived_key(put.key, "v2/preview.webp"), b"deep")
    assert await read(files, put.key) == CONTENT
    assert await files.delete(put.key) is True
    for name in ("thumbnail-512.webp", "v2/preview.webp"):
        with pytest.raises(NotFound):
            await files.stat(derived_key(put.key, name))


async def test_one_derived_object_is_deleted_alone(files: Files) -> None:
    put = await files.put("org", stream(CONTENT))
    one, other = derived_key(put.key, "a.webp"), derived_key(put.key, "b.webp")
    await files.put_derived(one, b"1")
    await files.put_derived(other, b"2")
    assert await files.delete(one) is True
    assert await files.delete(one) is False
    assert await read(files, other) == b"2"
    assert await read(files, put.key) == CONTENT


async def test_a_local_path_to_an_object(files: Files) -> None:
    put = await files.put("org", stream(CONTENT))
    async with files.local_path(put.key) as path:
        assert await asyncio.to_thread(Path(path).read_bytes) == CONTENT


async def test_what_is_absent_is_not_found(files: Files) -> None:
    put = await files.put("org", stream(b"x"))
    for key in (original_key("org", SHA256), "nowhere", "org", f"{put.key}/below", derived_key(put.key, "x")):
        with pytest.raises(NotFound):
            await files.stat(key)
        with pytest.raises(NotFound):
            await read(files, key)
        with pytest.raises(NotFound):
            async with files.local_path(key):
                pass
        assert await files.delete(key) is False


BAD_KEYS = [
    "", ".", "..", "../x", "org/../../x", "org/..", "/etc/passwd", "org//x", "org/", "a\\b", "a\0b", "a b", "a:b",
    "%2e%2e/x", "..%2fx", "é", "org/.hidden", "\ud800", "x" * 600, "a\n",
]  # fmt: skip


@pytest.mark.parametrize("key", BAD_KEYS, ids=ascii)
async def test_a_key_is_never_a_way_out(files: Files, tmp_path: Path, key: str) -> None:
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: files.stat(key),
        lambda: read(files, key),
        lambda: files.delete(key),
        lambda: files.put_derived(key, b"x"),
        lambda: files.put(key, stream(b"x")),
        lambda: files.put_path(key, tmp_path / "absent"),
    ]
    for call in calls:
        with pytest.raises(InvalidInput):
            await call()


async def test_ping_names_the_engine(files: Files) -> None:
    answer = await files.ping()
    assert answer["engine"]
    assert answer["free_bytes"] is None or answer["free_bytes"] > 0


async def test_close_may_be_called_twice(files: Files) -> None:
    await files.put("org", stream(CONTENT))
    await files.close()
    await files.close()
