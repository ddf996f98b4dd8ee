"""Import: files of a folder become assets, equal files once, and as often as you like without doubling."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from service.core.access.keys import Principal
from service.core.assets.records import StoredFile, asset_repository, new_record
from service.core.files.garbage import spare
from service.core.files.hashing import sha256_of
from service.core.shared.authorship import Actor, acting
from service.core.shared.ids import IdAllocator
from service.errors import AlreadyExists, IngestError, InvalidInput, Unavailable
from service.model import AssetBody, AssetCreate
from service.ports.clock import Clock
from service.ports.files import Files, Put, space_of
from service.ports.ingest import Facts, MetadataExtractor
from service.ports.store import In, Store
from service.printable import readable

log = logging.getLogger(__name__)

CHUNK = 64
"""Files taken in hand together: one look-up and one write of the store each, and the most that memory holds."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to import: where it is, and the path that its record remembers."""

    path: Path
    relative: str

    @property
    def filename(self) -> str:
        """The name that its record has: text, and never blank."""
        return readable(self.path.name).replace("\\", "_").strip() or "unnamed"


@dataclass(frozen=True, slots=True)
class Failed:
    """A file that was not imported, and why."""

    path: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What became of one file: ``imported`` (with the asset's id), ``duplicate`` or ``failed``."""

    source: Source
    status: str
    asset_id: str | None = None
    failed: Failed | None = None


@dataclass(slots=True)
class ImportSummary:
    """Counts of an import."""

    imported: int = 0
    duplicates: int = 0
    failed: list[Failed] = field(default_factory=list)

    def add(self, outcome: ImportOutcome) -> None:
        """Count what became of a file."""
        match outcome.status:
            case "imported":
                self.imported += 1
            case "duplicate":
                self.duplicates += 1
            case _ if outcome.failed:
                self.failed.append(outcome.failed)

    @property
    def seen(self) -> int:
        """Files that were looked at."""
        return self.imported + self.duplicates + len(self.failed)


Report = Callable[[ImportOutcome], None]


@dataclass(frozen=True, slots=True)
class _Read:
    source: Source
    sha256: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class _Hashed:
    source: Source
    sha256: str


class Imports:
    """Imports files into an organization, straight into the store; whoever follows its feed makes them searchable."""

    def __init__(
        self, store: Store, files: Files, extractor: MetadataExtractor, clock: Clock, *, concurrency: int
    ) -> None:
        self._store = store
        self._assets = asset_repository(store, clock)
        self._files = files
        self._extractor = extractor
        self._clock = clock
        self._numbers = IdAllocator(store, "asset")
        self._slots = asyncio.Semaphore(max(1, concurrency))

    async def run(self, who: Principal, sources: Iterable[Source], report: Report) -> ImportSummary:
        """Import the files; ``report`` hears of each once it is durable, a duplicate, or failed. Raises Unavailable."""
        who.allow("assets:import")
        summary = ImportSummary()
        with acting(Actor(who.user_id, who.key_id or None)):
            for chunk in _chunks(iter(sources), CHUNK):
                for outcome in await self._chunk(who, chunk):
                    summary.add(outcome)
                    report(outcome)
        return summary

    async def _chunk(self, who: Principal, chunk: list[Source]) -> list[ImportOutcome]:
        hashed = await asyncio.gather(*(self._hash(source) for source in chunk))
        outcomes = [item for item in hashed if isinstance(item, ImportOutcome)]
        found = [item for item in hashed if isinstance(item, _Hashed)]
        known = await self._known(who.org_id, {item.sha256 for item in found})
        fresh: dict[str, _Hashed] = {}
        for item in found:
            if item.sha256 in known or item.sha256 in fresh:
                outcomes.append(ImportOutcome(item.source, "duplicate"))
            else:
                fresh[item.sha256] = item
        read = await asyncio.gather(*(self._read(who.org_id, item) for item in fresh.values()))
        outcomes += [item for item in read if isinstance(item, ImportOutcome)]
        good = [item for item in read if isinstance(item, _Read)]
        return outcomes + await self._insert(who, good)

    async def _hash(self, source: Source) -> _Hashed | ImportOutcome:
        async with self._slots:
            try:
                return _Hashed(source, await asyncio.to_thread(sha256_of, source.path))
            except Exception as error:  # noqa: BLE001 - see _fault
                return _fault(source, error)

    async def _known(self, org_id: str, hashes: set[str]) -> set[str]:
        if not hashes:
            return set()
        same = self._assets.each({"org_id": org_id, "sha256": In(sorted(hashes))})
        return {asset.body["sha256"] async for asset in same}

    async def _read(self, org_id: str, hashed: _Hashed) -> _Read | ImportOutcome:
        source = hashed.source
        async with self._slots:
            try:
                facts = await self._extractor.extract(source.path, source.filename, org_id=org_id)
                return _Read(source, hashed.sha256, facts)
            except Exception as error:  # noqa: BLE001 - see _fault
                return _fault(source, error)

    async def _insert(self, who: Principal, items: list[_Read]) -> list[ImportOutcome]:
        """Store the files, then their records in one write; only then is a file said to be imported."""
        outcomes: list[ImportOutcome] = []
        numbers = iter(await self._numbers.take(len(items)))
        if items:
            await spare(self._store, self._clock, who.org_id, [item.sha256 for item in items])
        made: dict[str, _Read] = {}
        bodies: dict[str, AssetBody] = {}
        puts = await asyncio.gather(*(self._store_file(who, item) for item in items))
        for item, stored in zip(items, puts, strict=True):
            if isinstance(stored, ImportOutcome):
                outcomes.append(stored)
                continue
            try:
                body = self._body(who, item, stored, next(numbers))
            except Exception as error:  # noqa: BLE001 - see _fault
                outcomes.append(_fault(item.source, error))
                continue
            made[body["id"]], bodies[body["id"]] = item, body
        written = await self._assets.insert_many(bodies)
        return outcomes + [_outcome(made[key].source, key, result) for key, result in written.items()]

    def _body(self, who: Principal, item: _Read, stored: Put, number: int) -> AssetBody:
        # Through the same model as every other asset: what a file says is checked like what a client says.
        name = item.source.filename
        body = new_record(
            AssetCreate(filename=name), who, number, self._clock, file=StoredFile(stored, item.facts, name)
        )
        body["import_key"], body["source_path"] = item.sha256, readable(item.source.relative)[:1000]
        return body

    async def _store_file(self, who: Principal, item: _Read) -> Put | ImportOutcome:
        async with self._slots:
            try:
                put = await self._files.put_path(space_of(who.org_id), item.source.path)
            except InvalidInput as error:
                return _failed(item.source, "unreadable", error.message)
            except Exception as error:  # noqa: BLE001 - see _fault
                return _fault(item.source, error)
            if put.sha256 != item.sha256:
                return _failed(item.source, "changed", "changed while it was imported; import it again")
            return put


def _outcome(source: Source, key: str, result: object) -> ImportOutcome:
    """Return what the outcome of an insert means to a file."""
    if not isinstance(result, Exception):
        return ImportOutcome(source, "imported", key)
    if isinstance(result, AlreadyExists) and result.index == "import_key":
        return ImportOutcome(source, "duplicate")  # another import was faster
    return _failed(source, "store", str(result))


def _fault(source: Source, error: Exception) -> ImportOutcome:
    """Return the outcome of a file that an error kept from being imported: nothing that one file does stops another.

    Raises the error itself if no file is to blame: an engine is down, or there is no space.
    """
    match error:
        case Unavailable():
            raise error
        case IngestError():
            return _failed(source, error.reason, error.message)
        case OSError():
            return _failed(source, "unreadable", f"cannot be read: {error.strerror or error}")
    log.debug("cannot import %s", readable(source.path), exc_info=error)
    return _failed(source, "error", f"cannot be imported ({type(error).__name__}): {error}")


def _failed(source: Source, reason: str, message: str) -> ImportOutcome:
    return ImportOutcome(source, "failed", failed=Failed(readable(source.path), reason, message))


def _chunks(sources: Iterator[Source], size: int) -> Iterator[list[Source]]:
    while chunk := list(islice(sources, size)):
        yield chunk
