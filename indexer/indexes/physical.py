"""The physical indexes and the alias that searches use."""

from __future__ import annotations

from indexer.indexes.plan import PhysicalIndex, SwapPermit
from mappings.index import index_body, mapping_hash
from service.errors import Unavailable
from service.ports.clock import Clock
from service.ports.search import Json, Rejected, SearchEngine
from service.ports.store import Store

ALIVE: Json = {"term": {"deleted": False}}
"""The alias's filter: the index contains tombstones, but no search sees them."""

_TAKEN = "resource_already_exists_exception"
_ABSENT = 404  # no such alias, or no such index
_FLOODED = "read_only_allow_delete"


class Indexes:
    """Names, creates and swaps the indexes behind one alias.

    A physical index is called ``<alias>-<mapping hash>-<n>``; the ``_meta`` of its mapping has the hash and the build.
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

    async def behind_alias(self) -> list[PhysicalIndex]:
        """Return the indexes behind the alias, normally one. An index without a build was not created by Assetry.

        Also raises Unavailable when an index has the name of the alias, because another program wrote to that name and
        the engine creates indexes automatically. Then no alias can be created, so nothing should be built for it.
        """
        held = await self._engine.resolve_alias(self.alias)
        if not held and await self._engine.index_exists(self.alias):
            fix = "delete it (another program wrote its documents), or set another ASSETRY_INDEX_PREFIX"
            raise Unavailable("search", f"an index has the name {self.alias}, which Assetry needs for its alias: {fix}")
        return [await self.described(name) for name in held]

    async def described(self, name: str) -> PhysicalIndex:
        """Return what an index's mapping says about it."""
        meta = await self._engine.mapping_meta(name)
        return PhysicalIndex(name, meta.get("build"), meta.get("hash"))

    async def named(self) -> PhysicalIndex:
        """Return a new index by the current mapping, not created yet: a name and a build that are unique."""
        number = await self._store.counter(f"index-{self.alias}")
        return PhysicalIndex(f"{self.alias}-{mapping_hash()}-{number}", self._clock.guid(), mapping_hash())

    async def create(self, physical: PhysicalIndex, *, filling: bool = False) -> bool:
        """Create an index, empty and not behind the alias; return False if another index has its name.

        It is no error if an earlier call created it. ``filling``: without replicas and refreshes, for a scan that fills
        it; :meth:`restore` restores them.
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
        """Restore the replicas and the refresh interval that searches need."""
        settings = {"index": {"number_of_replicas": self._replicas, "refresh_interval": self._refresh}}
        await self._engine.put_settings(name, settings)

    async def promote(self, name: str) -> list[str]:
        """Point the alias to this index alone, atomically; return the indexes it pointed to before."""
        replaced = [other for other in await self._engine.resolve_alias(self.alias) if other != name]
        actions: list[Json] = [{"remove": {"index": other, "alias": self.alias}} for other in replaced]
        actions.append({"add": {"index": name, "alias": self.alias, "filter": ALIVE}})
        await self._engine.update_aliases(actions)
        return replaced

    async def allow(self, permit: SwapPermit) -> None:
        """Create a permit on an index, with which :meth:`swap` can move the alias to it."""
        await self._engine.update_aliases([{"add": {"index": permit.index, "alias": permit.alias}}])

    async def revoke(self, permit: SwapPermit) -> None:
        """Revoke a permit: once this returns, no request with it can move the alias. No error if it does not exist.

        If a full disk blocks the index, the block is removed for that (the engine sets it again): a purge, which frees
        space, starts with this.
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
        """Move the alias from one index to the permit's, atomically; this uses up the permit.

        False, with nothing moved, if the alias does not (or no longer) point to ``old`` or the permit was revoked.
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
        """Delete a physical index; it is no error if it does not exist."""
        await self._engine.delete_index(name)
