"""What a service leaves on the disk is for nobody else, whatever the umask lets others do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.adapters.local.data_folder import DataFolder
from service.adapters.local.files import LocalFiles
from service.adapters.sqlite.store import SqliteStore
from service.ports.clock import SystemClock


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(root: Path) -> list[str]:
    return [str(path) for path in (root, *root.rglob("*")) if path.stat().st_mode & 0o077]


@pytest.mark.usefixtures("open_umask")
async def test_all_that_is_made_in_the_data_folder_is_the_services_alone(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "new" / "data")
    folder.make()
    folder.secret()
    async with SqliteStore(folder.database, SystemClock()) as store, LocalFiles(folder.files) as files:
        with folder.served(), folder.announced("http://127.0.0.1:1"):
            await store.insert("asset", "asset_1", {"id": "asset_1", "org_id": "acme", "number": 1})
            async with files.receive() as incoming:
                await incoming.write(b"content")
                await incoming.path()
                assert not open_to_others(tmp_path / "new")
                put = await incoming.keep("org")
            await files.put_derived(f"{put.key}.d/thumbnail", b"derived")
            assert not open_to_others(tmp_path / "new")


def test_a_folder_of_an_earlier_version_is_closed(tmp_path: Path) -> None:
    for name in ("files", "run"):
        (tmp_path / name).mkdir()
    (tmp_path / "assetry.db").touch(0o644)
    tmp_path.chmod(0o755)
    DataFolder(tmp_path).make()
    assert not open_to_others(tmp_path)


def test_a_folder_with_other_things_keeps_its_mode_but_ours_in_it_are_closed(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    (tmp_path / "files").mkdir()
    tmp_path.chmod(0o755)
    DataFolder(tmp_path).make()
    assert open_to_others(tmp_path) == [str(tmp_path), str(tmp_path / "mine.txt")]
