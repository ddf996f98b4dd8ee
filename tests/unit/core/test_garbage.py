"""Files whose last record is gone are deleted, and no others."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import pytest

from service.core.access.keys import SCOPES, Principal
from service.core.assets.assets import check_id
from service.core.assets.backups import Backups
from service.core.files import garbage
from service.core.files.garbage import GRACE, Collect
from service.core.files.renditions import Renditions
from service.core.operations.context import OperationContext
from service.errors import AssetryError, InvalidInput, NotFound, Unavailable
from service.model import AssetCreate
from service.ports.files import original_key
from service.ports.store import Body, Change, Record
from service.times import timestamp
from tests.support.operations import ReportedProgress
from tests.unit.core.fakes import Clock, Shelf


async def _run(shelf: Shelf, operation: Record) -> dict[str, object]:
    context = OperationContext(
        shelf.store, operation, ReportedProgress(), Collect.model_validate(operation.body["params"])
    )
    return (await shelf.garbage.run(context)).model_dump()


async def _key(shelf: Shelf, asset_id: str) -> str:
    body = (await shelf.store.get("asset", asset_id)).body
    return original_key("acme", body["sha256"])


async def _orphan(shelf: Shelf, who: Principal, clock: Clock, folder: Path) -> str:
    """Leave an old file that no asset needs any more, and return its key."""
    asset = await shelf.create(who, AssetCreate(), b"words")
    key = await _key(shelf, asset.key)
    await shelf.assets.delete(who, asset.key, permanent=True, backup=False)
    old = clock.now().timestamp() - 2 * GRACE
    os.utime(folder / "files" / "objects" / key, (old, old))
    return key


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


@pytest.mark.parametrize("org_id", ["Acme GmbH", "Ünï/../x", "-", "o" * 256])
async def test_an_organization_of_any_name_has_files(shelf: Shelf, clock: Clock, tmp_path: Path, org_id: str) -> None:
    """`assetry keys create` takes any: its uploads must not fail for it."""
    who = Principal(org_id, "kim", frozenset(SCOPES))
    asset = await shelf.create(who, AssetCreate(), b"words")
    await shelf.create(Principal("other", "kim", frozenset(SCOPES)), AssetCreate(), b"words")
    rendition = await Renditions(shelf.files, shelf.reader).find(asset.body, "original")
    assert (await shelf.files.stat(rendition.key)).size == 5
    await shelf.assets.delete(who, asset.key, permanent=True, backup=False)
    clock.pass_(GRACE)
    assert (await _run(shelf, (await shelf.operations())[0]))["deleted"] is True
    left = [path for path in (tmp_path / "files").rglob("*") if path.is_file()]
    assert [path.relative_to(tmp_path / "files" / "objects").parts[0] for path in left] == ["other"]


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
    key = await _orphan(shelf, who, clock, tmp_path)
    async with shelf.assets.receive() as incoming:
        await incoming.write(b"words")
        await incoming.keep("acme")  # its record is still to be written when the file is looked at
        outcome = await _run(shelf, (await shelf.operations())[0])
    assert outcome == {"deleted": False, "reason": "it was stored again; looked at later"}
    assert (await shelf.files.stat(key)).size == 5


async def test_a_file_that_is_stored_while_it_is_deleted_is_kept(
    shelf: Shelf, who: Principal, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal content comes when the collection has found that nothing needs the file, and is about to delete it."""
    await _orphan(shelf, who, clock, tmp_path)
    (operation,) = await shelf.operations()
    clock.pass_(GRACE)
    begun, go_on, delete = asyncio.Event(), asyncio.Event(), shelf.files.delete

    async def slow(key: str) -> bool:
        begun.set()
        await go_on.wait()
        return await delete(key)

    monkeypatch.setattr(shelf.files, "delete", slow)
    await shelf.jobs.start()
    await begun.wait()
    second = asyncio.create_task(shelf.create(who, AssetCreate(), b"words"))
    done, _ = await asyncio.wait([second], timeout=0.3)
    go_on.set()
    assert not done
    asset = await second
    await shelf.jobs.drain()
    assert (await shelf.store.get("operation", operation.key)).body["result"]["deleted"] is True
    assert (await shelf.files.stat(await _key(shelf, asset.key))).size == 5


async def test_a_collection_that_waits_is_put_off_by_equal_content(shelf: Shelf, who: Principal, clock: Clock) -> None:
    first = await shelf.create(who, AssetCreate(), b"words")
    await shelf.assets.delete(who, first.key, permanent=True, backup=False)
    (before,) = await shelf.operations()
    await shelf.create(who, AssetCreate(), b"other words")
    assert await shelf.operations() == [before]
    clock.pass_(GRACE - 1)
    await shelf.create(who, AssetCreate(), b"words")
    (after,) = await shelf.operations()
    assert after.body["run_after"] == timestamp(clock.now() + timedelta(seconds=GRACE))


async def test_an_upload_does_not_wait_for_ever_for_a_delete(
    shelf: Shelf, who: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await shelf.create(who, AssetCreate(), b"words")
    await shelf.assets.delete(who, first.key, permanent=True, backup=False)
    (operation,) = await shelf.operations()
    await shelf.store.update("operation", operation.key, Change(set={"status": "running"}))
    monkeypatch.setattr(garbage, "_PATIENCE", 0.1)
    with pytest.raises(Unavailable, match="just being deleted"):
        await shelf.create(who, AssetCreate(), b"words")
    assert await shelf.store.count("asset", {}) == 0


async def test_a_file_is_looked_at_also_when_the_store_goes_away_in_the_delete(
    shelf: Shelf, who: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the asset is gone then is not known: nobody may ever ask again."""
    asset = await shelf.create(who, AssetCreate(), b"words")
    remove = shelf.store.remove

    async def lost(kind: str, key: str, *, expected_rev: int | None = None, by: Body | None = None) -> Record:
        await remove(kind, key, expected_rev=expected_rev, by=by)
        raise Unavailable("store", "no answer")

    monkeypatch.setattr(shelf.store, "remove", lost)
    with pytest.raises(Unavailable):
        await shelf.assets.delete(who, asset.key, permanent=True, backup=False)
    assert len(await shelf.operations()) == 1


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
