"""``assetry index``."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import orjson

from indexer.watch import IndexWatch
from service import settings
from service.bootstrap import Base, open_base
from service.commands.output import print_json, print_table
from service.exits import FOUND, OK
from service.probes import index_probe

_PATIENCE = 5.0


async def status(data: Path | None, *, as_json: bool) -> int:
    """Print the index's status; returns the exit code."""
    async with open_base(settings.load(data=data)) as base:
        body = await _status(base)
    if as_json:
        print_json(body)
    else:
        print_table(("", "value"), [(name, value) for name, value in body.items()])
    return OK if body["ready"] else FOUND


async def _status(base: Base) -> dict[str, Any]:
    if base.settings.opensearch_url is not None:
        return await _published(base)
    assets = await base.store.count("asset", {})
    running = base.folder.service()
    body: dict[str, Any] = {"ready": False, "service": running["url"] if running else None, "assets": assets}
    if running is None:
        body["state"] = "no service runs on this data folder"
        return body
    try:
        # Blocking is fine here: the command has nothing else to do.
        with urlopen(f"{running['url']}/readyz", timeout=_PATIENCE) as answer:  # noqa: S310, ASYNC210 - our own URL
            ready = orjson.loads(answer.read())
    except HTTPError as error:
        ready = orjson.loads(error.read())
    except (URLError, TimeoutError) as error:
        body["state"] = f"the service does not answer: {error}"
        return body
    engines = ready["engines"]
    return (
        body
        | {"engine": engines["search"].get("engine")}
        | dict(engines["index"])
        | {"ready": ready["status"] == "ready"}
    )


async def _published(base: Base) -> dict[str, Any]:
    """Return what the indexer says of itself, wherever it runs."""
    watch = IndexWatch(base.store, base.clock, base.settings.index_prefix)
    await watch.look()
    return {
        "ready": False,
        "service": None,
        "assets": await base.store.count("asset", {}),
        "engine": "opensearch",
    } | dict(await index_probe(watch.status)())
