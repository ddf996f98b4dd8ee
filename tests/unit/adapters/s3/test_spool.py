from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import threading
import time
from pathlib import Path

import pytest

from service.adapters.s3.incoming import S3Incoming
from service.adapters.s3.options import MIB
from service.adapters.s3.spool import PREFIX, Spool, SpoolSlice, sweep_scratch
from service.adapters.s3.threads import Threads
from service.adapters.shared.memory_budget import MemoryBudget
from service.errors import StorageFull, TooLarge, Unavailable
from service.ports.files import Put


def filled(folder: Path, size: int) -> Spool:
    spool = Spool(folder)
    for first in range(0, size, 100_000):
        spool.write(b"x" * min(100_000, size - first))
    return spool


@pytest.mark.parametrize(("size", "files"), [(0, 0), (1, 0), (MIB, 0), (MIB + 1, 1), (3 * MIB + 7, 1)])
def test_small_content_stays_in_memory(tmp_path: Path, size: int, files: int) -> None:
    spool = filled(tmp_path, size)
    assert len(list(tmp_path.iterdir())) == files
    assert spool.on_disk is bool(files)
    assert spool.size == size
    assert spool.sha256 == hashlib.sha256(b"x" * size).hexdigest()
    assert spool.md5() == hashlib.md5(b"x" * size).hexdigest()
    assert spool.read_at(0, size) == b"x" * size
    assert spool.path() == spool.path()
    assert spool.path().read_bytes() == b"x" * size
    spool.drop_copy()
    assert len(list(tmp_path.iterdir())) == files
    assert spool.md5() == hashlib.md5(b"x" * size).hexdigest()
    assert spool.path().read_bytes() == b"x" * size
    spool.close()
    spool.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [1000, 3 * MIB])
def test_a_stretch_is_sent_and_sent_again(tmp_path: Path, size: int) -> None:
    spool = Spool(tmp_path)
    spool.write(b"a" * size)
    spool.write(b"b" * size)
    spool.write(b"c" * size)
    stretch = SpoolSlice(spool, size, size + 5)
    wanted = b"b" * size + b"c" * 5
    assert stretch.sha256() == hashlib.sha256(wanted).hexdigest()
    for _ in range(2):
        assert stretch.tell() == 0
        pieces = []
        while piece := stretch.read(700):
            pieces.append(piece)
        assert b"".join(pieces) == wanted
        stretch.seek(0)
    spool.close()


def test_the_limit_is_inclusive(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=3)
    spool.write(b"abc")
    with pytest.raises(TooLarge, match="limit of 3 bytes"):
        spool.write(b"d")


async def test_a_full_disk_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Spool, content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def store(space: str, spool: Spool) -> Put:
        raise AssertionError(space)

    monkeypatch.setattr(Spool, "write", full)
    threads = Threads(2, 1.0, "test")
    incoming = S3Incoming(Spool(tmp_path), threads, store, MemoryBudget(blocks=3))
    await incoming.write(b"x" * MIB)
    with pytest.raises(StorageFull, match="temporary files: the disk is full"):
        await incoming.keep("org")
    await incoming.close()
    await threads.close()


def test_leftovers_are_swept_by_their_age(tmp_path: Path) -> None:
    for name, age in ((f"{PREFIX}old", 90_000), (f"{PREFIX}young", 10), ("another", 90_000)):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    assert sweep_scratch(tmp_path, 86_400) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["another", f"{PREFIX}young"]


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
