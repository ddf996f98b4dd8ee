"""The search port on a running osmem: as on OpenSearch, except where that engine differs.

It differs in paging by score: it computes scores in double precision and returns them in single precision, so a
``search_after`` with a returned score skips or repeats hits with equal scores. So the search starts just before all
hits that may have that score, and the page begins after the last hit seen, identified by the sort's last key, which is
unique. OpenSearch itself computes in single precision and needs none of this.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from service.adapters.opensearch.engine import ENGINE, OpenSearchEngine
from service.errors import Unavailable
from service.ports.search import Json

Ask = Callable[[Json], Awaitable[Json]]

WINDOW = 1_000_000
"""The ``max_result_window`` of an index that this needs: the maximum number of hits of equal score to skip."""

_MORE = 64
"""Hits of equal score that the first attempt reads beyond the page; each further attempt reads four times as many."""


class OsmemEngine(OpenSearchEngine):
    """A client of the embedded engine, in its parent process or in another one."""

    async def search(self, index: str | None, body: Json, *, timeout: float = 10.0) -> Json:
        """Search an index or alias, or a PIT."""
        ask = super().search
        if sorts_by_score(body):
            return await page_by_score(lambda changed: ask(index, changed, timeout=timeout), body)
        return await ask(index, body, timeout=timeout)

    async def matching(self, index: str | None, body: Json, *, timeout: float) -> list[str] | None:
        """Return the ids of all documents that a body matches; None if there are more than :data:`WINDOW`.

        Raises as :meth:`search` does. Only ids are sent: 10,000 of them take about 30 ms.
        """
        asked = {**body, "size": WINDOW, "_source": False, "track_total_hits": True}
        params = {"filter_path": "timed_out,_shards,hits.total,hits.hits._id"}
        answer = await self._read(self._client.search, index=index, body=asked, params=params, timeout=timeout)
        if answer["timed_out"] or not self._wire.is_complete(answer):
            raise Unavailable(ENGINE, "the answer is partial")
        ids = [hit["_id"] for hit in answer["hits"].get("hits", ())]
        return ids if answer["hits"]["total"]["value"] == len(ids) else None

    async def create_index(self, name: str, body: Json) -> None:
        """Create an index that supports deep paging by score."""
        settings = body.get("settings", {})
        index = {**settings.get("index", {}), "max_result_window": WINDOW}
        await super().create_index(name, {**body, "settings": {**settings, "index": index}})

    async def ping(self) -> Mapping[str, Any]:
        """Return {"engine", "version"}."""
        return {**await super().ping(), "engine": "osmem"}


def sorts_by_score(body: Json) -> bool:
    """Whether a body continues after a hit, in an order that includes the score."""
    return "search_after" in body and _place(body) is not None


async def page_by_score(ask: Ask, body: Json) -> Json:
    """Answer such a body with the page that ``search_after`` asks for; ``ask`` sends a body to the engine."""
    place, after = _place(body), list(body["search_after"])
    assert place is not None
    last, after[place] = after[-1], _beyond(after[place], rising=_order(body["sort"][place]) == "desc")
    bare = {name: value for name, value in body.items() if name not in ("highlight", "search_after")}
    answer, page = await _locate(ask, {**bare, "search_after": after, "_source": False}, last)
    if not page:
        return {**answer, "hits": {**answer["hits"], "hits": []}}
    chosen = {"bool": {"must": [body["query"]], "filter": [{"ids": {"values": page}}]}}
    whole = {name: value for name, value in body.items() if name not in ("aggs", "search_after")}
    hits = (await ask({**whole, "query": chosen}))["hits"]["hits"]
    return {**answer, "hits": {**answer["hits"], "hits": hits}}


async def _locate(ask: Ask, body: Json, last: Any) -> tuple[Json, list[str]]:
    """Return the first answer, and the ids of the page after the hit whose last sort key is ``last``."""
    size, count = body["size"], body["size"] + _MORE
    first = answer = await ask({**body, "size": count})
    without = {name: value for name, value in body.items() if name != "aggs"}
    while True:
        hits = answer["hits"]["hits"]
        start = next((at + 1 for at, hit in enumerate(hits) if hit["sort"][-1] == last), None)
        if len(hits) < count or count == WINDOW or (start is not None and start + size <= count):
            return first, [] if start is None else [hit["_id"] for hit in hits[start : start + size]]
        count = min(4 * count, WINDOW)
        answer = await ask({**without, "size": count})


def _place(body: Json) -> int | None:
    """Return the position of the score among the sort keys."""
    return next((at for at, key in enumerate(body.get("sort", ())) if "_score" in key), None)


def _order(key: Any) -> str:
    return str(key["_score"]["order"])


def _beyond(score: float, *, rising: bool) -> float:
    """Return the next single-precision number above (``rising``) or below a score, which is never negative."""
    bits = struct.unpack("<i", struct.pack("<f", score))[0] + (1 if rising else -1)
    return -1.0 if bits < 0 else float(struct.unpack("<f", struct.pack("<i", bits))[0])
