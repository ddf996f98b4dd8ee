"""The plan: which physical indexes of an alias get every write, and how far a reindex has come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Self

from indexer.leadership.lease import LeaseLost
from service.ports.store import Body, Change, Record, Store, compare_and_set, find_record

KIND = "checkpoint"


def plan_key(alias: str) -> str:
    """Return the key of an alias's plan, a record of kind ``checkpoint``."""
    return f"plan-{alias}"


@dataclass(frozen=True, slots=True)
class PhysicalIndex:
    """A physical index: its name, the id of its build, and the hash of the mapping and projection that created it."""

    index: str
    build: str | None
    hash: str | None

    @classmethod
    def read(cls, body: Body | None) -> Self | None:
        """Parse a record's entry; None for no entry."""
        return None if body is None else cls(body["index"], body["build"], body["hash"])


class Stage(StrEnum):
    """How far a reindex has come. Each stage names what has been completed."""

    NOTED = "noted"  # the new index has a name
    CREATED = "created"  # it exists, empty
    JOINED = "joined"  # the plan asks for every write to go there as well
    FILLING = "filling"  # the follower writes to it; the scan continues after the cursor
    FILLED = "filled"  # the scan is complete
    DRAINED = "drained"  # the follower has passed the end of the scan
    RESTORED = "restored"  # replicas and refresh interval are as searches need them
    VERIFIED = "verified"  # no difference, no dead letter
    SWAPPING = "swapping"  # the alias may move at any moment
    SWAPPED = "swapped"  # the previous index still gets every write, until it is purged
    ROLLING_BACK = "rolling back"  # the alias may move back at any moment
    ROLLED_BACK = "rolled back"
    FAILED = "failed"  # see the reason; the next run starts over


DONE = frozenset({Stage.SWAPPED, Stage.ROLLED_BACK})
ENDED = DONE | {Stage.FAILED}


@dataclass(frozen=True, slots=True)
class SwapPermit:
    """What a request to move the alias to an index must present: an alias on that index, which the move removes.

    Its name is unique. If a request arrives late, when another process is at work or the index was abandoned, the
    permit has been revoked, and nothing moves.
    """

    index: str
    alias: str


@dataclass(frozen=True, slots=True)
class Rebuild:
    """A reindex: its index, its stage, and the scan's cursor with live records ``done`` of ``total``."""

    target: PhysicalIndex
    stage: Stage = Stage.NOTED
    cursor: str | None = None
    done: int = 0
    total: int = 0
    started_at: str | None = None
    reason: str | None = None

    @classmethod
    def read(cls, body: Body | None) -> Self | None:
        """Parse a record's entry; None for no entry."""
        if body is None:
            return None
        target = PhysicalIndex(**body["target"])
        return cls(**{**body, "target": target, "stage": Stage(body["stage"])})


@dataclass(frozen=True, slots=True)
class Plan:
    """Which indexes there are, and what each is for.

    ``live`` is behind the alias; ``building`` is being filled by a reindex; ``previous`` was live and is kept up to
    date for a rollback: all three get every write. ``making`` is being built by the leader and gets none. ``abandoned``
    are indexes that get no more writes and are to be deleted. ``gen`` rises whenever the leader has to do something
    else; it is in force once the leader has acknowledged it. ``resumes`` counts how often an operator lifted a halt.
    ``worker`` is the fencing token of the last operator's process: an earlier one, which was suspended and resumed, can
    no longer change anything. ``permit`` is the one with which the alias may move, now or by a request in progress.
    """

    gen: int = 0
    live: PhysicalIndex | None = None
    building: PhysicalIndex | None = None
    previous: PhysicalIndex | None = None
    making: PhysicalIndex | None = None
    rebuild: Rebuild | None = None
    abandoned: tuple[str, ...] = ()
    resumes: int = 0
    worker: int = 0
    permit: SwapPermit | None = None

    @classmethod
    def read(cls, body: Body) -> Self:
        """Parse a record."""
        permit = body.get("permit")
        return cls(
            gen=body["gen"],
            live=PhysicalIndex.read(body["live"]),
            building=PhysicalIndex.read(body["building"]),
            previous=PhysicalIndex.read(body["previous"]),
            making=PhysicalIndex.read(body["making"]),
            rebuild=Rebuild.read(body["rebuild"]),
            abandoned=tuple(body["abandoned"]),
            resumes=body["resumes"],
            worker=body.get("worker", 0),
            permit=None if permit is None else SwapPermit(**permit),
        )

    def as_body(self) -> Body:
        """Return the body of the plan's record."""
        body: dict[str, Any] = asdict(self)
        body["abandoned"] = list(self.abandoned)
        if self.rebuild is not None:
            body["rebuild"]["stage"] = str(self.rebuild.stage)
        return body

    @property
    def targets(self) -> tuple[PhysicalIndex, ...]:
        """The indexes that get every write, the live one first."""
        return tuple(target for target in (self.live, self.building, self.previous) if target is not None)

    @property
    def refreshed(self) -> tuple[str, ...]:
        """The indexes that searches use, or may use in a moment: acknowledged writes are made searchable there."""
        names = [] if self.live is None else [self.live.index]
        stage = self.rebuild.stage if self.rebuild else None
        if stage is Stage.SWAPPING and self.building is not None:
            names.append(self.building.index)
        if stage is Stage.ROLLING_BACK and self.previous is not None:
            names.append(self.previous.index)
        return tuple(names)

    def without(self, index: str, reason: str) -> Plan:
        """Return the plan in which an index other than the live one gets no more writes."""
        plan = self
        if plan.building is not None and plan.building.index == index:
            rebuild = plan.rebuild and replace(plan.rebuild, stage=Stage.FAILED, reason=reason)
            plan = replace(plan, building=None, rebuild=rebuild, abandoned=_added(plan.abandoned, index))
        if plan.previous is not None and plan.previous.index == index:
            plan = replace(plan, previous=None, abandoned=_added(plan.abandoned, index))
        return plan if plan == self else plan._unpermitted(index)

    def _unpermitted(self, index: str) -> Plan:
        """Return the plan without a permit for an index: it was used or revoked."""
        return self if self.permit is None or self.permit.index != index else replace(self, permit=None)

    def without_live(self) -> Plan:
        """Return the plan after the live index was lost."""
        return (
            self if self.live is None else replace(self, live=None, abandoned=_added(self.abandoned, self.live.index))
        )

    def settled(self, shown: PhysicalIndex | None) -> Plan:
        """Return the plan that agrees with the alias, which points to this index (None: to none of Assetry's).

        The process that moves the alias saves that afterwards; if it died in between, the alias is right.
        """
        if shown is None or (self.live is not None and self.live.index == shown.index):
            return self
        for name, stage in (("building", Stage.SWAPPED), ("making", None), ("previous", Stage.ROLLED_BACK)):
            held: PhysicalIndex | None = getattr(self, name)
            if held is not None and held.index == shown.index:
                return self._shown(name, held, stage)._unpermitted(shown.index)
        gone = () if self.live is None else (self.live.index,)
        return replace(self, live=shown, abandoned=_added(self.abandoned, *gone))

    def built(self, made: PhysicalIndex) -> Plan:
        """Return the plan after the alias moved to the index that was being built.

        It is unchanged if that index is no longer being built: the builder was suspended, and others have continued.
        """
        return self.settled(made) if self.making == made else self

    def _shown(self, name: str, held: PhysicalIndex, stage: Stage | None) -> Plan:
        """Return the plan after the alias moved to the ``building``, ``making`` or ``previous`` index."""
        if name == "making":  # a build replaces an index that was lost, or that gets no writes
            gone = () if self.live is None else (self.live.index,)
            return replace(self, live=held, making=None, abandoned=_added(self.abandoned, *gone))
        rebuild = self.rebuild and replace(self.rebuild, stage=stage or self.rebuild.stage)
        plan = replace(self, rebuild=rebuild, live=held, previous=self.live)
        if name == "building":
            dropped = () if self.previous is None else (self.previous.index,)
            plan = replace(plan, building=None, abandoned=_added(self.abandoned, *dropped))
        return plan


class Plans:
    """The plan of one alias, in the store. ``worker`` is the fencing token of an operator's process that changes it."""

    def __init__(self, store: Store, alias: str, *, worker: Callable[[], int] | None = None) -> None:
        self._worker = worker
        self._store = store
        self._key = plan_key(alias)

    async def load(self) -> Plan:
        """Return the plan; an empty one if there is none. Raises Unavailable."""
        return _read(await find_record(self._store, KIND, self._key))

    async def change(self, how: Callable[[Plan], Plan]) -> Plan:
        """Change the plan with a pure function, which may be called repeatedly; return the new plan.

        The generation rises if the leader has to do something else. Raises Unavailable (the change may be saved),
        LeaseLost if another process took over this work, and what the function raises.
        """

        def decide(held: Record | None) -> Change | None:
            before = _read(held)
            plan = self._signed(before, how(before))
            if plan == before:
                return None
            if _duties(plan) != _duties(before):
                plan = replace(plan, gen=before.gen + 1)
            return Change(set=plan.as_body())

        return _read(await compare_and_set(self._store, KIND, self._key, decide))

    async def agree(self, look: Callable[[Plan], Awaitable[Plan]]) -> Plan:
        """Change the plan to what ``look(plan)`` derives from it and from other sources; return the new plan.

        It calls ``look`` again if the plan was changed meanwhile, as what it saw may be outdated. Raises as
        :meth:`change`.
        """
        while True:
            before = await self.load()
            after = await look(before)
            plan = await self.change(lambda plan: after if plan == before else plan)  # noqa: B023 - used up at once
            if replace(plan, gen=after.gen, worker=after.worker) == after:
                return plan

    def _signed(self, before: Plan, after: Plan) -> Plan:
        if self._worker is None:
            return after
        if before.worker > self._worker():
            raise LeaseLost("another process has taken over this work")
        return replace(after, worker=self._worker())


def _read(record: Record | None) -> Plan:
    return Plan() if record is None else Plan.read(record.body)


def _duties(plan: Plan) -> tuple[object, ...]:
    """Return what the leader acts on; before a swap it checks once more whether the indexes are the same."""
    swapping = plan.rebuild is not None and plan.rebuild.stage is Stage.SWAPPING
    return plan.targets, plan.live, plan.refreshed, plan.resumes, swapping


def _added(names: tuple[str, ...], *more: str) -> tuple[str, ...]:
    return (*names, *(name for name in more if name not in names))
