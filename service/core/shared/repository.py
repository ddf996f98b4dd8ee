"""Records of one kind, as every use case reads, lists and changes them: within an organization, and never half-read.

A use case works with a :class:`Repository` of its kind; what is true of all kinds is said here once. Another
organization's record is not there. A change is worked out from the record as it is, and worked out anew where another
writer was faster. A list is paged, and says how many there are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, cast

from typing_extensions import TypeVar

from service.core.shared.authorship import actor, signed, signed_new
from service.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from service.ports.clock import Clock
from service.ports.store import Body, Change, Condition, Decide, Order, Record, Store, compare_and_set, each_record
from service.times import timestamp

START = "*"
"""The cursor of the first page of a list."""

ATTEMPTS = 10
"""How often a change is worked out anew when another writer was faster, before Conflict is raised."""

B = TypeVar("B", bound=Mapping[str, Any], default=Body)
"""The bodies of the kind: a TypedDict."""

Work = Callable[[Record[B]], Change | None]
"""Says what to change of a record as it is now, None for nothing. It may be called several times."""

Rename = Callable[[Mapping[str, Any]], Body]
"""The fields that make a body unique where its value of a unique index is taken, such as another slug."""


@dataclass(frozen=True, slots=True)
class Listed(Generic[B]):
    """A page of a list: its records, how many there are in all, and where the next page starts (None at the end)."""

    records: list[Record[B]]
    total: int
    after: str | None


def wrong_cursor(given: object) -> InvalidInput:
    """Return the error of a cursor that no page of a list has given."""
    expected = "next_cursor of the page before, or *"
    return InvalidInput("The cursor is not of this list.", field="cursor", provided=given, expected=expected)


class Repository(Generic[B]):
    """The records of one kind.

    ``renames`` are by the name of a unique index: where its value is taken, the record is written once more with what
    they give. With a ``clock`` its records say who wrote them last, and who made them when
    (:mod:`service.core.shared.authorship`). All methods raise Unavailable.
    """

    def __init__(
        self,
        store: Store,
        kind: str,
        *,
        renames: Mapping[str, Rename] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.kind = kind
        self._store = store
        self._renames = renames or {}
        self._clock = clock

    async def get(self, org_id: str, key: str) -> Record[B]:
        """Return a record. Raises NotFound, also for another organization's."""
        record = await self.get_any(key)
        if record.org_id != org_id:
            raise NotFound(self.kind, key)
        return record

    async def get_many(self, org_id: str, keys: Sequence[str]) -> dict[str, Record[B]]:
        """Return by key those of the records that are there, another organization's left out."""
        found = await self._store.get_many(self.kind, keys)
        return {key: cast("Record[B]", record) for key, record in found.items() if record.org_id == org_id}

    async def get_any(self, key: str) -> Record[B]:
        """Return a record of whichever organization, for who was let in by other means. Raises NotFound."""
        return cast("Record[B]", await self._store.get(self.kind, key))

    async def get_at(self, org_id: str, key: str, expected_rev: int | None) -> Record[B]:
        """Return a record at the rev that the caller expects, None for any. Raises NotFound, Conflict."""
        return self._expected(await self.get(org_id, key), expected_rev)

    async def first(self, where: Mapping[str, Condition]) -> Record[B] | None:
        """Return a record that meets the conditions, None if there is none."""
        found = (await self._store.find(self.kind, where, limit=1)).records
        return cast("Record[B]", found[0]) if found else None

    async def each(self, where: Mapping[str, Condition], *, order: Order | None = None) -> AsyncIterator[Record[B]]:
        """Yield every record that meets the conditions, a page in memory at a time."""
        async for record in each_record(self._store, self.kind, where, order=order):
            yield cast("Record[B]", record)

    async def page(
        self,
        org_id: str,
        where: Mapping[str, Condition] | None = None,
        *,
        order: Order | None = None,
        limit: int,
        after: str | None = None,
    ) -> Listed[B]:
        """Return a page of an organization's records; ``after`` is unset or ``*`` for the first one.

        Raises InvalidInput for an ``after`` that is not of this list.
        """
        conditions = {"org_id": org_id, **(where or {})}
        after = None if after == START else after
        try:
            page = await self._store.find(self.kind, conditions, order=order, limit=limit, after=after)
        except InvalidInput as error:
            if error.field != "after":
                raise
            raise wrong_cursor(after) from error
        total = await self._store.count(self.kind, conditions)
        return Listed(cast("list[Record[B]]", page.records), total, page.after)

    async def insert(self, key: str, body: B) -> Record[B]:
        """Write a new record. Raises AlreadyExists, InvalidInput."""
        new = self._signed_new(body)
        try:
            record = await self._store.insert(self.kind, key, new)
        except AlreadyExists as error:
            if (rename := self._renames.get(error.index)) is None:
                raise
            record = await self._store.insert(self.kind, key, {**new, **rename(new)})
        return cast("Record[B]", record)

    async def insert_many(self, bodies: Mapping[str, B]) -> dict[str, Record[B] | Exception]:
        """Write new records, each by itself, in one round trip; a second one for those that are renamed.

        A key's outcome is its record, or what :meth:`insert` would raise.
        """
        new = {key: self._signed_new(body) for key, body in bodies.items()}
        outcomes = await self._store.insert_many(self.kind, new) if new else {}
        renamed = {
            key: {**new[key], **rename(new[key])}
            for key, outcome in outcomes.items()
            if isinstance(outcome, AlreadyExists) and (rename := self._renames.get(outcome.index))
        }
        if renamed:
            outcomes |= await self._store.insert_many(self.kind, renamed)
        return cast("dict[str, Record[B] | Exception]", outcomes)

    async def change(self, org_id: str, key: str, work: Work[B], *, expected_rev: int | None = None) -> Record[B]:
        """Change a record by what ``work`` makes of it; return it after that.

        Raises NotFound, Conflict (it is not at ``expected_rev``; or :data:`ATTEMPTS` others were faster),
        AlreadyExists, and what the work raises.
        """

        def decide(held: Record | None) -> Change | None:
            if held is None or held.org_id != org_id:
                raise NotFound(self.kind, key)
            return self._signed(work(self._expected(cast("Record[B]", held), expected_rev)))

        try:
            return await self._changed(key, decide)
        except AlreadyExists as error:
            if (rename := self._renames.get(error.index)) is None:
                raise
            return await self._changed(key, _renaming(decide, rename))

    async def update_any(self, key: str, change: Change) -> Record[B]:
        """Change a record of whichever organization, whatever it is now. Raises NotFound."""
        signed_change = change if self._clock is None else signed(change)
        return cast("Record[B]", await self._store.update(self.kind, key, signed_change))

    async def remove(self, org_id: str, key: str, *, expected_rev: int | None = None) -> Record:
        """Leave a tombstone in a record's place and return it. Raises NotFound, Conflict."""
        await self.get_at(org_id, key, expected_rev)
        by = None if self._clock is None else actor().as_body()
        return await self._store.remove(self.kind, key, expected_rev=expected_rev, by=by)

    def _signed_new(self, body: Mapping[str, Any]) -> Body:
        return {**body} if self._clock is None else signed_new(body, timestamp(self._clock.now()))

    def _signed(self, change: Change | None) -> Change | None:
        return change if self._clock is None or change is None else signed(change)

    async def _changed(self, key: str, decide: Decide) -> Record[B]:
        record = await compare_and_set(self._store, self.kind, key, decide, attempts=ATTEMPTS)
        return cast("Record[B]", record)

    def _expected(self, record: Record[B], expected_rev: int | None) -> Record[B]:
        if expected_rev is not None and record.rev != expected_rev:
            raise Conflict(self.kind, record.key, expected=expected_rev, rev=record.rev)
        return record


def _renaming(decide: Decide, rename: Rename) -> Decide:
    """Return a decision whose change also renames the record."""

    def renamed(held: Record | None) -> Change | None:
        change = decide(held)
        if change is None or held is None:
            return change
        fields = {**change.set, **rename({**held.body, **change.set})}
        return Change(fields, change.unset, change.increment)

    return renamed
