"""A search engine in memory, shared by processes: versions, refreshes, aliases, and what can be done to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, TypeVar

import orjson

from service.errors import Unavailable
from service.ports.search import BulkItem, BulkOutcome, Indexed, Json, Rejected
from tests.model.network import Fate, Network
from tests.model.simulation import Process

T = TypeVar("T")

POISON = "poison"
"""A title that begins with it is refused for good; of a document whose title is :data:`TOXIC`, the whole request is."""
TOXIC = "poison of all"
_BUSY = (403, 408, 429, 503)
_REFRESHED_BY_ITSELF = 0.2


@dataclass(frozen=True)
class Held:
    """A document in an index."""

    version: int
    document: Json

    @property
    def deleted(self) -> bool:
        return bool(self.document.get("deleted"))


@dataclass
class PhysicalIndex:
    """One physical index. ``shown`` is what searches see; ``writable`` whether it has the name that bulk writes to.

    ``buried`` are the versions of documents that were taken out, ``damaged`` the keys that the world spoiled.
    """

    name: str
    identity: str
    body: Json
    docs: dict[str, Held] = field(default_factory=dict)
    shown: dict[str, Held] = field(default_factory=dict)
    buried: dict[str, int] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)
    writable: bool = True


class Watch:
    """Learns what is done to a cluster."""

    def wrote(self, process: Process, index: PhysicalIndex, item: BulkItem, document: Json) -> None: ...

    def took_out(self, process: Process, index: PhysicalIndex, key: str, version: int) -> None: ...

    def moved_alias(self, process: Process, alias: str, before: set[str], after: set[str]) -> None: ...


class Cluster:
    """What all processes share. ``late_moves``: whoever changes an alias gives up before that is done."""

    def __init__(self, random: Random) -> None:
        self.indexes: dict[str, PhysicalIndex] = {}
        self.aliases: dict[str, dict[str, Json]] = {}
        self.snapshots: dict[str, PhysicalIndex] = {}
        self.watch = Watch()
        self.busy = 0.0
        self.late_moves = False
        self._random = random
        self._made = 0

    # --- what the engine does

    def create(self, name: str, body: Json) -> None:
        if name in self.indexes:
            raise Rejected(400, "resource_already_exists_exception", name)
        # The mapping is large, and nobody changes it.
        made = {"mappings": body["mappings"], "settings": deepcopy(body["settings"])}
        self.indexes[name] = PhysicalIndex(name, self._identity(), made)

    def delete(self, name: str) -> None:
        self.indexes.pop(name, None)
        for alias in list(self.aliases):
            self.aliases[alias].pop(name, None)

    def bulk(self, process: Process, name: str, items: Sequence[BulkItem]) -> list[BulkOutcome]:
        index = self.indexes.get(name)
        if index is None or not index.writable:
            return [BulkOutcome(item.id, item.version, 404, "index_not_found_exception", name) for item in items]
        documents = [_document(item) for item in items]
        if any(document.get("title") == TOXIC for document in documents):
            raise Rejected(400, "illegal_argument_exception", "the request is refused")
        outcomes = [self._write(process, index, item, doc) for item, doc in zip(items, documents, strict=True)]
        interval = index.body.get("settings", {}).get("index", {}).get("refresh_interval")
        if interval != "-1" and self._random.random() < _REFRESHED_BY_ITSELF:
            self.refresh(name)
        return outcomes

    def take_out(self, process: Process, name: str, items: Sequence[tuple[str, int]]) -> list[BulkOutcome]:
        index = self.there(name)
        outcomes: list[BulkOutcome] = []
        for key, version in items:
            held = index.docs.get(key)
            if held is not None and held.version > version:
                outcomes.append(BulkOutcome(key, version, 409, "version_conflict_engine_exception", ""))
                continue
            self.watch.took_out(process, index, key, version)
            index.docs.pop(key, None)
            index.buried[key] = max(version, index.buried.get(key, 0))
            outcomes.append(BulkOutcome(key, version, 200))
        return outcomes

    def refresh(self, name: str) -> None:
        index = self.there(name)
        index.shown = dict(index.docs)

    def act_on_aliases(self, process: Process, actions: Sequence[Json]) -> None:
        after = deepcopy(self.aliases)
        for action in actions:
            ((what, how),) = action.items()
            index, alias = how["index"], how["alias"]
            if index not in self.indexes:
                raise Rejected(404, "index_not_found_exception", index)
            if what == "remove":
                if index not in after.get(alias, {}) and how.get("must_exist"):
                    raise Rejected(404, "aliases_not_found_exception", alias)
                after.get(alias, {}).pop(index, None)
            else:
                after.setdefault(alias, {})[index] = {k: v for k, v in how.items() if k == "filter"}
        before, self.aliases = self.aliases, after
        for alias in after:
            old, new = set(before.get(alias, {})), set(after[alias])
            if old != new:
                self.watch.moved_alias(process, alias, old, new)

    # --- what is done to it

    def snapshot(self) -> None:
        """Keep a copy of every index."""
        self.snapshots = {name: _copied(index) for name, index in self.indexes.items()}

    def restore(self, name: str, *, writable: bool) -> bool:
        """Put an index back as it was when the snapshot was taken; False if it was not in it."""
        if name not in self.snapshots or name not in self.indexes:
            return False
        index = _copied(self.snapshots[name])
        index.identity, index.writable = self._identity(), writable
        index.shown, index.damaged = dict(index.docs), set()
        self.indexes[name] = index
        return True

    def damage(self, name: str, key: str, held: Held | None) -> None:
        """Spoil one document behind the engine's back."""
        index = self.indexes[name]
        index.damaged.add(key)
        if held is None:
            index.docs.pop(key, None)
        else:
            index.docs[key] = held

    # --- inside

    def _identity(self) -> str:
        self._made += 1
        return f"uuid-{self._made}"

    def there(self, name: str) -> PhysicalIndex:
        if name not in self.indexes:
            raise Rejected(404, "index_not_found_exception", name)
        return self.indexes[name]

    def _write(self, process: Process, index: PhysicalIndex, item: BulkItem, document: Json) -> BulkOutcome:
        if self._random.random() < self.busy:
            return BulkOutcome(item.id, item.version, self._random.choice(_BUSY), "busy", "try again")
        if str(document.get("title", "")).startswith(POISON):
            return BulkOutcome(item.id, item.version, 400, "mapper_parsing_exception", "poison")
        held = index.docs.get(item.id)
        if held is not None and held.version > item.version:
            return BulkOutcome(item.id, item.version, 409, "version_conflict_engine_exception", "")
        self.watch.wrote(process, index, item, document)
        index.docs[item.id] = Held(item.version, document)
        return BulkOutcome(item.id, item.version, 200 if held else 201)


def _copied(index: PhysicalIndex) -> PhysicalIndex:
    return replace(index, docs=dict(index.docs), shown=dict(index.shown), buried=dict(index.buried), damaged=set())


class FakeEngine:
    """The cluster as one process sees it: the search port."""

    def __init__(self, cluster: Cluster, network: Network, process: Process, random: Random) -> None:
        self._cluster = cluster
        self._network = network
        self._process = process
        self._random = random

    async def bulk(self, index: str, items: Sequence[BulkItem], *, refresh: bool = False) -> list[BulkOutcome]:
        sent = list(items)
        return await self._call(lambda: self._cluster.bulk(self._process, index, sent))

    async def versions(self, index: str, ids: Sequence[str]) -> dict[str, int]:
        def work() -> dict[str, int]:
            docs = self._docs(index)
            return {key: docs[key].version for key in ids if key in docs}

        return await self._call(work)

    async def documents(self, index: str, ids: Sequence[str]) -> dict[str, Indexed]:
        def work() -> dict[str, Indexed]:
            docs = self._docs(index)
            return {key: _indexed(key, docs[key]) for key in ids if key in docs}

        return await self._call(work)

    async def scan_documents(
        self, index: str, *, after: str | None, last: str | None = None, limit: int, sources: bool = True
    ) -> list[Indexed]:
        def work() -> list[Indexed]:
            shown = self._searchable(index).shown
            keys = sorted(key for key in shown if key > (after or "") and "asset_id" in shown[key].document)
            keys = [key for key in keys if last is None or key <= last]
            return [_indexed(key, shown[key], sources=sources) for key in keys[:limit]]

        return await self._call(work)

    async def search(self, index: str, body: Json, *, timeout: float = 10.0) -> Json:
        def work() -> Json:
            hits = _hits(self._searchable(index), body)
            return {"hits": {"hits": [{"_id": key, "_version": held.version} for key, held in hits]}}

        return await self._call(work)

    async def delete_documents(self, index: str, items: Sequence[tuple[str, int]]) -> list[BulkOutcome]:
        return await self._call(lambda: self._cluster.take_out(self._process, index, items))

    async def create_index(self, name: str, body: Json) -> None:
        await self._call(lambda: self._cluster.create(name, body))

    async def delete_index(self, name: str) -> None:
        await self._call(lambda: self._cluster.delete(name))

    async def index_exists(self, name: str) -> bool:
        return await self._call(lambda: name in self._cluster.indexes)

    async def mapping_meta(self, name: str) -> Json:
        meta: Json = (await self.mapping(name)).get("_meta", {})
        return meta

    async def mapping(self, name: str) -> Json:
        def work() -> Json:
            index = self._cluster.indexes.get(name)
            mapping: Json = {} if index is None else index.body.get("mappings", {})
            return mapping

        return await self._call(work)

    async def identity(self, name: str) -> str | None:
        def work() -> str | None:
            index = self._cluster.indexes.get(name)
            return None if index is None else index.identity

        return await self._call(work)

    async def index_health(self, name: str) -> str:
        def work() -> str:
            if name not in self._cluster.indexes:
                return "red"
            return self._random.choice(["green", "green", "yellow", "red"])

        return await self._call(work)

    async def adopt_index(self, name: str) -> None:
        def work() -> None:
            self._cluster.there(name).writable = True

        await self._call(work)

    async def put_settings(self, name: str, settings: Mapping[str, Any]) -> None:
        def work() -> None:
            held = self._cluster.there(name).body.setdefault("settings", {}).setdefault("index", {})
            held.update(settings["index"])

        await self._call(work)

    async def resolve_alias(self, alias: str) -> dict[str, Json]:
        return await self._call(lambda: dict(self._cluster.aliases.get(alias, {})))

    async def update_aliases(self, actions: Sequence[Json]) -> None:
        fate = Fate.LATE if self._cluster.late_moves else None
        await self._network.call(self._process, lambda: self._cluster.act_on_aliases(self._process, actions), fate=fate)

    async def refresh(self, index: str) -> None:
        await self._call(lambda: self._cluster.refresh(index))

    async def _call(self, work: Callable[[], T]) -> T:
        return await self._network.call(self._process, work)

    def _searchable(self, name: str) -> PhysicalIndex:
        if name not in self._cluster.indexes:
            raise Unavailable("search", "there is no such index")
        return self._cluster.indexes[name]

    def _docs(self, name: str) -> dict[str, Held]:
        return self._cluster.there(name).docs


def _hits(index: PhysicalIndex, body: Json) -> list[tuple[str, Held]]:
    """Answer the two queries that the indexer asks."""
    after = (body.get("search_after") or [""])[0]
    if body["query"] == {"term": {"deleted": True}}:
        chosen = [(key, held) for key, held in sorted(index.shown.items()) if held.deleted and key > after]
    else:
        assert "must_not" in body["query"]["bool"], body
        chosen = [(key, held) for key, held in index.shown.items() if "asset_id" not in held.document]
    return chosen[: body["size"]]


def _document(item: BulkItem) -> Json:
    document: Json = orjson.loads(item.document) if isinstance(item.document, bytes) else item.document
    return document


def _indexed(key: str, held: Held, *, sources: bool = True) -> Indexed:
    document = held.document
    return Indexed(key, held.version, held.deleted, document if sources else None, document.get("asset_id"))
