"""How far an index has followed the feed, durably."""

from __future__ import annotations

from dataclasses import dataclass

from indexer.records import upsert
from service.errors import NotFound
from service.ports.store import Store

KIND = "checkpoint"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Every change up to ``token`` is acknowledged by the physical index ``index`` (or is a dead letter).

    ``build`` is the id that the index carries in its mapping: an index of the same name made by somebody else, or by an
    earlier life of the engine, has another. ``building`` names an index that was being filled when this was written.
    """

    index: str | None
    build: str | None
    token: str | None
    building: str | None


class Checkpoints:
    """The checkpoint of one alias: a record of kind ``checkpoint``."""

    def __init__(self, store: Store, alias: str) -> None:
        self._store = store
        self._alias = alias

    async def load(self) -> Checkpoint:
        """Return what was saved last; all None if nothing was. Raises Unavailable."""
        try:
            body = (await self._store.get(KIND, self._alias)).body
        except NotFound:
            body = {}
        return Checkpoint(body.get("index"), body.get("build"), body.get("token"), body.get("building"))

    async def building(self, index: str) -> None:
        """Note that an index is being filled, so that it can be dropped if that does not end."""
        await upsert(self._store, KIND, self._alias, {"building": index})

    async def built(self, index: str, build: str, token: str) -> None:
        """Note that the index is complete up to the token and is now the one that is followed."""
        fields = {"index": index, "build": build, "token": token, "building": None}
        await upsert(self._store, KIND, self._alias, fields)

    async def save(self, token: str) -> None:
        """Save a token. Only after every change up to it is acknowledged."""
        await upsert(self._store, KIND, self._alias, {"token": token})
