"""``assetry search``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from query.request import SearchRequest
from service import settings
from service.bootstrap import open_base, open_search
from service.commands.output import console, print_json, print_table
from service.core.access import SCOPES, Principal
from service.core.search import Found
from service.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for, as typed."""

    query: str
    facets: str = ""
    filters: str = ""
    sort: str = ""
    limit: int = 20
    offset: int = 0
    lenient: bool = False

    def request(self) -> SearchRequest:
        """Return the search request. Raises InvalidInput."""
        return SearchRequest(
            text=self.query,
            filters=self._filters(),
            facets=[name.strip() for name in self.facets.split(",") if name.strip()],
            sort=self.sort,
            limit=self.limit,
            offset=self.offset,
            lenient=self.lenient,
        )

    def _filters(self) -> dict[str, Any]:
        try:
            filters = orjson.loads(self.filters or "{}")
        except orjson.JSONDecodeError as error:
            raise InvalidInput(f"--filters is not JSON: {error}", field="--filters") from None
        if not isinstance(filters, dict):
            raise InvalidInput("--filters is not a JSON object.", field="--filters", expected='{"type": "image"}')
        return filters


async def search(data: Path | None, org: str, options: Options, *, as_json: bool) -> None:
    """Search and print."""
    request = options.request()
    who = Principal(org, "cli", frozenset(SCOPES))
    async with open_base(settings.load(data=data)) as base, open_search(base) as searches:
        found = await searches.run(who, request)
        results = [base.views.asset(document, who, "") for document in found.documents]
    if as_json:
        body: dict[str, Any] = {"results": results, "total_count": found.total}
        if request.facets:
            body["facets"] = found.facets
        if found.warnings:
            body["warnings"] = [warning.as_dict() for warning in found.warnings]
        print_json(body)
        return
    show(found, results, options.query)


def show(found: Found, results: list[dict[str, Any]], query: str) -> None:
    """Print hits and facets as tables."""
    for warning in found.warnings:
        console().print(f"note: {warning.message}", markup=False)
    title = f"{query or 'everything'}: {found.total} found"
    print_table(
        ("id", "type", "title", "tags", "taken or made"),
        [
            (
                hit["id"],
                hit["type"],
                hit["title"],
                ", ".join(hit["tags"][:5]),
                (hit["captured_at"] or hit["created_at"] or "")[:10],
            )
            for hit in results
        ],
        title,
    )
    for name, counts in found.facets.items():
        print_table((name, "count"), list(counts.items())[:10])
