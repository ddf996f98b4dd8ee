"""The invariants, checked at each step: whatever is done to the store's records, the indexes and the alias."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from indexer.documents import EPOCH_BITS, MAX_REV, bulk_item
from indexer.follow.checkpoint import lease_key
from indexer.indexes.physical import ALIVE
from indexer.indexes.plan import Plan, Stage, plan_key
from service.ports.search import BulkItem, Json
from service.ports.store import Body, Record
from tests.model.cluster import POISON, Cluster, Held, PhysicalIndex, Watch
from tests.model.database import Database, Token
from tests.model.simulation import Process

_FILLING = (Stage.JOINED, Stage.FILLING)
_MOVING = (Stage.SWAPPING, Stage.SWAPPED, Stage.ROLLING_BACK, Stage.ROLLED_BACK)
_EPS = 1e-6
_RECENT = 60.0
"""Seconds by which an index may lag when the alias moves to it: nobody swaps to what is not followed."""


class Violation(Exception):
    """An invariant does not hold."""


@dataclass
class Oracle(Watch):
    """Watches one alias. The first violation is kept, and ``stop`` is called.

    ``joined`` is from which change on an index that is being filled gets every write, ``claimed`` up to which change
    some follower said that searches see all, ``legs`` counts what was checked.
    """

    database: Database
    cluster: Cluster
    alias: str
    ttl: float
    now: Callable[[], float]
    dead: Callable[[str], bool]
    stop: Callable[[], None]
    violation: Violation | None = None
    joined: dict[str, int] = field(default_factory=dict)
    claimed: int = 0
    beaten: float = 0.0
    legs: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.database.written = self.wrote_record
        self.database.now = self.now
        self.cluster.watch = self

    def fail(self, what: str) -> None:
        """Note a violation."""
        if self.violation is None:
            self.violation = Violation(f"{what} (at {self.now():.3f})")
            self.stop()

    def _count(self, leg: str) -> None:
        self.legs[leg] = self.legs.get(leg, 0) + 1

    # --- what is known

    @property
    def plan(self) -> Plan:
        body = self.database.body("checkpoint", plan_key(self.alias))
        return Plan.read(body) if body else Plan()

    @property
    def lease(self) -> Body:
        return self.database.body("checkpoint", lease_key(self.alias))

    def lacking(self, index: PhysicalIndex, docs: Mapping[str, Held], token: Token, since: int = 0) -> list[str]:
        """Return the assets whose changes up to a token are neither in the index nor a dead letter there."""
        lacking: list[str] = []
        for key, rev in self.database.owed(token, since).items():
            held = docs.get(key)
            known = max(-1 if held is None else held.version, index.buried.get(key, -1))
            if known >= rev or self._letter(index.name, key) >= rev:
                continue
            if held is None and self.database.history[key][-1].tombstone:
                continue  # nothing shows it, and nothing has to
            lacking.append(key)
        return lacking

    def speaks_of(self, name: str) -> bool:
        """Whether the checkpoint's token holds for the index that is there now under a name."""
        pending = (self.lease.get("reconciling") or {}).get("pending", ())
        return self.knows(name) and name not in pending

    def knows(self, name: str) -> bool:
        """Whether the leader knows the index that is there now under a name."""
        index = self.cluster.indexes.get(name)
        return index is not None and self.lease.get("indexes", {}).get(name) == index.identity

    def _letter(self, index: str, key: str) -> int:
        """Return the version at which an asset was refused last, whatever came after it."""
        return int(self.database.body("dead_letter", f"{index}:{key}").get("version", -1))

    # --- I3, I7: what the lease's record says

    def wrote_record(self, process: Process, old: Record | None, new: Record) -> None:
        """Check a write to the store."""
        if new.kind != "checkpoint":
            return
        if new.key == plan_key(self.alias) and old is not None and new.body["gen"] < old.body["gen"]:
            self.fail(f"the plan's generation fell: {old.body} {new.body}")
        if new.key != lease_key(self.alias):
            return
        self._check_fence(process, {} if old is None else old.body, new.body)
        self.beaten = self.now()
        if (text := new.body.get("token")) is not None:
            self._check_token(self.database.token(text), old)
        self.claim((new.body.get("status") or {}).get("searchable"))

    def _check_fence(self, process: Process, old: Body, new: Body) -> None:
        """I7: only the holder of the present fence writes, and nobody takes over from a leader that is well."""
        self._count("fence")
        rise = new["fence"] - old.get("fence", 0)
        if rise == 0:
            if old["released"] or old["holder"] != process.name or new["holder"] != process.name:
                self.fail(f"{process.name} wrote what {old['holder']} holds")
        elif rise != 1 or new["holder"] != process.name:
            self.fail(f"the fence went from {old} to {new} by {process.name}")
        elif (
            old and not old["released"] and not self.dead(old["holder"]) and self.now() - self.beaten < self.ttl - _EPS
        ):
            self.fail(f"{process.name} took over from {old['holder']} after {self.now() - self.beaten} s")

    def _check_token(self, token: Token, old: Record | None) -> None:
        """I3: the saved token passes nothing that some target lacks."""
        self._count("token")
        before = None if old is None else old.body.get("token")
        if before is not None and self.database.token(before).seq > token.seq:
            self.fail(f"the saved token fell from {before} to {token}")
        plan = self.plan
        for name, identity in self.lease["indexes"].items():
            if not self.speaks_of(name) or name not in [target.index for target in plan.targets]:
                continue
            since = 0
            if plan.building is not None and plan.building.index == name:
                self.joined.setdefault(identity, self.database.end)  # the scan sees what is before
                if plan.rebuild is not None and plan.rebuild.stage in _FILLING:
                    since = self.joined[identity]
            index = self.cluster.indexes[name]
            lacking = [key for key in self.lacking(index, index.docs, token, since) if key not in index.damaged]
            if lacking:
                self.fail(f"the token {token} is saved, {name} lacks {lacking}")

    # --- I2, I4: what is written to an index

    def wrote(self, process: Process, index: PhysicalIndex, item: BulkItem, document: Json) -> None:
        """Check a document that an index is about to take."""
        self._count("document")
        held = index.docs.get(item.id)
        known = max(-1 if held is None else held.version, index.buried.get(item.id, -1))
        if item.version < known and item.id not in index.damaged:
            self.fail(f"{item.id} falls in {index.name} from {known} to {item.version}")
        rev = item.version & MAX_REV
        history = self.database.history.get(item.id, [])
        if item.version >> EPOCH_BITS or rev > len(history):
            if not (document["deleted"] and (rev == MAX_REV or held is not None)):
                self.fail(f"{item.id} is written at a version that it never had: {item.version}")
            return
        record = history[rev - 1]
        if document["deleted"] != record.tombstone or document.get("title") != record.body.get("title"):
            self.fail(f"what is written of {item.id} at {item.version} is not what it was: {document}")

    def took_out(self, process: Process, index: PhysicalIndex, key: str, version: int) -> None:
        """Check that only documents of assets that are gone are taken out."""
        self._count("burial")
        record = self.database.record("asset", key)
        if record is None or not record.tombstone or record.rev != version:
            self.fail(f"{key} is taken out of {index.name} at {version}, it is {record}")

    # --- I5: where the alias points

    def moved_alias(self, process: Process, alias: str, before: set[str], after: set[str]) -> None:
        """Check what searches see from now on."""
        self._count("alias")
        if alias != self.alias:
            return
        if len(after) != 1:
            self.fail(f"the alias shows {after}")
            return
        (name,) = after
        index, plan = self.cluster.indexes[name], self.plan
        if self.cluster.aliases[alias][name] != {"filter": ALIVE}:
            self.fail("the alias has not its filter")
        if before and before != after:
            self._check_swap(index, plan)
            followed = self.database.end_before(self.now() - _RECENT)
            self._check_holds(index, index.docs, followed)
        if self.speaks_of(name):
            token = self.database.token(self.lease["token"])
            self._check_holds(index, index.docs, token.seen)
            # What is acknowledged since the last refresh, searches saw nowhere yet; a new index shows all it has.
            self._check_holds(index, index.shown, self.claimed if before else max(token.seen, self.claimed))

    def _check_holds(self, index: PhysicalIndex, docs: Mapping[str, Held], most: int) -> None:
        """Check that what searches see from now on has every change up to one."""
        if lacking := self.lacking(index, docs, self.database.place(most)):
            self.fail(f"the alias moved to {index.name}, which lacks {lacking} up to {most}")

    def _check_swap(self, index: PhysicalIndex, plan: Plan) -> None:
        """Check that the alias moves as the plan says, to an index without any difference."""
        stage = plan.rebuild and plan.rebuild.stage
        if stage not in _MOVING:
            self.fail(f"the alias moved to {index.name} at the stage {stage}")
        for key, held in index.shown.items():
            history = self.database.history.get(key)
            if history is None:
                wrong = not held.deleted
            else:
                wrong = held.version > len(history) or held.deleted != history[held.version - 1].tombstone
            if wrong:
                self.fail(f"the alias moved to {index.name}, where {key} is {held}")

    # --- read your writes

    def claim(self, text: str | None) -> None:
        """Check that searches see everything up to a token: somebody says so."""
        if text is None:
            return
        token = self.database.token(text)
        shown = list(self.cluster.aliases.get(self.alias, {}))
        if len(shown) != 1 or not self.knows(shown[0]):
            return  # what was taken away behind the leader's back, it has yet to notice
        self._count("claim")
        index = self.cluster.indexes[shown[0]]
        lacking = [key for key in self.lacking(index, index.shown, token) if key not in index.damaged]
        if lacking:
            self.fail(f"everything up to {token} is said to be searchable, {index.name} lacks {lacking}")
        self.claimed = max(self.claimed, token.seen)

    # --- when all is quiet

    def equal(self, name: str) -> None:
        """Check that an index is what the store makes of it, and that exactly the poison is a dead letter."""
        index = self.cluster.indexes.get(name)
        if index is None:
            return
        poison: dict[str, int] = {}
        for history in self.database.history.values():
            self._compare(index, history[-1], poison)
        for key, held in index.docs.items():
            if key not in self.database.history and not held.deleted:
                self.fail(f"{key} is in {name} and not in the store")
        letters = {
            record.body["asset_id"]: record.body["version"]
            for (kind, _), record in self.database.records.items()
            if kind == "dead_letter" and record.body["index"] == name and record.body["open"]
        }
        if letters != poison:
            self.fail(f"the dead letters of {name} are {letters}, the poison is {poison}")

    def _compare(self, index: PhysicalIndex, record: Record, poison: dict[str, int]) -> None:
        held = index.docs.get(record.key)
        if is_poison(record):
            poison[record.key] = record.rev
            if held is not None and held.version >= record.rev:
                self.fail(f"the poison {record.key} is in {index.name}")
        elif held is None:
            if not record.tombstone:
                self.fail(f"{index.name} lacks {record.key}")
        else:
            item = bulk_item(record)
            if item.version != held.version or _json(item) != held.document:
                self.fail(f"{index.name} has {held} of {record}")


def is_poison(record: Record) -> bool:
    """Whether no index takes a record."""
    return not record.tombstone and (
        str(record.body.get("title", "")).startswith(POISON) or record.body.get("org_id") is None
    )


def _json(item: BulkItem) -> Any:
    return orjson.loads(item.document) if isinstance(item.document, bytes) else item.document
