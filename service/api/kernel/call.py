"""One call of a route: what its handler gets, and what it may give back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from service.api.kernel.context import Context
from service.api.kernel.event_stream import EventStream, ServerEvent
from service.api.kernel.pagination import Page, PageStyle
from service.core.access.keys import Principal
from service.core.assets.assets import Upload
from service.core.shared.idempotency import Attempt

P = TypeVar("P", bound=BaseModel)
B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class Reply:
    """A JSON answer. ``body`` is what JSON has; with a status that has no body (204) it is None."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call(Generic[P, B]):
    """An authenticated request, checked: ``params`` are its query parameters, ``body`` its body (None without one).

    ``uploads`` are the files of a form, on their way to the files port; what the handler does not keep is gone when it
    returns. ``attempt`` is there when the request came with an Idempotency-Key: whatever the handler makes must be
    keyed by it, for it may run again. ``base`` is the public URL of the service and ``prefix`` the dialect's path.
    ``still_valid`` authenticates the request again: what goes on for long ends when the key was revoked.
    """

    request: Request
    context: Context
    who: Principal
    params: P
    body: B
    base: str
    prefix: str
    pages: PageStyle
    uploads: Sequence[Upload] = ()
    attempt: Attempt | None = None
    still_valid: Callable[[], Awaitable[bool]] | None = None

    @property
    def path(self) -> Mapping[str, str]:
        """The path's parameters."""
        return self.request.path_params

    def url(self, path: str) -> str:
        """Return the public URL of a path of this dialect, for ``Location`` and links in answers."""
        return f"{self.base}{self.prefix}{path}"

    def accepted(self, body: Any, location: str) -> Reply:
        """Answer 202: the work goes on, and ``location`` (a path of this dialect) tells how far it is."""
        return Reply(body, 202, {"Location": self.url(location)})

    def page(self, name: str, page: Page) -> Reply:
        """Answer a page of a list as the dialect shows lists; ``name`` is what its items are called."""
        body, headers = self.pages(name, page)
        return Reply(body, headers=headers)

    def events(self, events: AsyncIterator[ServerEvent]) -> EventStream:
        """Answer a stream of server-sent events, which ends when the service stops: clients then come back.

        Raises TooManyRequests when the key, or the service, has too many open.
        """
        return EventStream(
            events,
            stopping=self.context.stopping,
            slots=self.context.streams,
            key=self.who.key_id,
            still_valid=self.still_valid,
        )


Handler = Callable[[Call[Any, Any]], Awaitable[Reply | Response]]
"""Does what a route is for: gives a Reply (JSON), or any response of Starlette (a stream, a file, a redirect)."""
