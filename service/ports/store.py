"""The store port: canonical records, their revs, and the feed of their changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from service.errors import AlreadyExists, NotFound

Body = dict[str, Any]
"""A record's content: JSON values only.

Text without U+0000 and lone surrogates, integers of 64 bits with sign, finite floats, bool, None, lists, and dicts with
text keys; at most 100 levels deep and :data:`MAX_BODY_BYTES` long. ``org_id`` is text if it is there. A write of
anything else raises InvalidInput (TooLarge for the size).
"""

MAX_BODY_BYTES = 15 * 2**20
"""The longest body, as UTF-8 JSON: below the 16 MiB that MongoDB takes."""

MARKER = "marker"
"""The kind of what :meth:`Store.barrier` writes."""


@dataclass(frozen=True, slots=True)
class Index:
    """One secondary index of a kind.

    ``paths`` are dotted paths into the body (the first is usually ``org_id``); they hold scalars or nothing, so a write
    of a list or an object there raises InvalidInput. A ``unique`` index leaves out records in which its last path is
    absent or null. ``name`` is what :class:`~service.errors.AlreadyExists` reports.
    """

    name: str
    paths: tuple[str, ...]
    unique: bool = False


KINDS: dict[str, tuple[Index, ...]] = {
    "asset": (
        Index("guid", ("guid",), unique=True),
        Index("sid", ("sid",), unique=True),
        Index("slug", ("org_id", "slug"), unique=True),
        Index("import_key", ("org_id", "import_key"), unique=True),
        Index("number", ("number",), unique=True),
        Index("sha256", ("org_id", "sha256")),
        Index("created", ("org_id", "created_at")),
    ),
    "key": (Index("hash", ("hash",), unique=True), Index("org", ("org_id",))),
    "operation": (
        Index("status", ("status", "run_after")),
        Index("org", ("org_id", "created_at")),
        Index("file", ("org_id", "params.sha256")),
    ),
    "saved_search": (Index("created", ("org_id", "created_at")), Index("guid", ("guid",), unique=True)),
    "backup": (Index("asset", ("org_id", "asset_id")), Index("sha256", ("org_id", "sha256"))),
    "checkpoint": (),
    "secret": (),
    "dead_letter": (Index("index", ("index",)),),
    "reply": (Index("slot", ("slot",), unique=True), Index("expires", ("expires_at",)), Index("free", ("free",))),
    MARKER: (),
}
"""Every kind of record and its secondary indexes: the one table from which adapters create them."""


@dataclass(frozen=True, slots=True)
class Record:
    """A stored record.

    ``rev`` starts at 1 and rises by exactly one with every write. ``tombstone`` says that the record was removed: its
    body is then empty but for ``org_id``, and only :meth:`Store.get_many` with ``tombstones=True`` shows it.
    """

    kind: str
    key: str
    rev: int
    body: Body
    updated_at: str
    tombstone: bool = False

    @property
    def org_id(self) -> str | None:
        """The organization that the record belongs to, if it belongs to one."""
        value = self.body.get("org_id")
        return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class Change:
    """What one write does to a body, all at once.

    ``set`` replaces whole top-level fields; ``unset`` drops them; ``increment`` adds to numbers at dotted paths (a
    missing or null number counts as 0; anything else there is InvalidInput). A path names fields of Assetry, never a
    key that a user chose. No field may be named twice (ValueError). An empty change is a write like any other.
    """

    set: Mapping[str, Any] = field(default_factory=dict)
    unset: Sequence[str] = ()
    increment: Mapping[str, int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Range:
    """A half-open or closed range; bounds are two numbers or two texts (by code point), None means open.

    Only values of the bounds' type are in it. With no bound at all it means "is a number or a text".
    """

    gte: Any = None
    gt: Any = None
    lte: Any = None
    lt: Any = None


@dataclass(frozen=True, slots=True)
class In:
    """Any of these values (at most 1,000)."""

    values: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Exists:
    """Whether the path is there and not null."""

    present: bool = True


Condition = Range | In | Exists | str | int | float | bool
"""A scalar means equality, of value and type (``1`` is ``1.0``, but not ``True`` or ``"1"``).

On a list in the body, equality and ``In`` ask whether any element matches. A path goes through objects, not lists.
"""


@dataclass(frozen=True, slots=True)
class Order:
    """Sort by a dotted path, then by key. Records without the path come last in both directions."""

    path: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A page of records; ``after`` resumes behind the last one (opaque; None at the end)."""

    records: list[Record]
    after: str | None


@dataclass(frozen=True, slots=True)
class Changed:
    """A dirty bit: the record (kind, key) has changed at or before ``token``; read it to learn how.

    Of the kind :data:`MARKER` it is a barrier, or, with an empty key, how far a feed has come while nothing changed:
    there is nothing to read, only its token counts.
    """

    kind: str
    key: str
    token: str


class Store(Protocol):
    """Canonical records by kind and key.

    Every method raises :class:`~service.errors.Unavailable` when the engine does not answer in time. A write that
    returned is durable (it survives a killed process and a lost machine's memory) and visible to every later read. A
    write that raised Unavailable is *unknown*: it may or may not have happened; so is one whose caller was cancelled. A
    kind that is not in :data:`KINDS`, a malformed path and a number out of its range are the caller's bugs: ValueError.
    """

    async def get(self, kind: str, key: str) -> Record:
        """Return the record. Raises NotFound, also for a tombstone."""
        ...

    async def get_many(self, kind: str, keys: Sequence[str], *, tombstones: bool = False) -> dict[str, Record]:
        """Return the records that exist, by key, in one round trip; absent ones are left out. At most 10,000 keys."""
        ...

    async def insert(self, kind: str, key: str, body: Body) -> Record:
        """Write a new record at rev 1.

        Raises AlreadyExists for the key (tombstones included: keys are never reused) or a unique index, InvalidInput.
        """
        ...

    async def insert_many(self, kind: str, bodies: Mapping[str, Body]) -> dict[str, Record | Exception]:
        """Insert each record by itself in one round trip. One failure stops none.

        A key's outcome is its record, or the AlreadyExists or InvalidInput that :meth:`insert` would raise.
        """
        ...

    async def update(self, kind: str, key: str, change: Change, *, expected_rev: int | None = None) -> Record:
        """Apply ``change`` and return the record after it.

        Raises NotFound, Conflict (``expected_rev`` differs), AlreadyExists (unique index), InvalidInput.
        """
        ...

    async def remove(self, kind: str, key: str, *, expected_rev: int | None = None) -> Record:
        """Replace the record by a tombstone at rev+1 and return it.

        Raises NotFound, Conflict. Its unique values are free again.
        """
        ...

    async def find(
        self,
        kind: str,
        where: Mapping[str, Condition],
        *,
        order: Order | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page:
        """Return at most ``limit`` (1–1,000) records that meet every condition, tombstones left out.

        ``where`` is dotted path → condition. Without ``order`` they come by key. Paging by ``after`` shows every record
        that existed all along, unchanged in what it is sorted by, exactly once. Raises InvalidInput for an ``after``
        that is not of a page in this order.
        """
        ...

    async def scan(self, kind: str, *, after: str | None = None, limit: int = 1000) -> list[Record]:
        """Return up to ``limit`` records (1–10,000) in key order behind the key ``after``, tombstones included.

        It is what a rebuild walks over.
        """
        ...

    async def count(self, kind: str, where: Mapping[str, Condition]) -> int:
        """Return how many records meet every condition, tombstones left out."""
        ...

    async def size(self, kind: str) -> int:
        """Return how many records a kind has, for progress and overviews, soon however many there are.

        Exact and without tombstones while counting takes less than a second, then about, with them.
        """
        ...

    async def counter(self, name: str, block: int = 1) -> int:
        """Reserve ``block`` numbers and return the first.

        Numbers start at 1, rise, and are never given twice (also after a crash and by several processes).
        """
        ...

    def changes(self, after: str | None, *, kinds: Sequence[str], limit: int = 1000) -> AsyncIterator[list[Changed]]:
        """Yield batches of changes to ``kinds``, and barriers, behind the token ``after``, for ever.

        At least once, and in commit order per key; several changes of one key may show as one. A batch holds at most
        ``limit`` changes, and may be empty: an empty batch comes at least every second while nothing changes, so that a
        follower can look at its flags. Changes written by other processes show too, within 0.5 s. ``after`` None means
        from the first step of the iteration on; to have no gap, take a :meth:`barrier` and follow from its token. A
        barrier shows in every feed as a change of kind :data:`MARKER`. Raises HistoryLost when the feed cannot go back
        to ``after`` (also when the token is another database's).
        """
        ...

    async def barrier(self) -> str:
        """Write a marker and return its token: a feed that has passed it has seen every write that returned before.

        The marker itself comes by every open feed, so a feed that is idle passes it too.
        """
        ...

    async def position(self, kinds: Sequence[str]) -> str:
        """Return the token of the newest write to these kinds, or of the newest barrier if that is newer.

        A feed of (at least) these kinds that has passed it has seen every write to them that returned before, by this
        store or, until it was opened, by any; an open one passes it without another write. It only reads, in well under
        a millisecond: what a :meth:`barrier` says by a write, and of all processes, for whoever asks often.
        """
        ...

    def passed(self, token: str, mark: str) -> bool:
        """Whether a feed that stands at ``token``, the last it gave out, has passed ``mark``.

        A mark comes from :meth:`barrier` or :meth:`position`. A token has passed itself when it is a barrier's. Raises
        HistoryLost for a token of another database.
        """
        ...

    async def ping(self) -> Mapping[str, Any]:
        """Return {"engine", "version"} after a real round trip. Raises Unavailable."""
        ...

    async def close(self) -> None:
        """Finish writes under way and let go of the engine. Safe to call twice."""
        ...


async def upsert(store: Store, kind: str, key: str, fields: Body) -> Record:
    """Set these fields of a record, which is made if it is not there."""
    change = Change(set=fields)
    try:
        return await store.update(kind, key, change)
    except NotFound:
        try:
            return await store.insert(kind, key, fields)
        except AlreadyExists:  # another process was faster
            return await store.update(kind, key, change)
