from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.adapters.local.files import LocalFiles
from service.adapters.local.part_file import PartFile
from service.errors import StorageFull, Unavailable


async def content(size: int = 10) -> AsyncIterator[bytes]:
    yield b"x" * size


def everything(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


async def test_the_layout(tmp_path: Path) -> None:
    async with LocalFiles(tmp_path / "files") as files:
        put = await files.put("org", content())
        await files.put_derived(f"{put.key}.d/small.webp", b"y")
    assert everything(tmp_path / "files") == [f"objects/{put.key}", f"objects/{put.key}.d/small.webp"]


async def test_old_leftovers_are_removed_and_young_ones_kept(tmp_path: Path) -> None:
    parts = tmp_path / "files" / "parts"
    parts.mkdir(parents=True)
    for name, age in (("old", 90_000), ("young", 80_000)):
        (parts / name).write_bytes(b"x")
        os.utime(parts / name, (time.time() - age,) * 2)
    async with LocalFiles(tmp_path / "files"):
        assert everything(tmp_path / "files") == ["parts/young"]


async def test_failures_leave_no_part(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 3_000_000
        raise ConnectionResetError

    async with LocalFiles(tmp_path / "files") as files:
        with pytest.raises(ConnectionResetError):
            await files.put("org", broken())
        with pytest.raises(Exception, match="limit"):
            await files.put("org", content(100), limit=10)
        assert everything(tmp_path / "files") == []


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (errno.ENOSPC, StorageFull, "the disk is full"),
        (errno.EDQUOT, StorageFull, "the disk quota is used up"),
        (errno.EROFS, Unavailable, "read-only"),
        (errno.EIO, Unavailable, "cannot be read or written"),
    ],
)
async def test_a_broken_disk_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[Unavailable], message: str
) -> None:
    def fail(self: PartFile, content: bytes) -> None:
        raise OSError(code, os.strerror(code))

    path = tmp_path / "source"
    path.write_bytes(b"x")
    async with LocalFiles(tmp_path / "files") as files:
        monkeypatch.setattr(PartFile, "write", fail)
        for call in (
            lambda: files.put("org", content()),
            lambda: files.put_path("org", path),
            lambda: files.put_derived("org/x", b"x"),
            lambda: files.ping(),
        ):
            with pytest.raises(Unavailable) as caught:
                await call()
            assert type(caught.value) is kind
            assert message in caught.value.message
            assert str(tmp_path / "files") in caught.value.message
        assert everything(tmp_path / "files") == []


async def test_a_damaged_object_is_repaired_by_a_put(tmp_path: Path) -> None:
    async with LocalFiles(tmp_path / "files") as files:
        put = await files.put("org", content())
        path = tmp_path / "files" / "objects" / put.key
        path.write_bytes(b"cut")
        assert await files.put("org", content()) == put
        assert path.read_bytes() == b"x" * 10


async def test_equal_content_is_not_written_again_but_counts_as_new(tmp_path: Path) -> None:
    async with LocalFiles(tmp_path / "files") as files:
        put = await files.put("org", content())
        path = tmp_path / "files" / "objects" / put.key
        os.utime(path, (1, 1))
        before = path.stat()
        await files.put("org", content())
        assert path.stat().st_ino == before.st_ino
        assert path.stat().st_mtime > time.time() - 60


async def test_a_closed_folder_is_unavailable(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path / "files")
    await files.prepare()
    await files.close()
    with pytest.raises(Unavailable, match="closed"):
        await files.put("org", content())


async def test_objects_are_for_the_owner_and_group_as_the_umask_says(tmp_path: Path) -> None:
    async with LocalFiles(tmp_path / "files") as files:
        put = await files.put("org", content())
    mode = (tmp_path / "files" / "objects" / put.key).stat().st_mode
    assert not mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
