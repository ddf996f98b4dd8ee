"""Files whose last record is gone are deleted, and no others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.core.access import Principal
from service.core.assets import check_id
from service.core.backups import Backups
from service.core.garbage import GRACE
from service.errors import AssetryError, InvalidInput, NotFound, Unavailable
from service.model import AssetCreate
from service.ports.files import original_key
from service.ports.store import Body, Record
from tests.unit.core.fakes import Clock, Shelf


async def _run(shelf: Shelf, operation: Record) -> dict[str, object]:
    async def progress(_completed: int, _total: int) -> None:
        return

    return dict(await shelf.garbage.run(operation, progress))


async def _key(shelf: Shelf, asset_id: str) -> str:
    body = (await shelf.store.get("asset", asset_id)).body
    return original_key("acme", body["sha256"])


async def test_a_file_goes_after_its_last_asset(shelf: Shelf, who: Principal, clock: Clock) -> None:
    made = [await shelf.create(who, AssetCreate(), b"words") for _ in range(2)]
    key = await _key(shelf, made[0].key)
    for number, asset in enumerate(made):
        await shelf.assets.delete(who, asset.key, permanent=True, backup=False)
        clock.pass_(GRACE)
        newest = (await shelf.operations())[number]
        assert (await _run(shelf, newest))["deleted"] is (number == 1)
    with pytest.raises(NotFound):
        await shelf.files.stat(key)
    assert (await _run(shelf, newest))["reason"] == "it is gone already"


async def test_a_backup_keeps_the_file_and_brings_the_asset_back(shelf: Shelf, who: Principal, clock: Clock) -> None:
    asset = await shelf.create(who, AssetCreate(title="Kept"), b"words")
    key = await _key(shelf, asset.key)
    backup_id = (await shelf.assets.delete(who, asset.key, permanent=True)).backup_id
    clock.pass_(GRACE)
    assert (await _run(shelf, (await shelf.operations())[0]))["deleted"] is False
    assert (await shelf.files.stat(key)).size == 5
    backups = Backups(shelf.store, shelf.assets, clock)
    assert backup_id is not None
    with pytest.raises(NotFound):
        await backups.restore("other", backup_id)
    restored = await backups.restore("acme", backup_id)
    assert restored.key != asset.key
    assert (restored.body["title"], restored.body["restored_from"]) == ("Kept", asset.key)


async def test_a_file_that_was_stored_again_is_looked_at_later(shelf: Shelf, who: Principal) -> None:
    asset = await shelf.create(who, AssetCreate(), b"words")
    await shelf.assets.delete(who, asset.key, permanent=True, backup=False)
    outcome = await _run(shelf, (await shelf.operations())[0])
    assert outcome == {"deleted": False, "reason": "it was stored again; looked at later"}
    assert len(await shelf.operations()) == 2


@pytest.mark.parametrize(
    ("content", "given"),
    [
        (b"bad file", AssetCreate()),
        (b"words", AssetCreate(type="video")),
        (b"words", AssetCreate(tags=["*admins only"])),
        (b"x" * 20_000, AssetCreate()),
    ],
)
async def test_a_refused_upload_leaves_nothing(
    shelf: Shelf, tmp_path: Path, content: bytes, given: AssetCreate
) -> None:
    who = Principal("acme", "kim", frozenset({"assets:write"}))
    with pytest.raises(AssetryError):
        await shelf.create(who, given, content)
    assert await shelf.store.count("asset", {}) == 0
    assert await shelf.operations() == []
    assert [path for path in (tmp_path / "files").rglob("*") if path.is_file()] == []


async def test_a_file_that_is_uploaded_again_is_kept_for_its_new_asset(
    shelf: Shelf, who: Principal, clock: Clock, tmp_path: Path
) -> None:
    first = await shelf.create(who, AssetCreate(), b"words")
    key = await _key(shelf, first.key)
    await shelf.assets.delete(who, first.key, permanent=True, backup=False)
    old = clock.now().timestamp() - 2 * GRACE
    os.utime(tmp_path / "files" / "objects" / key, (old, old))
    async with shelf.assets.receive() as incoming:
        await incoming.write(b"words")
        await incoming.keep("acme")  # its record is still to be written when the file is looked at
        outcome = await _run(shelf, (await shelf.operations())[0])
    assert outcome == {"deleted": False, "reason": "it was stored again; looked at later"}
    assert (await shelf.files.stat(key)).size == 5


@pytest.mark.parametrize("asset_id", ["", "asset_", "asset_0", "asset_9007199254740992", "asset_1\n", "asset_١"])
def test_ids_have_one_form(asset_id: str) -> None:
    with pytest.raises(InvalidInput):
        check_id(asset_id)


@pytest.mark.parametrize(
    ("error", "collected"),
    [(InvalidInput("It is too large.", field="body"), 1), (Unavailable("store", "no answer"), 0)],
    ids=["refused", "unknown"],
)
async def test_the_file_of_an_asset_that_is_not_made(
    shelf: Shelf, who: Principal, clock: Clock, monkeypatch: pytest.MonkeyPatch, error: AssetryError, collected: int
) -> None:
    """It is collected when the record was refused; when the store did not answer, the record may be there."""
    insert = shelf.store.insert

    async def fails(kind: str, key: str, body: Body) -> Record:
        if kind == "asset":
            raise error
        return await insert(kind, key, body)

    monkeypatch.setattr(shelf.store, "insert", fails)
    with pytest.raises(type(error)):
        await shelf.create(who, AssetCreate(), b"words")
    clock.pass_(GRACE)
    operations = await shelf.operations()
    assert len(operations) == collected
    for operation in operations:
        assert (await _run(shelf, operation))["deleted"] is True
