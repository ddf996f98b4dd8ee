"""The store port: canonical records, their revisions, and the feed of their changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Generic, Protocol

from typing_extensions import TypeVar

from service.errors import AlreadyExists, Conflict, NotFound

Body = dict[str, Any]
"""A record's content: JSON values only.

Text without U+0000 and lone surrogates, signed 64-bit integers, finite floats, bool, None, lists, and dicts with text
keys; nested at most 100 levels deep, and at most :data:`MAX_BODY_BYTES` long. If ``org_id`` is present, it is text.
Writing anything else raises InvalidInput (TooLarge for the size).
"""

MAX_BODY_BYTES = 15 * 2**20
"""The greatest length of a body as UTF-8 JSON: below MongoDB's limit of 16 MiB."""

MAX_MANY = 1000
"""The most values that a record may have in one ``many`` index."""

MARKER = "marker"
"""The kind of the records that :meth:`Store.barrier` writes."""


@dataclass(frozen=True, slots=True)
class Index:
    """One secondary index of a kind.

    ``paths`` are dotted paths into the body (the first is usually ``org_id``); they hold scalars or nothing, so a write
    of a list or an object there raises InvalidInput. A ``unique`` index leaves out records in which its last path is
    absent or null. ``name`` is what :class:`~service.errors.AlreadyExists` reports.

    The last path of a ``many`` index holds several values: a list of scalars (``tags``), or a list of objects with the
    rest of the path in each (``places.group``); one scalar, or nothing, is fine too. Each different value is an entry,
    null is none. Other shapes, a list in a list among them, and more than :data:`MAX_MANY` different values are
    InvalidInput. Its paths are that one, with ``org_id`` before it where one organization is asked for; it is never
    unique. Such a path is found by equality and :class:`In` (whether any value matches) and by :class:`Exists` (whether
    there is one), and pages by key are a walk along the index for one value; a :class:`Range` of it and an
    :class:`Order` by it are ValueError.

    The last path of a ``descending`` index is that of a list which shows the newest first: since keys rise in both
    directions, an index serves one of them.
    """

    name: str
    paths: tuple[str, ...]
    unique: bool = False
    many: bool = False
    descending: bool = False

    def __post_init__(self) -> None:
        if self.descending and (self.unique or self.many):
            raise ValueError(f"the index {self.name} is descending, and unique or of many values")
        if self.many and (self.unique or self.paths[:-1] not in ((), ("org_id",))):
            raise ValueError(f"the index {self.name} of many values is unique, or has other paths before its own")


KINDS: dict[str, tuple[Index, ...]] = {
    "asset": (
        Index("guid", ("guid",), unique=True),
        Index("sid", ("sid",), unique=True),
        Index("slug", ("org_id", "slug"), unique=True),
        Index("import_key", ("org_id", "import_key"), unique=True),
        Index("number", ("number",), unique=True),
        Index("sha256", ("org_id", "sha256")),
        Index("created", ("org_id", "created_at")),
        Index("tags", ("org_id", "tags"), many=True),
        Index("collections", ("org_id", "collections"), many=True),
    ),
    "key": (Index("hash", ("hash",), unique=True), Index("org", ("org_id",))),
    "operation": (
        Index("status", ("status", "run_after")),
        Index("type", ("status", "type", "run_after")),
        Index("share", ("status", "type", "org_id")),
        Index("due", ("type", "org_id", "run_after")),
        Index("listed", ("org_id", "internal", "created_at"), descending=True),
        Index("expires", ("expires_at",)),
        Index("file", ("org_id", "params.sha256")),
    ),
    "operation_page": (Index("operation", ("operation_id", "role", "number")),),
    "saved_search": (
        Index("created", ("org_id", "created_at"), descending=True),
        Index("guid", ("guid",), unique=True),
    ),
    "backup": (
        Index("asset", ("org_id", "asset_id")),
        Index("sha256", ("org_id", "sha256")),
        Index("created", ("org_id", "created_at"), descending=True),
    ),
    "checkpoint": (),
    "secret": (),
    "dead_letter": (Index("index", ("index",)),),
    "event": (Index("number", ("number",), descending=True),),
    "usage": (Index("window", ("window",)),),
    "reply": (Index("slot", ("slot",), unique=True), Index("expires", ("expires_at",)), Index("free", ("free",))),
    MARKER: (),
}
"""Every kind of record and its secondary indexes: the one table from which adapters create them."""

JOURNALS = frozenset({"event", "usage", "operation_page"})
"""Kinds whose records are read for a while and then dropped: the only ones that :meth:`Store.discard` takes."""


B_co = TypeVar("B_co", bound=Mapping[str, Any], covariant=True, default=Body)
"""The type of a record's body: a TypedDict of its kind where that is known, else :data:`Body`."""


@dataclass(frozen=True, slots=True)
class Record(Generic[B_co]):
    """A stored record.

    ``rev`` starts at 1 and rises by exactly one with every write. ``tombstone`` says that the record was deleted: its
    body is then empty except for ``org_id`` and ``updated_by``, and only :meth:`Store.get_many` with
    ``tombstones=True`` returns it.
    """

    kind: str
    key: str
    rev: int
    body: B_co
    updated_at: str
    tombstone: bool = False

    @property
    def org_id(self) -> str | None:
        """The organization that the record belongs to, if it belongs to one."""
        value = self.body.get("org_id")
        return value if isinstance(value, str) else None


AnyRecord = Record[Mapping[str, Any]]
"""A record whose body is only looked at: one of any kind is one."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one write does to a body, atomically.

    ``set`` replaces whole top-level fields; ``unset`` drops them; ``increment`` adds to numbers at dotted paths (a
    missing or null number counts as 0; anything else there is InvalidInput). A path names fields of Assetry, never a
    key that a user chose. Naming a field twice raises ValueError. An empty change is a write like any other.
    """

    set: Mapping[str, Any] = field(default_factory=dict)
    unset: Sequence[str] = ()
    increment: Mapping[str, int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Range:
    """A half-open or closed range; bounds are two numbers or two texts (compared by code point), None means open.

    Only values of the bounds' type match. Without any bound it means "is a number or a text".
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
    """Whether the path is present and not null."""

    present: bool = True


Condition = Range | In | Exists | str | int | float | bool
"""A scalar means equality of value and type (``1`` equals ``1.0``, but not ``True`` or ``"1"``).

If the body has a list there, equality and ``In`` match if any element does. A path goes through objects, not lists,
unless it is that of a ``many`` :class:`Index`.
"""


@dataclass(frozen=True, slots=True)
class Order:
    """Sort by a dotted path, then by key. Records without the path come last in both directions."""

    path: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A page of records; ``after`` is the opaque cursor of the next page (None at the end)."""

    records: list[Record]
    after: str | None


@dataclass(frozen=True, slots=True)
class Changed:
    """A notice that the record (kind, key) has changed at or before ``token``; read the record to learn how.

    With the kind :data:`MARKER` it is a barrier or, if the key is empty, how far a feed has come while nothing changed:
    there is nothing to read, only its token counts.
    """

    kind: str
    key: str
    token: str


class Store(Protocol):
    """Canonical records by kind and key.

    Every method raises :class:`~service.errors.Unavailable` when the engine does not answer in time. A write that
    returned is durable (it survives a killed process and a machine's loss of power) and visible to every later read. A
    write that raised Unavailable, or whose caller was cancelled, is *unknown*: it may or may not have happened. A kind
    that is not in :data:`KINDS`, a malformed path or a number out of range is a bug in the caller: ValueError.
    """

    async def get(self, kind: str, key: str) -> Record:
        """Return the record. Raises NotFound, also for a tombstone."""
        ...

    async def get_many(self, kind: str, keys: Sequence[str], *, tombstones: bool = False) -> dict[str, Record]:
        """Return the existing records, by key, in one round trip; absent ones are left out. At most 10,000 keys."""
        ...

    async def insert(self, kind: str, key: str, body: Body) -> Record:
        """Write a new record at rev 1.

        Raises AlreadyExists for the key (including tombstones: keys are never reused) or a unique index, and
        InvalidInput.
        """
        ...

    async def insert_many(self, kind: str, bodies: Mapping[str, Body]) -> dict[str, Record | Exception]:
        """Insert several records in one round trip. Each succeeds or fails on its own.

        The result for a key is its record, or the AlreadyExists or InvalidInput that :meth:`insert` would raise.
        """
        ...

    async def update(self, kind: str, key: str, change: Change, *, expected_rev: int | None = None) -> Record:
        """Apply ``change`` and return the record after it.

        Raises NotFound, Conflict (``expected_rev`` differs), AlreadyExists (unique index), InvalidInput.
        """
        ...

    async def remove(self, kind: str, key: str, *, expected_rev: int | None = None, by: Body | None = None) -> Record:
        """Replace the record with a tombstone at rev+1 and return it.

        ``by`` says who removed it: the tombstone keeps it as ``updated_by``. Raises NotFound and Conflict. The record's
        unique values become free again.
        """
        ...

    async def discard(self, kind: str, keys: Sequence[str]) -> None:
        """Drop records of a kind in :data:`JOURNALS` with all that is known of them; absent ones are passed over.

        They leave no tombstone, and a feed that is behind their writes may show them or not. At most 1,000 keys.
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
        """Return at most ``limit`` (1–1,000) records that meet every condition, excluding tombstones.

        ``where`` maps dotted paths to conditions. Without ``order``, records come by key. Paging by ``after`` returns
        every record that existed throughout, with an unchanged sort value, exactly once. Raises InvalidInput for an
        ``after`` that does not belong to a page in this order.
        """
        ...

    async def scan(self, kind: str, *, after: str | None = None, limit: int = 1000) -> list[Record]:
        """Return up to ``limit`` records (1–10,000) in key order, after the key ``after``, including tombstones.

        A reindex reads the records with it.
        """
        ...

    async def count(self, kind: str, where: Mapping[str, Condition]) -> int:
        """Return how many records meet every condition, excluding tombstones."""
        ...

    async def size(self, kind: str) -> int:
        """Return how many records a kind has, for progress and overviews, quickly however many there are.

        Exact and without tombstones while counting takes less than a second, otherwise an estimate that includes them.
        """
        ...

    async def counter(self, name: str, block: int = 1) -> int:
        """Reserve ``block`` numbers and return the first.

        Numbers start at 1, rise, and are never given out twice (not even after a crash or by several processes).
        """
        ...

    def changes(self, after: str | None, *, kinds: Sequence[str], limit: int = 1000) -> AsyncIterator[list[Changed]]:
        """Yield batches of changes to ``kinds``, and barriers, after the token ``after``, forever.

        At least once, and in commit order per key; several changes of one key may be reported as one. A batch holds at
        most ``limit`` changes and may be empty: while nothing changes, an empty batch comes at least every second, so
        that a follower can check its flags. Changes written by other processes are reported within 0.5 s. With
        ``after`` None the feed starts when it is first iterated; to avoid a gap, take a :meth:`barrier` and follow from
        its token. A barrier appears in every feed as a change of kind :data:`MARKER`. Raises HistoryLost when the feed
        cannot go back to ``after`` (also when the token belongs to another database).
        """
        ...

    async def barrier(self) -> str:
        """Write a marker and return its token: a feed that has passed it has seen every write that returned before.

        Every open feed reports the marker itself, so an idle feed passes it too.
        """
        ...

    async def position(self, kinds: Sequence[str]) -> str:
        """Return the token of the newest write to these kinds, or of the newest barrier if that is newer.

        A feed of (at least) these kinds that has passed it has seen every write to them that returned before, by this
        store or, before the feed was opened, by any; an open feed passes it without another write. It only reads, in
        well under a millisecond: a cheaper :meth:`barrier`, for frequent calls, that does not cover other processes.
        """
        ...

    def passed(self, token: str, mark: str) -> bool:
        """Whether a feed whose last token is ``token`` has passed ``mark``.

        ``mark`` comes from :meth:`barrier` or :meth:`position`. A barrier's token has passed itself. Raises HistoryLost
        for a token of another database.
        """
        ...

    async def ping(self) -> Mapping[str, Any]:
        """Return {"engine", "version"} after a real round trip. Raises Unavailable."""
        ...

    async def close(self) -> None:
        """Finish writes in progress and release the engine. Safe to call twice."""
        ...


async def upsert(store: Store, kind: str, key: str, fields: Body) -> Record:
    """Set these fields of a record, and create it if it does not exist."""
    change = Change(set=fields)
    try:
        return await store.update(kind, key, change)
    except NotFound:
        try:
            return await store.insert(kind, key, fields)
        except AlreadyExists:  # another process was faster
            return await store.update(kind, key, change)


Decide = Callable[[Record | None], Change | None]
"""Says what to write over a record as it is now (None: it is not there), or None for nothing.

It may be called several times, so it changes nothing itself.
"""


async def compare_and_set(
    store: Store, kind: str, key: str, decide: Decide, *, attempts: int | None = None
) -> Record | None:
    """Write what ``decide`` makes of a record as it is now; where another writer was faster, decide anew.

    For a record that is not there, the fields that the change sets are the body of a new one. ``attempts`` is how often
    it is tried at most; None: until it is done.

    Returns the record after the write, as it was read where nothing is to be written. Raises Conflict or NotFound when
    others were faster in every attempt, AlreadyExists for a unique index or the key of a tombstone, Unavailable (it may
    be written), and what ``decide`` raises.
    """
    taken: AlreadyExists | None = None
    for attempt in count(1):
        held = await find_record(store, kind, key)
        if held is None and taken is not None:
            raise taken  # by a tombstone: no key is used twice
        change = decide(held)
        if change is None:
            return held
        try:
            if held is None:
                return await store.insert(kind, key, {**change.set})
            return await store.update(kind, key, change, expected_rev=held.rev)
        except AlreadyExists as error:
            if held is not None or error.index != "key" or attempt == attempts:
                raise
            taken = error
        except (Conflict, NotFound):
            if attempt == attempts:
                raise
    raise AssertionError("unreachable: the loop returns or raises")


async def find_record(store: Store, kind: str, key: str) -> Record | None:
    """Return a record, None if it is not there."""
    try:
        return await store.get(kind, key)
    except NotFound:
        return None


async def each_record(
    store: Store, kind: str, where: Mapping[str, Condition], *, order: Order | None = None, page: int = 1000
) -> AsyncIterator[Record]:
    """Yield every record that meets the conditions, a page (1-1,000 records) in memory at a time."""
    after: str | None = None
    while True:
        found = await store.find(kind, where, order=order, limit=page, after=after)
        for record in found.records:
            yield record
        if (after := found.after) is None:
            return
