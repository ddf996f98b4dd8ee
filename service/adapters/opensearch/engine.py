"""The search port on opensearch-py: OpenSearch 2.19 and 3.x, and every server that speaks its API."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from service.adapters.opensearch.connection import ENGINE, SETTING, Connection
from service.errors import Unavailable
from service.ports.search import BulkItem, BulkOutcome, Indexed, Json, PitGone, Rejected

__all__ = ["ENGINE", "Connection", "OpenSearchEngine"]

log = logging.getLogger(__name__)

MISSING = 404


class OpenSearchEngine:
    """A :class:`~service.ports.search.SearchEngine` on one OpenSearch cluster.

    Every index gets a second name of its own, ``<index>-write``, and bulk goes there with ``require_alias``: so a bulk
    to an index that was deleted fails, also where the cluster creates missing indexes by itself (its default).
    """

    def __init__(self, connection: Connection) -> None:
        """Raises SettingsError for wrong URLs and TLS files."""
        # The client takes 0.2 s to import: a command that never searches should not wait for it.
        from service.adapters.opensearch import wire

        self._wire = wire
        self._connection = connection
        self._client = wire.client(connection)
        self._reading = 0
        if connection.encrypted and not connection.verify_certs:
            log.warning("%s: certificates are not verified: anybody on the way can read and change all of it", SETTING)

    async def search(self, index: str | None, body: Json, *, timeout: float = 10.0) -> Json:
        """Search an index or alias, or a PIT."""
        answer = await self._read(self._client.search, index=index, body=body, timeout=timeout)
        if index is None and self._wire.lost_contexts(answer):
            raise PitGone("a node that held a part of it was lost")
        if answer["timed_out"] or not self._wire.whole(answer):
            raise Unavailable(ENGINE, "the answer is partial")
        return answer

    async def count(self, index: str, query: Json) -> int:
        """Count the documents that match."""
        answer = await self._read(self._client.count, index=index, body={"query": query})
        if not self._wire.whole(answer):
            raise Unavailable(ENGINE, "the answer is partial")
        return int(answer["count"])

    async def open_pit(self, index: str, keep_alive: str) -> str:
        """Return the id of a PIT. One that is opened twice, because an answer was lost, expires by itself."""
        # Without this a PIT is made of the shards that are there, and its searches call that all.
        params = {"keep_alive": keep_alive, "allow_partial_pit_creation": "false"}
        answer = await self._read(self._client.create_pit, index=index, params=params)
        if not self._wire.whole(answer):
            await self.close_pit(answer["pit_id"])
            raise Unavailable(ENGINE, "the PIT is partial")
        return str(answer["pit_id"])

    async def close_pit(self, pit: str) -> None:
        """Let go of a PIT; one that is gone already is fine."""
        with self._wire.translated():
            await self._client.delete_pit(body={"pit_id": [pit]}, params={"ignore": MISSING})

    async def _read(self, call: Any, *, index: str | None, **arguments: Any) -> Json:
        """Call a reading API. An index that is not there (yet) is Unavailable, a PIT that is not is PitGone."""
        try:
            return await self._ask(call, index=index, **arguments)
        except Rejected as error:
            if error.status != MISSING:
                raise
            if index is None:
                raise PitGone(error.reason) from error
            raise Unavailable(ENGINE, f"there is no index {index!r} (yet)") from error

    async def _ask(
        self, call: Any, *, params: Mapping[str, Any] | None = None, timeout: float | None = None, **arguments: Any
    ) -> Json:
        """Call an API that may be repeated; answer at once that there are too many, instead of keeping them all."""
        if self._reading >= self._connection.waiting:
            raise Unavailable(ENGINE, f"{self._reading} calls wait already")

        async def attempt(seconds: float) -> Json:
            # The client takes what it reads out of the parameters.
            answer: Json = await call(params={**(params or {}), "request_timeout": seconds}, **arguments)
            return answer

        self._reading += 1
        try:
            with self._wire.translated():
                seconds = timeout or self._connection.timeout
                return await self._wire.repeated(attempt, seconds, hosts=len(self._connection.hosts))
        finally:
            self._reading -= 1

    async def bulk(self, index: str, items: Sequence[BulkItem], *, refresh: bool = False) -> list[BulkOutcome]:
        """Index whole documents with ``version_type=external_gte``; outcomes in the order of items."""
        body, failed = self._wire.bulk_body(items)
        sent = [item for position, item in enumerate(items) if position not in failed]
        params: Json = {"require_alias": "true", "request_timeout": self._connection.bulk_timeout}
        if refresh:
            params["refresh"] = "true"
        answers: list[Json] = []
        if sent:
            with self._wire.translated():
                answers = (await self._client.bulk(body=body, index=_write_alias(index), params=params))["items"]
        outcomes = iter([self._wire.bulk_outcome(item, answer) for item, answer in zip(sent, answers, strict=True)])
        return [failed[position] if position in failed else next(outcomes) for position in range(len(items))]

    async def versions(self, index: str, ids: Sequence[str]) -> dict[str, int]:
        """Return the stored version of each id that is there (real-time)."""
        if not ids:
            return {}
        answer = await self._ask(self._client.mget, index=index, body={"ids": list(ids)}, params={"_source": "false"})
        return {found["_id"]: found["_version"] for found in self._wire.present(answer)}

    async def documents(self, index: str, ids: Sequence[str]) -> dict[str, Indexed]:
        """Return the documents of these ids that are there (real-time)."""
        if not ids:
            return {}
        with self._wire.translated():
            answer = await self._client.mget(index=index, body={"ids": list(ids)})
        return {found["_id"]: _indexed(found, sources=True) for found in self._wire.present(answer)}

    async def create_index(self, name: str, body: Json) -> None:
        """Create an index."""
        aliases = {**body.get("aliases", {}), _write_alias(name): {}}
        with self._wire.translated():
            await self._client.indices.create(index=name, body={**body, "aliases": aliases})

    async def delete_index(self, name: str) -> None:
        """Delete an index; one that is absent is fine."""
        with self._wire.translated():
            await self._client.indices.delete(index=name, params={"ignore": MISSING})

    async def index_exists(self, name: str) -> bool:
        """Whether an index of exactly this name is there."""
        return name in await self._described("get_settings", name)

    async def mapping_meta(self, name: str) -> Json:
        """Return the mapping's ``_meta`` of a physical index."""
        answer = await self._described("get_mapping", name)
        meta: Json = answer.get(name, {}).get("mappings", {}).get("_meta", {})
        return meta

    async def mapping(self, name: str) -> Json:
        """Return the mapping of a physical index."""
        mapping: Json = (await self._described("get_mapping", name)).get(name, {}).get("mappings", {})
        return mapping

    async def identity(self, name: str) -> str | None:
        """Return the index's UUID, and the one of its history: a restore gives one of them anew."""
        answer = await self._described("get_settings", name)
        if name not in answer:
            return None
        index = answer[name]["settings"]["index"]
        return ":".join([index["uuid"], *filter(None, [index.get("history", {}).get("uuid")])])

    async def index_health(self, name: str) -> str:
        """Return the index's health."""
        if not await self.index_exists(name):  # asked for it, the engine would wait for it to appear
            return "red"
        with self._wire.translated():
            answer = await self._client.cluster.health(index=name, params={"level": "indices"})
        return str(answer["indices"].get(name, {}).get("status", "red"))

    async def index_bytes(self, name: str) -> int | None:
        """Return how much a physical index takes up, with all its copies."""
        answer = await self._described("stats", name)
        found = answer.get("indices", {}).get(name, {}).get("total", {}).get("store", {}).get("size_in_bytes")
        return None if found is None else int(found)

    async def adopt_index(self, name: str) -> None:
        """Give an index its second name, to itself alone: a copy that was restored beside it brings the name along."""
        alias = _write_alias(name)
        others = [other for other in await self.resolve_alias(alias) if other != name]
        actions: list[Json] = [{"remove": {"index": other, "alias": alias}} for other in others]
        await self.update_aliases([*actions, {"add": {"index": name, "alias": alias}}])

    async def delete_documents(self, index: str, items: Sequence[tuple[str, int]]) -> list[BulkOutcome]:
        """Take documents out of an index."""
        if not items:
            return []
        params: Json = {"require_alias": "true", "request_timeout": self._connection.bulk_timeout}
        body = self._wire.delete_body(items)
        with self._wire.translated():
            answers = (await self._client.bulk(body=body, index=_write_alias(index), params=params))["items"]
        return [self._wire.deletion(item, answer) for item, answer in zip(items, answers, strict=True)]

    async def put_settings(self, name: str, settings: Json) -> None:
        """Change dynamic index settings."""
        with self._wire.translated():
            await self._client.indices.put_settings(index=name, body=settings)

    async def resolve_alias(self, alias: str) -> dict[str, Json]:
        """Return {physical index: alias options}."""
        answer = await self._ask(self._client.indices.get_alias, name=alias, params={"ignore": MISSING})
        return {index: held["aliases"][alias] for index, held in answer.items() if _holds(held, alias)}

    async def update_aliases(self, actions: Sequence[Json]) -> None:
        """Do all alias actions in one atomic step."""
        with self._wire.translated():
            await self._client.indices.update_aliases(body={"actions": list(actions)})

    async def refresh(self, index: str) -> None:
        """Make all earlier writes searchable."""
        await self._ask(self._client.indices.refresh, index=index, timeout=self._connection.bulk_timeout)

    async def scan_documents(self, index: str, *, after: str | None, limit: int, sources: bool = True) -> list[Indexed]:
        """Return up to ``limit`` documents in order of ``asset_id`` behind ``after``."""
        body: Json = {
            "query": {"exists": {"field": "asset_id"}},
            "size": limit,
            "version": True,
            "sort": [{"asset_id": "asc"}],
            "track_total_hits": False,
        }
        if not sources:
            body["_source"] = ["asset_id", "deleted"]
        if after is not None:
            body["search_after"] = [after]
        hits = (await self.search(index, body, timeout=self._connection.bulk_timeout))["hits"]["hits"]
        return [_indexed(hit, sources=sources) for hit in hits]

    async def ping(self) -> Mapping[str, Any]:
        """Return {"engine", "version"}."""
        answer = await self._ask(self._client.info)
        version = answer.get("version") if isinstance(answer, dict) else None
        if not isinstance(version, dict) or "number" not in version:
            raise Unavailable(ENGINE, "what answers is no OpenSearch")
        return {"engine": version.get("distribution", "opensearch"), "version": version["number"]}

    async def close(self) -> None:
        """Close connections."""
        await self._client.close()

    async def _described(self, call: str, name: str) -> Json:
        """Call an API that describes an index; {} if there is none."""
        answer = await self._ask(getattr(self._client.indices, call), index=name, params={"ignore": MISSING})
        return {} if "error" in answer else answer


def _indexed(hit: Json, *, sources: bool) -> Indexed:
    """Return a hit, or what a get found, as a document."""
    source: Json = hit["_source"]
    deleted, asset_id = bool(source.get("deleted")), source.get("asset_id")
    return Indexed(hit["_id"], hit["_version"], deleted, source if sources else None, asset_id)


def _write_alias(index: str) -> str:
    """Return the second name of an index, the only one that bulk writes to."""
    return f"{index}-write"


def _holds(held: Any, alias: str) -> bool:
    """Whether an entry of an alias answer (not the ``error`` and ``status`` beside it) has the alias."""
    return isinstance(held, dict) and alias in held.get("aliases", {})
