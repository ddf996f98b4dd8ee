"""Exports for callers: started as operations, fetched by an id of their own, and the operations themselves.

What is made is kept in the files port, in a space of its operation, and goes when the operation expires.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from service.core.access.keys import Principal
from service.core.assets.selection import Selected, SelectedAssets, Selecting, Selection
from service.core.exports.archives import LEVELS, Entry, EntryNames, archive
from service.core.exports.columns import check_columns, columns
from service.core.exports.requests import MAX_FILES, ArchiveOptions, BulkDownload, ExportSearch
from service.core.exports.tables import TABLES, Table
from service.core.files.renditions import Rendition, Renditions, available
from service.core.operations.context import OperationContext
from service.core.operations.operations import Operations
from service.core.operations.registry import OperationType, Result
from service.core.shared.idempotency import Attempt
from service.errors import NotFound
from service.ports.files import Content, Files, Put, original_key
from service.ports.store import AnyRecord, Record, Store

DAY = 86_400
"""Seconds that an export is kept."""

ROWS = 500
"""Assets that are read and written together."""

Show = Callable[[AnyRecord, Principal, str], Mapping[str, Any]]
"""Makes the object of an asset as a caller sees it; links in it begin with the text."""


class ExportParameters(Selected):
    """What is exported, and as what; ``base`` is how links begin."""

    format: str
    base: str
    columns: list[str] | None = None
    include_metadata: bool = True
    include_urls: bool = True
    include_stats: bool = False
    archive: dict[str, Any] | None = None


class Exported(Result):
    """A file that was made: ``sha256`` and ``size`` are its content's, ``missing`` counts assets without their file."""

    filename: str
    mime_type: str
    sha256: str
    size: int
    file_count: int
    missing: int


EXPORT = OperationType("export", ExportParameters, Exported, concurrency=1, permission="assets:read", keep_seconds=DAY)
BULK_DOWNLOAD = OperationType(
    "bulk_download", ExportParameters, Exported, concurrency=1, permission="assets:read", keep_seconds=DAY
)


def space_of_operation(operation_id: str) -> str:
    """Return the name space of what an operation made."""
    return f"made.{operation_id}"


@dataclass(frozen=True, slots=True)
class Exports:
    """The use cases of exports. ``members`` are those of an asset's object."""

    operations: Operations
    selecting: Selecting
    members: frozenset[str]

    async def download(self, who: Principal, request: BulkDownload, base: str, attempt: Attempt | None) -> Record:
        """Begin an archive of assets' files. Raises InvalidInput, QueryError, NotAllowed, Unavailable."""
        fields = {"format": request.format, "base": base, "archive": request.options.model_dump()}
        parameters = await self.selecting.selected(who, request, ExportParameters, **fields, limit=MAX_FILES)
        return await self.operations.start(who, BULK_DOWNLOAD, parameters, attempt)

    async def search(self, who: Principal, request: ExportSearch, base: str, attempt: Attempt | None) -> Record:
        """Begin an export of what a search finds. Raises as :meth:`download` does."""
        chosen = None if request.columns is None else check_columns(request.columns, self.members)
        options = ArchiveOptions(
            include_originals=request.include_originals,
            include_thumbnails=request.include_thumbnails,
            include_metadata=request.include_metadata,
            organize_by_type=request.organize_by_type,
        )
        most = min(request.max_results, MAX_FILES) if request.format == "zip" else request.max_results
        parameters = await self.selecting.selected(
            who,
            Selection(query=request.query, filters=request.filters),
            ExportParameters,
            format=request.format,
            base=base,
            columns=None if chosen is None else list(chosen),
            include_metadata=request.include_metadata,
            include_urls=request.include_urls,
            include_stats=request.include_stats,
            archive=options.model_dump() if request.format == "zip" else None,
            limit=most,
        )
        return await self.operations.start(who, EXPORT, parameters, attempt)


class Exporter:
    """Runs exports."""

    def __init__(self, store: Store, files: Files, assets: SelectedAssets, renditions: Renditions, show: Show) -> None:
        self._store = store
        self._files = files
        self._assets = assets
        self.renditions = renditions
        self._show = show

    async def run(self, context: OperationContext[ExportParameters]) -> Exported:
        """Make the operation's file. A run that was broken off is begun anew, about the same assets."""
        inputs = await self._assets.write_down(context)
        if context.parameters.archive is None:
            return await self._table(context, inputs)
        return await self._archive(context, inputs, ArchiveOptions.model_validate(context.parameters.archive))

    async def discard(self, operation: Record) -> None:
        """Delete what an operation made, which expires."""
        result = operation.body.get("result") or {}
        if sha256 := result.get("sha256"):
            await self._files.delete(original_key(space_of_operation(operation.key), sha256))

    async def _table(self, context: OperationContext[ExportParameters], inputs: int) -> Exported:
        parameters = context.parameters
        mime_type, _ = TABLES[parameters.format]
        with tempfile.TemporaryDirectory(prefix="assetry-export-") as folder:
            path = Path(folder) / f"assets.{parameters.format}"
            table = await asyncio.to_thread(self._begun, path, parameters)
            count = 0
            try:
                async for records in self.pages(context, inputs):
                    shown = [self.object(record, context) for record in records]
                    await asyncio.to_thread(table.write, shown)
                    count += len(shown)
                    await context.report(count, context.total)
            finally:
                await asyncio.to_thread(table.close)
            put = await self._files.put_path(space_of_operation(context.operation_id), path)
        return _exported(put, f"assets.{parameters.format}", mime_type, count, 0)

    def _begun(self, path: Path, parameters: ExportParameters) -> Table:
        chosen = parameters.columns
        names = chosen or columns(
            metadata=parameters.include_metadata, urls=parameters.include_urls, stats=parameters.include_stats
        )
        return TABLES[parameters.format][1](path, names, chosen is not None)

    async def _archive(
        self, context: OperationContext[ExportParameters], inputs: int, options: ArchiveOptions
    ) -> Exported:
        made = _Archiving(self, context, inputs, options)
        chunks = archive(made.entries(), LEVELS[options.compression_level])
        put = await self._files.put(space_of_operation(context.operation_id), chunks)
        return _exported(put, f"{context.operation_id}.zip", "application/zip", made.files, made.missing)

    async def pages(self, context: OperationContext[Any], inputs: int) -> AsyncIterator[list[Record]]:
        """Yield the operation's assets as they are now, without those that are gone."""
        for number in range(inputs):
            keys = await context.read_input(number)
            for start in range(0, len(keys), ROWS):
                part = keys[start : start + ROWS]
                held = await self._store.get_many("asset", part)
                found = (held.get(key) for key in part)
                yield [record for record in found if record is not None and record.org_id == context.org_id]

    def object(self, record: Record, context: OperationContext[ExportParameters]) -> dict[str, Any]:
        """Return an asset as the one who exports sees it, with what was asked for."""
        parameters = context.parameters
        shown = {**self._show(record, context.started_by, parameters.base)}
        wanted = {
            "metadata": parameters.include_metadata,
            "urls": parameters.include_urls,
            "usage_stats": parameters.include_stats,
        }
        if parameters.columns is None:
            for name, is_wanted in wanted.items():
                if not is_wanted:
                    shown.pop(name, None)
        return shown


class _Archiving:
    """The entries of one archive, and what was counted on the way."""

    def __init__(
        self, exporter: Exporter, context: OperationContext[ExportParameters], inputs: int, options: ArchiveOptions
    ) -> None:
        self.files = 0
        self.missing = 0
        self._exporter = exporter
        self._context = context
        self._inputs = inputs
        self._options = options
        self._names = EntryNames()

    async def entries(self) -> AsyncIterator[Entry]:
        """Yield the entries: files of the assets, then the table of them."""
        with tempfile.TemporaryDirectory(prefix="assetry-archive-") as folder:
            filename = f"metadata.{self._options.metadata_format}"
            path = Path(folder) / filename
            names = columns(metadata=True, urls=False, stats=True)
            table = TABLES[self._options.metadata_format][1](path, names, False)
            count = 0
            try:
                async for records in self._exporter.pages(self._context, self._inputs):
                    for record in records:
                        async for entry in self._of(record):
                            yield entry
                    shown = [self._exporter.object(record, self._context) for record in records]
                    await asyncio.to_thread(table.write, shown)
                    count += len(records)
                    await self._context.report(count, self._context.total)
            finally:
                await asyncio.to_thread(table.close)
            if self._options.include_metadata:
                mime_type, _ = TABLES[self._options.metadata_format]
                yield Entry(self._names.name("", filename), datetime.now(UTC), mime_type, local_file(path))

    async def _of(self, record: Record) -> AsyncIterator[Entry]:
        body = record.body
        wanted = [
            *(["original"] if self._options.include_originals else []),
            *(["thumbnail"] if self._options.include_thumbnails else []),
        ]
        for name in wanted:
            if name not in available(body):
                continue
            try:
                rendition = await self._exporter.renditions.find(body, name)
                await self._exporter.renditions.size(rendition)
            except NotFound:
                self.missing += name == "original"
                continue
            self.files += 1
            folder = "/".join(
                part
                for part in (
                    "thumbnails" if name == "thumbnail" and self._options.include_originals else "",
                    body["type"] if self._options.organize_by_type else "",
                )
                if part
            )
            opening = self._exporter.renditions.open(rendition)
            yield Entry(self._names.name(folder, rendition.filename), _moment(body), rendition.mime_type, opening)


def _moment(body: Mapping[str, Any]) -> datetime:
    with suppress(ValueError):
        return datetime.fromisoformat(body.get("captured_at") or body["created_at"])
    return datetime.now(UTC)


@asynccontextmanager
async def local_file(path: Path) -> AsyncIterator[Content]:
    """Open a local file as content."""
    with path.open("rb") as file:

        async def chunks() -> AsyncIterator[bytes]:
            while chunk := await asyncio.to_thread(file.read, 1 << 20):
                yield chunk

        yield Content(path.stat().st_size, chunks())


def _exported(put: Put, filename: str, mime_type: str, count: int, missing: int) -> Exported:
    return Exported(
        filename=filename, mime_type=mime_type, sha256=put.sha256, size=put.size, file_count=count, missing=missing
    )


class Downloads:
    """What exports made, for those who fetch it."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def find(self, who: Principal | None, download_id: str, patience: float) -> Rendition | Record:
        """Return the file of an export, or its operation where that has not made one after so many seconds.

        ``who`` is None for the holder of a signed link. Raises NotFound.
        """
        key = operation_of(download_id)
        begun = await (self._operations.settled(key, 0) if who is None else self._operations.get(who, key))
        if begun.body["type"] not in (EXPORT.name, BULK_DOWNLOAD.name):
            raise NotFound("download", download_id)
        record = await self._operations.settled(key, patience)
        result = record.body.get("result")
        if record.body["status"] != "completed" or not result:
            return record
        location = original_key(space_of_operation(record.key), result["sha256"])
        return Rendition(location, result["size"], result["mime_type"], result["sha256"], result["filename"])


def operation_of(download_id: str) -> str:
    """Return the id of the operation that makes a download: the seed calls ``bulk_download_1`` also ``download_1``."""
    return f"bulk_{download_id}" if download_id.startswith("download_") else download_id


def download_of(operation_id: str) -> str:
    """Return the id by which what an operation makes is fetched."""
    return operation_id.removeprefix("bulk_")
