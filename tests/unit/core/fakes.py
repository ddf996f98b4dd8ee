"""What the use cases are tried on: a clock that stands still, a reader of tiny files, the embedded adapters."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from service.adapters.jobs.inprocess_jobs import InprocessJobs
from service.adapters.local.files import LocalFiles
from service.adapters.sqlite.store import SqliteStore
from service.core.access.keys import Principal
from service.core.assets.assets import Assets, Upload
from service.core.files.garbage import Garbage
from service.errors import IngestError
from service.model import AssetBody, AssetCreate
from service.ports.clock import SystemClock
from service.ports.store import Record


class Clock(SystemClock):
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        # Near the real time: the files' own times are the file system's.
        self.moment = datetime.now(UTC)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def pass_(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Facts:
    type: str = "text"
    mime_type: str = "text/plain"
    ext: str = "txt"
    title: str | None = None
    description: str | None = None
    creator: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    taxonomy: tuple[str, ...] = ()
    license: str | None = None
    credit: str | None = None
    captured_at: str | None = None
    rating: int | None = None
    gps: dict[str, float] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    content: bytes
    mime_type: str


@dataclass
class Reader:
    """Says of every file what it was told to say; a file that starts with what is ``bad`` cannot be read."""

    facts: Facts = field(default_factory=Facts)
    bad: tuple[bytes, ...] = (b"bad",)
    made: int = 0

    async def extract(self, path: Path, filename: str, *, org_id: str = "") -> Facts:
        if path.read_bytes().startswith(self.bad):
            raise IngestError("It is bad.", reason="malformed", filename=filename)
        return self.facts

    async def thumbnail(self, path: Path, filename: str, name: str, size: int = 512, *, org_id: str = "") -> Picture:
        self.made += 1
        if path.read_bytes().startswith(b"dull"):
            raise IngestError("There is nothing to see.", reason="unsupported", filename=filename)
        return Picture(b"picture of %d" % size, "image/webp")


@dataclass(frozen=True)
class Shelf:
    store: SqliteStore
    files: LocalFiles
    reader: Reader
    assets: Assets
    garbage: Garbage
    jobs: InprocessJobs

    async def create(
        self, who: Principal, given: AssetCreate, content: bytes, filename: str = "note.txt"
    ) -> Record[AssetBody]:
        """Create an asset from a file that comes in."""
        async with self.assets.receive() as incoming:
            await incoming.write(content)
            return await self.assets.create(who, given, Upload(filename, incoming))

    async def operations(self) -> list[Record]:
        return (await self.store.find("operation", {})).records
