"""The search port: request bodies in, the engine's answers out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BulkItem:
    """One document to write, with its external version; a deletion is a document ``{"deleted": true, …}``.

    ``document`` may already be encoded as JSON (one line of UTF-8): a caller that counts its bytes need not encode it
    twice.
    """

    id: str
    version: int
    document: Json | bytes


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """The engine's result for one item: its HTTP status and, if it failed, the error's type and reason."""

    id: str
    version: int
    status: int
    error_type: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Indexed:
    """A document as an index holds it: id, version, whether searches exclude it, and its content if requested.

    ``asset_id`` is its field of that name, by which an index is scanned; in Assetry's documents it equals the id.
    """

    id: str
    version: int
    deleted: bool
    source: Json | None = None
    asset_id: str | None = None


class Rejected(Exception):
    """The engine rejected a request (4xx): a bug in Assetry or a limit of the engine's."""

    def __init__(self, status: int, error_type: str, reason: str) -> None:
        super().__init__(f"{status} {error_type}: {reason}")
        self.status = status
        self.error_type = error_type
        self.reason = reason


class PitGone(Exception):
    """A search named a PIT that has expired or was closed, or whose index was deleted or lost."""


class SearchEngine(Protocol):
    """An OpenSearch-compatible engine.

    Every method raises Unavailable (no connection, a timeout, too many concurrent calls, any 5xx, 429, a closed index,
    and 401 and 403, because credentials, permissions and blocks are for an operator to fix) and Rejected (any other
    4xx); neither message leaves the service. Methods that only read may retry once on another host, within their
    timeout; those that write are never retried.
    """

    async def search(self, index: str | None, body: Json, *, timeout: float = 10.0) -> Json:
        """Search an index or alias, or None with a body that names a ``pit``; ``timeout`` is in seconds.

        Also raises Unavailable when the answer is partial (a shard failed or is unassigned, or ``timed_out``) and when
        there is no such index or alias: the alias appears with the first complete index. Raises PitGone for a PIT that
        no longer exists, or that has lost its context on a node.
        """
        ...

    async def open_pit(self, index: str, keep_alive: str) -> str:
        """Return the id of a PIT: an index or alias (with its filter) as searches see it now, whatever follows.

        It expires when no search names it for ``keep_alive`` (``2m``), and with its index. Ids are long (hundreds of
        characters). Raises Unavailable as :meth:`search` does.
        """
        ...

    async def close_pit(self, pit: str) -> None:
        """Close a PIT; it is no error if it no longer exists."""
        ...

    async def count(self, index: str, query: Json) -> int:
        """Count the documents that match. Raises Unavailable as :meth:`search` does."""
        ...

    async def bulk(self, index: str, items: Sequence[BulkItem], *, refresh: bool = False) -> list[BulkOutcome]:
        """Index whole documents with ``version_type=external_gte``; outcomes are in the order of the items.

        Items fail independently. ``index`` is one that :meth:`create_index` made; a bulk request never creates an
        index: each item gets the status 404 if the index does not exist, and 403 if it is closed. ``refresh`` makes the
        documents searchable before the call returns.
        """
        ...

    async def versions(self, index: str, ids: Sequence[str]) -> dict[str, int]:
        """Return the stored version of each id that exists (real-time get, not search).

        Raises Unavailable when one of them cannot be read or the index does not exist, as :meth:`documents` does.
        """
        ...

    async def documents(self, index: str, ids: Sequence[str]) -> dict[str, Indexed]:
        """Return those of these documents that exist, with their content, as of now (real-time get).

        Raises Unavailable as :meth:`versions` does.
        """
        ...

    async def create_index(self, name: str, body: Json) -> None:
        """Create an index. Raises Rejected with status 400 if it exists already."""
        ...

    async def delete_index(self, name: str) -> None:
        """Delete an index; it is no error if it does not exist."""
        ...

    async def index_exists(self, name: str) -> bool:
        """Whether an index of exactly this name exists."""
        ...

    async def mapping_meta(self, name: str) -> Json:
        """Return the ``_meta`` of a physical index's mapping ({} if there is none)."""
        ...

    async def mapping(self, name: str) -> Json:
        """Return the mapping of a physical index ({} if there is none): ``properties``, ``dynamic``, ``_meta``."""
        ...

    async def identity(self, name: str) -> str | None:
        """Return the UUID of a physical index (a restored or recreated one has another); None if absent."""
        ...

    async def index_health(self, name: str) -> str:
        """Return ``green`` (all copies), ``yellow`` (all primaries) or ``red`` (also if there is no such index)."""
        ...

    async def adopt_index(self, name: str) -> None:
        """Let :meth:`bulk` write to an index that exists but was not made by :meth:`create_index` (a restored one)."""
        ...

    async def delete_documents(self, index: str, items: Sequence[tuple[str, int]]) -> list[BulkOutcome]:
        """Delete documents (id, version) from an index with ``version_type=external_gte``; absent ones are no error.

        The engine soon forgets a deleted document's version, so nothing may write an older version any more.
        """
        ...

    async def put_settings(self, name: str, settings: Json) -> None:
        """Change dynamic index settings."""
        ...

    async def resolve_alias(self, alias: str) -> dict[str, Json]:
        """Return {physical index: alias options (filter …)}; {} if there is no such alias."""
        ...

    async def update_aliases(self, actions: Sequence[Json]) -> None:
        """Apply all alias actions atomically."""
        ...

    async def refresh(self, index: str) -> None:
        """Make all earlier writes searchable."""
        ...

    async def scan_documents(
        self, index: str, *, after: str | None, last: str | None = None, limit: int, sources: bool = True
    ) -> list[Indexed]:
        """Return up to ``limit`` (1-10,000) documents in order of ``asset_id``, including tombstones.

        They are those after ``after``, up to and with ``last`` where it is given. It sees what has been refreshed, and
        only documents with an ``asset_id``. Without ``sources`` their content is left out, which costs far less. A
        verify reads its index side with it.
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
    """An engine that can report the size of an index; not every server of the API can."""

    async def index_bytes(self, name: str) -> int | None:
        """Return the size of a physical index with all its copies in bytes; None if it is unknown."""
        ...
