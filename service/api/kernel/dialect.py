"""A dialect as a value: one public API, with its routes and its ways. The kernel serves any number of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from service.api.kernel.authentication import Scheme, challenges
from service.api.kernel.errors import CODES, Failure, failure
from service.api.kernel.inputs import Unknown
from service.api.kernel.pagination import PageStyle, cursor_pages
from service.api.kernel.route import Route

PathParameters = Mapping[str, tuple[str, Mapping[str, Any]]]
"""What stands in braces in paths, by name: a sentence and a JSON schema."""


@dataclass(frozen=True, slots=True)
class ErrorFormat:
    """How a dialect shows errors.

    ``render`` makes the response, ``models`` are its bodies by media type, and ``statuses`` replaces the status of a
    code where the dialect has another one.
    """

    render: Callable[[Request, Failure], Response]
    models: Mapping[str, Any]
    statuses: Mapping[str, int] = field(default_factory=dict)

    def status(self, code: str) -> int:
        """Return the status of a code."""
        return self.statuses.get(code, CODES[code][0])

    def respond(self, request: Request, found: Failure) -> Response:
        """Return the response to a failure."""
        return self.render(request, replace(found, status=self.statuses.get(found.code, found.status)))


@dataclass(frozen=True, slots=True)
class Dialect:
    """A public API.

    All its paths begin with ``prefix``. ``authentication`` lists the ways to say who asks, in the order in which they
    are looked for; the last one says what is missing when none came. ``unknown`` is what becomes of parameters and
    fields that no model has. ``pages`` shows a page of a list. ``path_parameters`` describes what stands in braces in
    the paths.
    """

    name: str
    title: str
    description: str
    prefix: str
    routes: Sequence[Route]
    authentication: tuple[Scheme, ...]
    errors: ErrorFormat
    unknown: Unknown = "forbid"
    pages: PageStyle = cursor_pages
    path_parameters: PathParameters = field(default_factory=dict)

    def schemes(self, route: Route) -> tuple[Scheme, ...]:
        """Return the ways to authenticate on a route."""
        return self.authentication if route.authentication is None else route.authentication

    def respond(self, request: Request, error: Exception) -> Response:
        """Return the response to an error."""
        found = failure(error)
        headers = {**found.headers, **challenges(self.authentication, error)}
        return self.errors.respond(request, replace(found, headers=headers))

    def has(self, path: str) -> bool:
        """Say whether a path is below the dialect's prefix."""
        return path == self.prefix or path.startswith(self.prefix.rstrip("/") + "/")


class ErrorResponder:
    """Answers errors: as the dialect does whose prefix the path has, else as ``default`` does."""

    def __init__(self, dialects: Sequence[Dialect], default: ErrorFormat) -> None:
        self._dialects = sorted(dialects, key=lambda dialect: -len(dialect.prefix))
        self._default = default

    def respond(self, request: Request, error: Exception) -> Response:
        """Return the response to an error; an error of ours is noted for the log."""
        dialect = self._dialect(request)
        return self._default.respond(request, failure(error)) if dialect is None else dialect.respond(request, error)

    def refuse(self, request: Request, found: Failure) -> Response:
        """Return the response to what no route took."""
        dialect = self._dialect(request)
        return (self._default if dialect is None else dialect.errors).respond(request, found)

    def _dialect(self, request: Request) -> Dialect | None:
        return next((dialect for dialect in self._dialects if dialect.has(request.url.path)), None)
