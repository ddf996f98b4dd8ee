"""The search port on opensearch-py: OpenSearch 2.19 and 3.x, and every server that supports its API."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from service.adapters.opensearch.connection import ENGINE, SETTING, Connection
from service.errors import IndexBuilding, Unavailable
from service.ports.search import BulkItem, BulkOutcome, Indexed, Json, PitGone, Rejected

__all__ = ["ENGINE", "Connection", "OpenSearchEngine"]

log = logging.getLogger(__name__)

MISSING = 404

_SLICES = "concurrent_segment_search"
_EXACT: Json = {f"search.{_SLICES}.mode": "none"}
"""The setting with which the terms of a shard are counted in one piece.

By itself OpenSearch 3 counts aggregations in slices on nodes with four cores or more, and keeps only the most frequent
terms of each (OpenSearch#11680): a value that is rare in one slice is then counted without it."""


class OpenSearchEngine:
    """A :class:`~service.ports.search.SearchEngine` on one OpenSearch cluster.

    Every index gets an alias of its own, ``<index>-write``, and bulk requests go there with ``require_alias``: a bulk
    to a deleted index then fails, even if the cluster creates missing indexes automatically (its default).
    """

    def __init__(self, connection: Connection) -> None:
        """Raises SettingsError for invalid URLs and TLS files."""
        # Importing the client takes 0.2 s: a command that never searches should not wait for it.
        from service.adapters.opensearch import wire

        self._wire = wire
        self._connection = connection
        self._client = wire.client(connection)
        self._reading = 0
        if connection.encrypted and not connection.verify_certs:
            log.warning("%s: certificates are not verified, so anyone in between can read and change data", SETTING)

    async def search(self, index: str | None, body: Json, *, timeout: float = 10.0) -> Json:
        """Search an index or alias, or a PIT."""
        answer = await self._read(self._client.search, index=index, body=body, timeout=timeout)
        if index is None and self._wire.lost_contexts(answer):
            raise PitGone("a node that held a part of the PIT was lost")
        if answer["timed_out"] or not self._wire.is_complete(answer):
            raise Unavailable(ENGINE, "the answer is partial")
        return answer

    async def count(self, index: str, query: Json) -> int:
        """Count the documents that match."""
        answer = await self._read(self._client.count, index=index, body={"query": query})
        if not self._wire.is_complete(answer):
            raise Unavailable(ENGINE, "the answer is partial")
        return int(answer["count"])

    async def open_pit(self, index: str, keep_alive: str) -> str:
        """Return the id of a PIT. If an answer is lost and a second PIT is opened, the first one expires by itself."""
        # Without this, a PIT covers only the shards that are available, and its searches do not report that as partial.
        params = {"keep_alive": keep_alive, "allow_partial_pit_creation": "false"}
        answer = await self._read(self._client.create_pit, index=index, params=params)
        if not self._wire.is_complete(answer):
            await self.close_pit(answer["pit_id"])
            raise Unavailable(ENGINE, "the PIT is partial")
        return str(answer["pit_id"])

    async def close_pit(self, pit: str) -> None:
        """Close a PIT; it is no error if it no longer exists."""
        with self._wire.translated():
            await self._client.delete_pit(body={"pit_id": [pit]}, params={"ignore": MISSING})

    async def _read(self, call: Any, *, index: str | None, **arguments: Any) -> Json:
        """Call a reading API. A missing index raises Unavailable, a missing PIT PitGone."""
        try:
            return await self._ask(call, index=index, **arguments)
        except Rejected as error:
            if error.status != MISSING:
                raise
            if index is None:
                raise PitGone(error.reason) from error
            raise IndexBuilding(ENGINE, f"the index {index!r} does not exist (yet)") from error

    async def _ask(
        self, call: Any, *, params: Mapping[str, Any] | None = None, timeout: float | None = None, **arguments: Any
    ) -> Json:
        """Call an API that may be repeated; if too many calls are waiting, refuse at once instead of queueing."""
        if self._reading >= self._connection.waiting:
            raise Unavailable(ENGINE, f"{self._reading} calls are waiting already")

        async def attempt(seconds: float) -> Json:
            # The client removes the parameters that it reads.
            answer: Json = await call(params={**(params or {}), "request_timeout": seconds}, **arguments)
            return answer

        self._reading += 1
        try:
            with self._wire.translated():
                seconds = timeout or self._connection.timeout
                return await self._wire.with_retry(attempt, seconds, hosts=len(self._connection.hosts))
        finally:
            self._reading -= 1

    async def bulk(self, index: str, items: Sequence[BulkItem], *, refresh: bool = False) -> list[BulkOutcome]:
        """Index whole documents with ``version_type=external_gte``; outcomes are in the order of the items."""
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
        """Return the stored version of each id that exists (real-time)."""
        if not ids:
            return {}
        answer = await self._ask(self._client.mget, index=index, body={"ids": list(ids)}, params={"_source": "false"})
        return {found["_id"]: found["_version"] for found in self._wire.existing(answer)}

    async def documents(self, index: str, ids: Sequence[str]) -> dict[str, Indexed]:
        """Return those of these documents that exist (real-time)."""
        if not ids:
            return {}
        with self._wire.translated():
            answer = await self._client.mget(index=index, body={"ids": list(ids)})
        return {found["_id"]: _indexed(found, sources=True) for found in self._wire.existing(answer)}

    async def create_index(self, name: str, body: Json) -> None:
        """Create an index whose facets are counted exactly, as far as the engine lets itself be told."""
        body = {**body, "aliases": {**body.get("aliases", {}), _write_alias(name): {}}}
        settings = body.get("settings", {})
        exact = {**settings, "index": {**settings.get("index", {}), **_EXACT}}
        try:
            with self._wire.translated():
                await self._client.indices.create(index=name, body={**body, "settings": exact})
        except Rejected as error:
            if _SLICES not in error.reason:
                raise
            log.info("the search engine decides by itself whether it searches in slices: %s", error.reason)
            with self._wire.translated():
                await self._client.indices.create(index=name, body=body)

    async def delete_index(self, name: str) -> None:
        """Delete an index; it is no error if it does not exist."""
        with self._wire.translated():
            await self._client.indices.delete(index=name, params={"ignore": MISSING})

    async def index_exists(self, name: str) -> bool:
        """Whether an index of exactly this name exists."""
        return name in await self._described("get_settings", name)

    async def mapping_meta(self, name: str) -> Json:
        """Return the ``_meta`` of a physical index's mapping."""
        answer = await self._described("get_mapping", name)
        meta: Json = answer.get(name, {}).get("mappings", {}).get("_meta", {})
        return meta

    async def mapping(self, name: str) -> Json:
        """Return the mapping of a physical index."""
        mapping: Json = (await self._described("get_mapping", name)).get(name, {}).get("mappings", {})
        return mapping

    async def identity(self, name: str) -> str | None:
        """Return the index's UUID and its history UUID: restoring an index changes at least one of them."""
        answer = await self._described("get_settings", name)
        if name not in answer:
            return None
        index = answer[name]["settings"]["index"]
        return ":".join([index["uuid"], *filter(None, [index.get("history", {}).get("uuid")])])

    async def index_health(self, name: str) -> str:
        """Return the index's health."""
        if not await self.index_exists(name):  # else the engine would wait for it to appear
            return "red"
        with self._wire.translated():
            answer = await self._client.cluster.health(index=name, params={"level": "indices"})
        return str(answer["indices"].get(name, {}).get("status", "red"))

    async def index_bytes(self, name: str) -> int | None:
        """Return the size of a physical index with all its copies."""
        answer = await self._described("stats", name)
        found = answer.get("indices", {}).get(name, {}).get("total", {}).get("store", {}).get("size_in_bytes")
        return None if found is None else int(found)

    async def adopt_index(self, name: str) -> None:
        """Give an index its write alias, and remove it from all others: an index restored as a copy brings it along."""
        alias = _write_alias(name)
        others = [other for other in await self.resolve_alias(alias) if other != name]
        actions: list[Json] = [{"remove": {"index": other, "alias": alias}} for other in others]
        await self.update_aliases([*actions, {"add": {"index": name, "alias": alias}}])

    async def delete_documents(self, index: str, items: Sequence[tuple[str, int]]) -> list[BulkOutcome]:
        """Delete documents from an index."""
        if not items:
            return []
        params: Json = {"require_alias": "true", "request_timeout": self._connection.bulk_timeout}
        body = self._wire.delete_body(items)
        with self._wire.translated():
            answers = (await self._client.bulk(body=body, index=_write_alias(index), params=params))["items"]
        return [self._wire.delete_outcome(item, answer) for item, answer in zip(items, answers, strict=True)]

    async def put_settings(self, name: str, settings: Json) -> None:
        """Change dynamic index settings."""
        with self._wire.translated():
            await self._client.indices.put_settings(index=name, body=settings)

    async def resolve_alias(self, alias: str) -> dict[str, Json]:
        """Return {physical index: alias options}."""
        answer = await self._ask(self._client.indices.get_alias, name=alias, params={"ignore": MISSING})
        return {index: held["aliases"][alias] for index, held in answer.items() if _holds(held, alias)}

    async def update_aliases(self, actions: Sequence[Json]) -> None:
        """Apply all alias actions atomically."""
        with self._wire.translated():
            await self._client.indices.update_aliases(body={"actions": list(actions)})

    async def refresh(self, index: str) -> None:
        """Make all earlier writes searchable."""
        await self._ask(self._client.indices.refresh, index=index, timeout=self._connection.bulk_timeout)

    async def scan_documents(
        self, index: str, *, after: str | None, last: str | None = None, limit: int, sources: bool = True
    ) -> list[Indexed]:
        """Return up to ``limit`` documents in order of ``asset_id``, after ``after`` and up to ``last``."""
        within = {name: key for name, key in (("gt", after), ("lte", last)) if key is not None}
        body: Json = {
            # A range is read from the terms within it; without one, all that comes after a key is looked at.
            "query": {"exists": {"field": "asset_id"}} if last is None else {"range": {"asset_id": within}},
            "size": limit,
            "version": True,
            "sort": [{"asset_id": "asc"}],
            "track_total_hits": False,
        }
        if not sources:
            body["_source"] = ["asset_id", "deleted"]
        if after is not None and last is None:
            body["search_after"] = [after]
        hits = (await self.search(index, body, timeout=self._connection.bulk_timeout))["hits"]["hits"]
        return [_indexed(hit, sources=sources) for hit in hits]

    async def ping(self) -> Mapping[str, Any]:
        """Return {"engine", "version"}."""
        answer = await self._ask(self._client.info)
        version = answer.get("version") if isinstance(answer, dict) else None
        if not isinstance(version, dict) or "number" not in version:
            raise Unavailable(ENGINE, "the server is not OpenSearch")
        return {"engine": version.get("distribution", "opensearch"), "version": version["number"]}

    async def close(self) -> None:
        """Close connections."""
        await self._client.close()

    async def _described(self, call: str, name: str) -> Json:
        """Call an API that describes an index; {} if there is none."""
        answer = await self._ask(getattr(self._client.indices, call), index=name, params={"ignore": MISSING})
        return {} if "error" in answer else answer


def _indexed(hit: Json, *, sources: bool) -> Indexed:
    """Return a search hit, or the result of a get, as a document."""
    source: Json = hit["_source"]
    deleted, asset_id = bool(source.get("deleted")), source.get("asset_id")
    return Indexed(hit["_id"], hit["_version"], deleted, source if sources else None, asset_id)


def _write_alias(index: str) -> str:
    """Return the write alias of an index, the only name that bulk requests go to."""
    return f"{index}-write"


def _holds(held: Any, alias: str) -> bool:
    """Whether an entry of an alias answer (not its ``error`` and ``status``) has the alias."""
    return isinstance(held, dict) and alias in held.get("aliases", {})
