"""The physical indexes and the alias that searches use."""

from __future__ import annotations

from indexer.indexes.plan import PhysicalIndex, SwapPermit
from mappings.index import index_body, mapping_hash
from service.errors import Unavailable
from service.ports.clock import Clock
from service.ports.search import Json, Rejected, SearchEngine
from service.ports.store import Store

ALIVE: Json = {"term": {"deleted": False}}
"""The alias's filter: tombstones are in the index, but no search sees them."""

_TAKEN = "resource_already_exists_exception"
_ABSENT = 404  # no such alias, or no such index
_FLOODED = "read_only_allow_delete"


class Indexes:
    """Names, makes and swaps the indexes behind one alias.

    A physical index is called ``<alias>-<mapping hash>-<n>``; its mapping's ``_meta`` holds the hash and the build.
    """

    def __init__(
        self,
        engine: SearchEngine,
        store: Store,
        clock: Clock,
        *,
        alias: str = "assets",
        shards: int = 1,
        replicas: int = 0,
        refresh: str = "500ms",
    ) -> None:
        self.alias = alias
        self._engine = engine
        self._store = store
        self._clock = clock
        self._shards = shards
        self._replicas = replicas
        self._refresh = refresh

    async def shown(self) -> list[PhysicalIndex]:
        """Return the indexes behind the alias: one, if all is well. One without a build is not of Assetry's making.

        Raises Unavailable also when an index is called as the alias should be: by a write of somebody else's, where the
        engine makes indexes by itself. No alias can be made then, so nothing is to be built for it.
        """
        held = await self._engine.resolve_alias(self.alias)
        if not held and await self._engine.index_exists(self.alias):
            fix = "delete it (its documents are somebody else's), or set another ASSETRY_INDEX_PREFIX"
            raise Unavailable("search", f"an index is called {self.alias}, as the alias of Assetry's is to be: {fix}")
        return [await self.described(name) for name in held]

    async def described(self, name: str) -> PhysicalIndex:
        """Return what an index says of itself."""
        meta = await self._engine.mapping_meta(name)
        return PhysicalIndex(name, meta.get("build"), meta.get("hash"))

    async def named(self) -> PhysicalIndex:
        """Return a new index by today's mapping that is not made yet: a name and a build that nobody else has."""
        number = await self._store.counter(f"index-{self.alias}")
        return PhysicalIndex(f"{self.alias}-{mapping_hash()}-{number}", self._clock.guid(), mapping_hash())

    async def create(self, physical: PhysicalIndex, *, filling: bool = False) -> bool:
        """Make an index, empty and not behind the alias; False if its name is taken by another one.

        One that was made by an earlier call of this is fine. ``filling``: without replicas and refreshes, for a scan
        that fills it; :meth:`restore` brings them back.
        """
        body = index_body(shards=self._shards, replicas=self._replicas, refresh=self._refresh)
        body["mappings"] = {**body["mappings"], "_meta": {"hash": physical.hash, "build": physical.build}}
        if filling:
            body["settings"]["index"] |= {"number_of_replicas": 0, "refresh_interval": "-1"}
        try:
            await self._engine.create_index(physical.index, body)
        except Rejected as error:
            if error.error_type != _TAKEN:
                raise
            return (await self.described(physical.index)).build == physical.build
        return True

    async def restore(self, name: str) -> None:
        """Give an index the replicas and the refresh interval that searches need."""
        settings = {"index": {"number_of_replicas": self._replicas, "refresh_interval": self._refresh}}
        await self._engine.put_settings(name, settings)

    async def promote(self, name: str) -> list[str]:
        """Point the alias to this index alone, in one atomic step; return the indexes it pointed to before."""
        replaced = [other for other in await self._engine.resolve_alias(self.alias) if other != name]
        actions: list[Json] = [{"remove": {"index": other, "alias": self.alias}} for other in replaced]
        actions.append({"add": {"index": name, "alias": self.alias, "filter": ALIVE}})
        await self._engine.update_aliases(actions)
        return replaced

    async def allow(self, permit: SwapPermit) -> None:
        """Give an index the permit by which :meth:`swap` moves the alias to it."""
        await self._engine.update_aliases([{"add": {"index": permit.index, "alias": permit.alias}}])

    async def revoke(self, permit: SwapPermit) -> None:
        """Take a permit back: once this returns, no request that shows it moves the alias. One that is gone is fine.

        Where a full disk blocks the index the block is lifted for that (the engine sets it again): what makes room is a
        purge, and it begins here.
        """
        action: Json = {"remove": {"index": permit.index, "alias": permit.alias}}
        try:
            try:
                await self._engine.update_aliases([action])
            except Unavailable:
                await self._engine.put_settings(permit.index, {"index": {"blocks": {_FLOODED: None}}})
                await self._engine.update_aliases([action])
        except Rejected as error:
            if error.status != _ABSENT:
                raise

    async def swap(self, old: str, permit: SwapPermit) -> bool:
        """Move the alias from one index to the permit's in one atomic step, which uses the permit up.

        False if the alias is not at ``old`` (any more), or the permit was taken back: then nothing has moved.
        """
        actions: list[Json] = [
            {"remove": {"index": old, "alias": self.alias, "must_exist": True}},
            {"remove": {"index": permit.index, "alias": permit.alias, "must_exist": True}},
            {"add": {"index": permit.index, "alias": self.alias, "filter": ALIVE}},
        ]
        try:
            await self._engine.update_aliases(actions)
        except Rejected as error:
            if error.status != _ABSENT:
                raise
            return False
        return True

    async def drop(self, name: str) -> None:
        """Delete a physical index; one that is absent is fine."""
        await self._engine.delete_index(name)
