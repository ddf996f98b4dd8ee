"""The search port on a running osmem: as on OpenSearch, except where that engine differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.adapters.embedded_search.score_paging import WINDOW, page_by_score, sorts_by_score
from service.adapters.opensearch.engine import OpenSearchEngine
from service.ports.search import Json


class OsmemEngine(OpenSearchEngine):
    """A client of the embedded engine, in its parent process or in another one."""

    async def search(self, index: str | None, body: Json, *, timeout: float = 10.0) -> Json:
        """Search an index or alias, or a PIT."""
        ask = super().search
        if sorts_by_score(body):
            return await page_by_score(lambda changed: ask(index, changed, timeout=timeout), body)
        return await ask(index, body, timeout=timeout)

    async def create_index(self, name: str, body: Json) -> None:
        """Create an index that supports deep paging by score."""
        settings = body.get("settings", {})
        index = {**settings.get("index", {}), "max_result_window": WINDOW}
        await super().create_index(name, {**body, "settings": {**settings, "index": index}})

    async def ping(self) -> Mapping[str, Any]:
        """Return {"engine", "version"}."""
        return {**await super().ping(), "engine": "osmem"}
