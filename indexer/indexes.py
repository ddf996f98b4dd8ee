"""The physical indexes and the alias that searches use."""

from __future__ import annotations

from dataclasses import dataclass

from mappings.index import index_body, mapping_hash
from service.ports.search import Json, Rejected, SearchEngine
from service.ports.store import Store

ALIVE: Json = {"term": {"deleted": False}}
"""The alias's filter: tombstones are in the index, but no search sees them."""

_TAKEN = "resource_already_exists_exception"


@dataclass(frozen=True, slots=True)
class IndexState:
    """The index behind the alias: its name, the id of its build, and whether today's mapping and projection made it."""

    name: str
    build: str | None
    current: bool


class Indexes:
    """Names, makes and swaps the indexes behind one alias.

    A physical index is called ``<alias>-<mapping hash>-<n>``; its mapping's ``_meta`` holds the hash and the build.
    """

    def __init__(
        self,
        engine: SearchEngine,
        store: Store,
        *,
        alias: str = "assets",
        shards: int = 1,
        replicas: int = 0,
        refresh: str = "500ms",
    ) -> None:
        self.alias = alias
        self._engine = engine
        self._store = store
        self._shards = shards
        self._replicas = replicas
        self._refresh = refresh

    async def state(self) -> IndexState | None:
        """Return the state of the index behind the alias; None if there is none (or no single one)."""
        held = await self._engine.resolve_alias(self.alias)
        if len(held) != 1:
            return None
        (name,) = held
        meta = await self._engine.mapping_meta(name)
        return IndexState(name, meta.get("build"), meta.get("hash") == mapping_hash())

    async def create(self, build: str) -> str:
        """Make a new, empty physical index, not yet behind the alias, and return its name."""
        body = index_body(shards=self._shards, replicas=self._replicas, refresh=self._refresh)
        body["mappings"] = {**body["mappings"], "_meta": {"hash": mapping_hash(), "build": build}}
        while True:
            name = f"{self.alias}-{mapping_hash()}-{await self._store.counter(f'index-{self.alias}')}"
            try:
                await self._engine.create_index(name, body)
            except Rejected as error:
                if error.error_type != _TAKEN:  # taken by another store's index of this name: take the next number
                    raise
            else:
                return name

    async def promote(self, name: str) -> list[str]:
        """Point the alias to this index alone, in one atomic step; return the indexes it pointed to before."""
        replaced = [other for other in await self._engine.resolve_alias(self.alias) if other != name]
        actions: list[Json] = [{"remove": {"index": other, "alias": self.alias}} for other in replaced]
        actions.append({"add": {"index": name, "alias": self.alias, "filter": ALIVE}})
        await self._engine.update_aliases(actions)
        return replaced

    async def drop(self, name: str) -> None:
        """Delete a physical index; one that is absent is fine."""
        await self._engine.delete_index(name)
