"""The search port: bodies in, the engine's answers out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BulkItem:
    """One document to write with its external version; a removal is a document ``{"deleted": true, …}``.

    ``document`` may be JSON encoded already (one line of UTF-8): whoever counts its bytes need not encode it twice.
    """

    id: str
    version: int
    document: Json | bytes


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """What the engine said of one item: its HTTP status and, when it failed, the error's type and reason."""

    id: str
    version: int
    status: int
    error_type: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Indexed:
    """A document as an index holds it: its id, version, whether searches leave it out, and its content if asked for.

    ``asset_id`` is its field of that name, by which an index is walked; in a document of ours it is the id.
    """

    id: str
    version: int
    deleted: bool
    source: Json | None = None
    asset_id: str | None = None


class Rejected(Exception):
    """The engine refused a request (4xx): a bug of ours or a limit of its. ``status``, ``error_type``, ``reason``."""

    def __init__(self, status: int, error_type: str, reason: str) -> None:
        super().__init__(f"{status} {error_type}: {reason}")
        self.status = status
        self.error_type = error_type
        self.reason = reason


class PitGone(Exception):
    """A search named a PIT that has expired, was closed, or whose index was deleted or lost."""


class SearchEngine(Protocol):
    """An OpenSearch-compatible engine.

    Every method raises Unavailable (no connection, a time-out, too many calls under way, any 5xx, 429, a closed index,
    and 401 and 403: credentials, permissions and blocks are an operator's to fix) and Rejected (any other 4xx); the
    message of neither leaves the service. Methods that only read may ask another host once more, within their time-out;
    none that writes is repeated.
    """

    async def search(self, index: str | None, body: Json, *, timeout: float = 10.0) -> Json:
        """Search an index or alias, or None with a body that names a ``pit``; ``timeout`` is in seconds.

        Raises Unavailable too when the answer is partial (a shard that failed or is nowhere, or ``timed_out``) and when
        there is no such index or alias: the alias appears with the first complete index. Raises PitGone for a PIT that
        is no more, or of which a node lost its part.
        """
        ...

    async def open_pit(self, index: str, keep_alive: str) -> str:
        """Return the id of a PIT: an index or alias (with its filter) as searches see it now, whatever comes later.

        It is gone when no search names it for ``keep_alive`` (``2m``), and with its index. Ids are long (hundreds of
        characters). Raises Unavailable as :meth:`search` does.
        """
        ...

    async def close_pit(self, pit: str) -> None:
        """Let go of a PIT; one that is gone already is fine."""
        ...

    async def count(self, index: str, query: Json) -> int:
        """Count the documents that match. Raises Unavailable as :meth:`search` does."""
        ...

    async def bulk(self, index: str, items: Sequence[BulkItem], *, refresh: bool = False) -> list[BulkOutcome]:
        """Index whole documents with ``version_type=external_gte``; outcomes in the order of items.

        One failed item stops none. ``index`` is one that :meth:`create_index` made; a bulk never creates an index: each
        item to one that is not there has the status 404, to one that is closed 403. ``refresh`` makes them searchable
        before the call returns.
        """
        ...

    async def versions(self, index: str, ids: Sequence[str]) -> dict[str, int]:
        """Return the stored version of each id that is there (real-time get, not search).

        Raises Unavailable when one of them cannot be read, or the index is not there: as :meth:`documents`.
        """
        ...

    async def documents(self, index: str, ids: Sequence[str]) -> dict[str, Indexed]:
        """Return the documents of these ids that are there, with their content, as of now (real-time get).

        Raises Unavailable as :meth:`versions` does.
        """
        ...

    async def create_index(self, name: str, body: Json) -> None:
        """Create an index. One that exists already raises Rejected with status 400."""
        ...

    async def delete_index(self, name: str) -> None:
        """Delete an index; one that is absent is fine."""
        ...

    async def index_exists(self, name: str) -> bool:
        """Whether an index of exactly this name is there."""
        ...

    async def mapping_meta(self, name: str) -> Json:
        """Return the mapping's ``_meta`` of a physical index ({} if none)."""
        ...

    async def mapping(self, name: str) -> Json:
        """Return the mapping of a physical index ({} if there is none): ``properties``, ``dynamic``, ``_meta``."""
        ...

    async def identity(self, name: str) -> str | None:
        """Return what tells this physical index from any other of its name, earlier or restored; None if absent."""
        ...

    async def index_health(self, name: str) -> str:
        """Return ``green`` (all copies), ``yellow`` (all primaries) or ``red`` (also: no such index)."""
        ...

    async def adopt_index(self, name: str) -> None:
        """Let :meth:`bulk` write to an index that exists but was not made by :meth:`create_index` (a restored one)."""
        ...

    async def delete_documents(self, index: str, items: Sequence[tuple[str, int]]) -> list[BulkOutcome]:
        """Take documents (id, version) out of an index with ``version_type=external_gte``; absent ones are fine.

        The engine soon forgets the version: nothing may write an older one any more.
        """
        ...

    async def put_settings(self, name: str, settings: Json) -> None:
        """Change dynamic index settings."""
        ...

    async def resolve_alias(self, alias: str) -> dict[str, Json]:
        """Return {physical index: alias options (filter …)}; {} if there is no such alias."""
        ...

    async def update_aliases(self, actions: Sequence[Json]) -> None:
        """Do all alias actions in one atomic step."""
        ...

    async def refresh(self, index: str) -> None:
        """Make all earlier writes searchable."""
        ...

    async def scan_documents(self, index: str, *, after: str | None, limit: int, sources: bool = True) -> list[Indexed]:
        """Return up to ``limit`` (1-10,000) documents in order of ``asset_id`` behind ``after``, tombstones included.

        It sees what was refreshed, and only documents with an ``asset_id``. Without ``sources`` their contents are left
        out, which costs far less. It is the index's side of a verify.
        """
        ...

    async def ping(self) -> Mapping[str, Any]:
        """Return {"engine", "version"} after a real round trip."""
        ...

    async def close(self) -> None:
        """Close connections. Safe to call twice."""
        ...


@runtime_checkable
class Measured(Protocol):
    """An engine that knows how much an index takes up; not every server of the API does."""

    async def index_bytes(self, name: str) -> int | None:
        """Return the bytes of a physical index with all its copies, None if they are not known."""
        ...
