"""Reprocessing: the files of assets are read again, and their records get what the readers of today find in them.

What a person gave is never overwritten; the rule is :func:`service.core.assets.records.reread`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

from pydantic import Field

from service.core.access.keys import Principal
from service.core.assets.records import reread
from service.core.assets.selection import Selected, SelectedAssets, Selecting, Selection
from service.core.operations.changes import Fail, Skip
from service.core.operations.context import OperationContext
from service.core.operations.operations import Operations
from service.core.operations.registry import OperationType, Outcome
from service.core.shared.idempotency import Attempt
from service.errors import IngestError, NotFound
from service.model import AssetBody
from service.ports.files import Files, original_key, space_of
from service.ports.ingest import MetadataExtractor
from service.ports.store import Change, Record

log = logging.getLogger(__name__)

REPROCESS = OperationType(
    "reprocess", Selected, Outcome, concurrency=1, changes_records=True, permission="assets:write"
)


class ReprocessRequest(Selection):
    """What to read again: the assets that ``query`` (and ``filters``) find, or those that ``asset_ids`` names."""

    dry_run: Annotated[bool, Field(description="Only say how many assets it would be.")] = False


@dataclass(frozen=True, slots=True)
class Reprocessing:
    """Starts reprocessing for callers."""

    operations: Operations
    selecting: Selecting

    async def count(self, who: Principal, request: ReprocessRequest) -> int:
        """Return how many assets a request means now. Raises InvalidInput, QueryError, NotAllowed, Unavailable."""
        who.allow(str(REPROCESS.permission))
        return await self.selecting.count(who, request)

    async def start(self, who: Principal, request: ReprocessRequest, attempt: Attempt | None = None) -> Record:
        """Start the operation. Raises InvalidInput, QueryError, NotAllowed, Unavailable."""
        parameters = await self.selecting.selected(who, request, Selected)
        return await self.operations.start(who, REPROCESS, parameters, attempt)


class Reprocessor:
    """Runs reprocessing: ``concurrency`` files are read at once, by the workers that read new ones, too."""

    def __init__(self, assets: SelectedAssets, files: Files, extractor: MetadataExtractor, *, concurrency: int) -> None:
        self._assets = assets
        self._files = files
        self._extractor = extractor
        self._concurrency = concurrency

    async def run(self, context: OperationContext[Selected]) -> Outcome:
        """Read the files of the operation's assets again; goes on where an earlier run came to."""
        return await self._assets.change(context, self._read, concurrency=self._concurrency)

    async def _read(self, record: Record) -> Change | Skip | Fail:
        body = cast("AssetBody", record.body)
        if body.get("deleted_at"):
            return Skip("deleted", "It is in the trash.")
        sha256 = body.get("sha256")
        if sha256 is None:
            return Skip("no_file", "It has no file.")
        filename = body.get("filename") or record.key
        try:
            async with self._files.local_path(original_key(space_of(body["org_id"]), sha256)) as path:
                facts = await self._extractor.extract(Path(path), filename, org_id=body["org_id"])
        except IngestError as error:
            return Fail(error.reason, error.message)
        except NotFound:
            return Fail("file_missing", "Its file is not there.")
        except OSError as error:
            log.warning("asset %s: its file cannot be read: %s", record.key, error)
            return Fail("unreadable", "Its file cannot be read.")
        return reread(body, facts) or Skip("unchanged", "Its file says what the record says.")
