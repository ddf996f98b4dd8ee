"""Assets: create, read, change, delete."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Any, TypedDict, cast

from service.core.access.keys import Principal
from service.core.assets.patching import checked_patch, patched, trashed
from service.core.assets.records import (
    StoredFile,
    asset_repository,
    check_content,
    check_new,
    new_record,
    replaced,
)
from service.core.files.costly import CostlyFiles
from service.core.files.garbage import Garbage, spare
from service.core.shared.idempotency import Attempt, make_once
from service.core.shared.ids import IdAllocator
from service.core.shared.repository import Repository
from service.errors import AlreadyExists, AssetryError, IngestError, InvalidInput, Unavailable
from service.model import ASSET_ID, AssetBody, AssetCreate, AssetPatch
from service.ports.clock import Clock
from service.ports.files import Files, Incoming, space_of
from service.ports.ingest import Facts, MetadataExtractor
from service.ports.store import AnyRecord, Change, Record, Store
from service.times import timestamp


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came in: its name as the client says, and its content."""

    filename: str
    content: Incoming


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a delete did: the asset's id, whether it is gone for good, and the backup that was made."""

    id: str
    permanent: bool
    backup_id: str | None
    record: AnyRecord


class BackupBody(TypedDict):
    """The body of a record of the kind ``backup``: a deleted asset's body in ``asset``, and its ``rev`` then."""

    org_id: str
    asset_id: str
    sha256: str | None
    rev: int
    user_id: str
    created_at: str
    asset: AssetBody


def check_id(asset_id: str, field: str = "asset_id") -> str:
    """Return the id if it has the form of one. Raises InvalidInput as seed 000 shows it."""
    match = ASSET_ID.match(asset_id)
    if not match or int(match[1]) >= 2**53:
        raise InvalidInput("Invalid asset ID format", field=field, provided=asset_id[:100], expected="asset_[0-9]+")
    return asset_id


class Assets:
    """The use cases of single assets. Every call is within the organization of the one who asks."""

    def __init__(
        self,
        store: Store,
        files: Files,
        extractor: MetadataExtractor,
        clock: Clock,
        garbage: Garbage,
        *,
        upload_limit: int,
    ) -> None:
        self._store = store
        self._assets = asset_repository(store, clock)
        self._backups = Repository[BackupBody](store, "backup")
        self._files = files
        self._extractor = extractor
        self._clock = clock
        self._garbage = garbage
        self._upload_limit = upload_limit
        self._numbers = IdAllocator(store, "asset")
        self._costly = CostlyFiles(clock)

    def receive(self) -> AbstractAsyncContextManager[Incoming]:
        """Take the content of an upload; what no asset is created with is gone when the context ends."""
        return self._files.receive(limit=self._upload_limit)

    async def create(
        self, who: Principal, given: AssetCreate, upload: Upload | None = None, attempt: Attempt | None = None
    ) -> Record[AssetBody]:
        """Create an asset, with its file if one came; a repeated attempt returns what an earlier one created.

        Raises InvalidInput, IngestError, TooLarge, NotAllowed.
        """
        if attempt is None:
            return await self._create(who, given, upload)
        return await make_once(self._assets, attempt, lambda: self._create(who, given, upload, attempt.guid))

    async def _create(
        self, who: Principal, given: AssetCreate, upload: Upload | None, guid: str | None = None
    ) -> Record[AssetBody]:
        facts = None
        if upload is not None:
            facts = await self._read(who, upload)
            check_new(given, who, facts)
        number = await self._numbers.next()
        # The file is stored last: whatever may be wrong with it is found before, and while the store is away none is.
        file = None
        if upload is not None and facts is not None:
            await spare(self._store, self._clock, who.org_id, [await upload.content.sha256()])
            file = StoredFile(await upload.content.keep(space_of(who.org_id)), facts, upload.filename)
        try:
            body = new_record(given, who, number, self._clock, file=file)
            if guid:
                body["guid"] = guid
            return await self.insert(body)
        except Unavailable:
            raise  # whether it was written is not known; tried again, it is the same file
        except AssetryError:
            if file:
                await self._garbage.collect_later(who.org_id, file.put.sha256)
            raise

    async def _read(self, who: Principal, upload: Upload) -> Facts:
        """Read a file's facts; one that cost a worker its limits is not read again for a while. Raises IngestError."""
        sha256 = await upload.content.sha256()
        self._costly.check(sha256, upload.filename)
        try:
            return await self._extractor.extract(await upload.content.path(), upload.filename, org_id=who.org_id)
        except IngestError as error:
            self._costly.note(sha256, error)
            raise

    async def insert(self, body: AssetBody) -> Record[AssetBody]:
        """Insert a new asset's body."""
        return await self._assets.insert(body["id"], body)

    async def get(self, who: Principal, asset_id: str) -> Record[AssetBody]:
        """Return an asset, also one in the trash. Raises InvalidInput (the id's form), NotFound."""
        return await self._assets.get(who.org_id, check_id(asset_id))

    async def get_many(self, who: Principal, asset_ids: Sequence[str]) -> dict[str, Record[AssetBody]]:
        """Return by id those of the assets that are there, also in the trash. Raises InvalidInput (an id's form)."""
        return await self._assets.get_many(who.org_id, [check_id(each, "asset_ids") for each in asset_ids])

    async def get_any(self, asset_id: str) -> Record[AssetBody]:
        """Return an asset of any organization, for one who holds a signed link to it. Raises NotFound."""
        return await self._assets.get_any(check_id(asset_id))

    async def change(
        self,
        who: Principal,
        asset_id: str,
        given: AssetPatch,
        upload: Upload | None = None,
        *,
        expected_rev: int | None = None,
    ) -> Record[AssetBody]:
        """Change an asset; with ``upload`` its file is replaced, or it gets one.

        What has the value already is no change. Raises InvalidInput, IngestError, TooLarge, NotFound, NotAllowed,
        Conflict (``expected_rev``).
        """
        data = checked_patch(given)
        key = check_id(asset_id)

        if upload is not None:
            return await self._replace(who, key, data, upload, expected_rev)

        def merge(record: Record[AssetBody]) -> Change | None:
            return patched(record.body, data, who, self._clock.now())

        return await self._assets.change(who.org_id, key, merge, expected_rev=expected_rev)

    async def _replace(
        self, who: Principal, key: str, data: dict[str, Any], upload: Upload, expected_rev: int | None
    ) -> Record[AssetBody]:
        """Change an asset and its file in one write; the file that nothing needs then is collected."""
        before = await self._assets.get_at(who.org_id, key, expected_rev)
        facts = await self._read(who, upload)
        # Whatever is wrong is found before the file is stored.
        if "type" in data or (before.body["type"] != facts.type and "type" in before.body.get("given", ["type"])):
            check_content(data.get("type") or before.body["type"], facts)
        rest = {name: value for name, value in data.items() if name != "type"}
        patched(before.body, rest, who, self._clock.now())
        await spare(self._store, self._clock, who.org_id, [await upload.content.sha256()])
        file = StoredFile(await upload.content.keep(space_of(who.org_id)), facts, upload.filename)
        old: str | None = None

        def merge(record: Record[AssetBody]) -> Change | None:
            nonlocal old
            old = record.body.get("sha256")
            fields = replaced(record.body, file)
            rest = patched(cast("AssetBody", {**record.body, **fields}), data, who, self._clock.now())
            if rest is None:
                return Change(set=fields)
            return Change(set={**fields, **rest.set}, unset=rest.unset)

        try:
            record = await self._assets.change(who.org_id, key, merge, expected_rev=expected_rev)
        except Unavailable:
            raise  # whether it was written is not known
        except AssetryError:
            await self._garbage.collect_later(who.org_id, file.put.sha256)
            raise
        if old and old != file.put.sha256:
            await self._garbage.collect_later(who.org_id, old)
        return record

    async def delete(
        self,
        who: Principal,
        asset_id: str,
        *,
        permanent: bool = False,
        backup: bool = True,
        expected_rev: int | None = None,
    ) -> Deleted:
        """Move an asset to the trash, or delete it for good.

        ``backup`` keeps a copy of the record and its file before a permanent delete; an asset in the trash is whole,
        and needs none. Raises NotFound, Conflict.
        """
        check_id(asset_id)
        if not permanent:
            now = self._clock.now()
            record = await self._assets.change(
                who.org_id, asset_id, lambda held: trashed(held.body, now), expected_rev=expected_rev
            )
            return Deleted(asset_id, False, None, record)
        record = await self._assets.get_at(who.org_id, asset_id, expected_rev)
        backup_id = f"backup_{self._clock.sid()}" if backup else None
        await self.prepare_removal(who, record, backup_id)
        tombstone = await self._assets.remove(who.org_id, asset_id, expected_rev=expected_rev)
        return Deleted(asset_id, True, backup_id, tombstone)

    async def prepare_removal(self, who: Principal, record: Record[AssetBody], backup_id: str | None) -> None:
        """Do what comes before an asset is removed for good: a backup, if it has an id, and the collection of its file.

        Both before: once the asset is gone, nobody would come back to it. It may be done again.
        """
        if backup_id is not None:
            await self._back_up(record, who, backup_id)
        if sha256 := record.body.get("sha256"):
            await self._garbage.collect_later(who.org_id, sha256)

    async def _back_up(self, record: Record[AssetBody], who: Principal, backup_id: str) -> None:
        body: BackupBody = {
            "org_id": record.body["org_id"],
            "asset_id": record.key,
            "sha256": record.body.get("sha256"),
            "rev": record.rev,
            "user_id": who.user_id,
            "created_at": timestamp(self._clock.now()),
            "asset": record.body,
        }
        with suppress(AlreadyExists):  # made by a run that was broken off
            await self._backups.insert(backup_id, body)
