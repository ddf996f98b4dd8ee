"""What the routes work with: the use cases and the settings, put together once by ``service.runtime.bootstrap``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from service.api.kernel.event_stream import StreamSlots
from service.api.kernel.hosts import is_known_host
from service.core.access.keys import Keys
from service.core.access.rate_limits import RateLimiter
from service.core.assets.assets import Assets
from service.core.assets.reprocess import Reprocessing
from service.core.bulk.bulk import Bulk
from service.core.events.record_events import RecordEvents
from service.core.events.usage import UsageRecorder
from service.core.exports.exports import Downloads, Exports
from service.core.files.links import Links
from service.core.files.renditions import Renditions
from service.core.operations.operations import Operations
from service.core.operations.undo import Undoing
from service.core.search.consistency import Consistency
from service.core.search.saved_searches import SavedSearches
from service.core.search.search import Searches
from service.core.shared.idempotency import Idempotency
from service.settings import Settings

Probe = Callable[[], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Context:
    """The use cases that the HTTP edge calls."""

    settings: Settings
    keys: Keys
    rate_limiter: RateLimiter
    idempotency: Idempotency
    assets: Assets
    searches: Searches
    saved_searches: SavedSearches
    consistency: Consistency
    operations: Operations
    undoing: Undoing
    reprocessing: Reprocessing
    bulk: Bulk
    exports: Exports
    downloads: Downloads
    renditions: Renditions
    links: Links
    probes: Mapping[str, Probe]
    """By engine name: a call that answers {"ready": bool, …} or raises Unavailable."""
    record_events: RecordEvents
    usage: UsageRecorder
    streams: StreamSlots
    """The places that the open event streams of this process take."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the service is told to stop: streams that would go on for ever end then."""

    def base(self, request: Request) -> str:
        """Return what links in an answer start with: the public URL, else the host of the request if it is known.

        Empty for another host, which whoever sent the request chose: a path alone leads to wherever they are.
        """
        if self.settings.public_url:
            return self.settings.public_url
        host = request.headers.get("host", "")
        return f"{request.url.scheme}://{host}" if is_known_host(host, request.scope, self.settings) else ""
