from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.adapters import s3_recent
from service.adapters.s3_options import MIB
from service.adapters.s3_recent import Recent
from service.adapters.s3_spool import PREFIX, Spool, fill, sweep_scratch
from service.adapters.s3_threads import Threads
from service.errors import TooLarge, Unavailable
from tests.waiting import until


def filled(folder: Path, size: int) -> Spool:
    spool = Spool(folder)
    for first in range(0, size, 100_000):
        spool.write(b"x" * min(100_000, size - first))
    return spool


@pytest.mark.parametrize(("size", "files"), [(0, 0), (1, 0), (MIB, 0), (MIB + 1, 1), (3 * MIB + 7, 1)])
def test_small_content_stays_in_memory(tmp_path: Path, size: int, files: int) -> None:
    spool = filled(tmp_path, size)
    assert len(list(tmp_path.iterdir())) == files
    put = spool.finish("k")
    assert (put.key, put.size, put.sha256) == ("k", size, hashlib.sha256(b"x" * size).hexdigest())
    assert put.sha256 == spool.sha256
    assert put.md5 == hashlib.md5(b"x" * size).hexdigest()
    with spool.part(0, size) as view:
        assert bytes(view) == b"x" * size
    assert spool.path().read_bytes() == b"x" * size
    spool.close()
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_a_part_is_read_in_place(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for number in range(4):
        spool.write(bytes([number]) * MIB)
    with spool.part(2 * MIB, MIB + 5) as view:
        assert bytes(view) == bytes([2]) * MIB + bytes([3]) * 5
    spool.close()


def test_the_limit_is_inclusive(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=3)
    spool.write(b"abc")
    with pytest.raises(TooLarge, match="limit of 3 bytes"):
        spool.write(b"d")


async def test_a_full_disk_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Spool, content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield b"x" * MIB

    monkeypatch.setattr(Spool, "write", full)
    threads = Threads(2, 1.0, "test")
    with pytest.raises(Unavailable, match="temporary files: the disk is full"):
        await fill(Spool(tmp_path), chunks(), threads)
    await threads.close()


def test_leftovers_are_swept_by_their_age(tmp_path: Path) -> None:
    for name, age in ((f"{PREFIX}old", 90_000), (f"{PREFIX}young", 10), ("another", 90_000)):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    assert sweep_scratch(tmp_path, 86_400) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["another", f"{PREFIX}young"]


async def test_what_was_put_is_held_for_one_taker(tmp_path: Path) -> None:
    recent = Recent()
    first, second = filled(tmp_path, 2 * MIB), filled(tmp_path, 2 * MIB)
    recent.hold("k", first)
    recent.hold("k", second)
    assert len(list(tmp_path.iterdir())) == 1
    assert recent.take("k") is second
    assert recent.take("k") is None
    second.close()
    for number in range(20):
        recent.hold(f"k{number}", filled(tmp_path, 2 * MIB))
    assert len(list(tmp_path.iterdir())) == 16
    recent.close()
    recent.hold("late", filled(tmp_path, 2 * MIB))
    assert list(tmp_path.iterdir()) == []


async def test_what_nobody_takes_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_recent, "_SECONDS", 0.01)
    recent = Recent()
    recent.hold("k", filled(tmp_path, 2 * MIB))
    await until(lambda: list(tmp_path.iterdir()) == [], "the spool is gone")
    assert recent.take("k") is None


async def test_who_waits_too_long_for_a_thread_hears_so() -> None:
    threads = Threads(1, 0.05, "test")
    release = threading.Event()
    busy = asyncio.create_task(threads.run(release.wait))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="too slow"):
        await threads.run(release.is_set)
    release.set()
    assert await busy
    assert await threads.run(release.is_set)
    await threads.close()
