"""Ways to say who asks. A dialect lists those that it takes; whichever came, the rest of a call sees a Principal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request

from service.api.kernel.context import Context
from service.core.access.keys import Principal
from service.errors import AssetryError, NotAllowed, NotAuthenticated

LINK_HOLDER = Principal(org_id="", user_id="", scopes=frozenset({"assets:read"}), tier="enterprise")
"""Who comes with a signed link: of no organization, so that whatever else they ask for is not there.

They have no key: their requests are counted by address.
"""


ANYBODY = Principal(org_id="", user_id="", scopes=frozenset(), tier="unlimited")
"""Who comes to a route that is open to everybody."""


class Scheme(Protocol):
    """A way to authenticate, as a value."""

    @property
    def name(self) -> str:
        """Its name among the security schemes of OpenAPI."""
        ...

    @property
    def security(self) -> dict[str, Any]:
        """Its security scheme object of OpenAPI."""
        ...

    async def authenticate(self, request: Request, context: Context) -> Principal | None:
        """Return who asks; None when nothing of this kind came. Raises NotAuthenticated when what came is wrong."""
        ...

    def missing(self, request: Request) -> str:
        """Say what is missing from a request that no scheme of its dialect knows, and what to send."""
        ...

    def challenge(self, error: AssetryError) -> str | None:
        """Return the challenge for ``WWW-Authenticate`` (RFC 9110 §11.6.1) to a refused request, None without one."""
        ...


def client_address(request: Request) -> str:
    """Return the address that a request came from; empty where there is none (a socket in the file system)."""
    return request.client.host if request.client else ""


async def authenticate(schemes: Sequence[Scheme], request: Request, context: Context) -> Principal:
    """Return who asks, by the first scheme whose credential came; ANYBODY without a scheme. Raises NotAuthenticated."""
    if not schemes:
        return ANYBODY
    for scheme in schemes:
        if who := await scheme.authenticate(request, context):
            return who
    raise NotAuthenticated(schemes[-1].missing(request))


def challenges(schemes: Sequence[Scheme], error: Exception) -> dict[str, str]:
    """Return the header ``WWW-Authenticate`` of the answer to an error; empty for one that is not about credentials."""
    if not isinstance(error, NotAuthenticated | NotAllowed):
        return {}
    found = [challenge for scheme in schemes if (challenge := scheme.challenge(error)) is not None]
    return {"WWW-Authenticate": ", ".join(found)} if found else {}


@dataclass(frozen=True, slots=True)
class Bearer:
    """``Authorization: Bearer <API key>`` (RFC 6750)."""

    name: str = "key"

    @property
    def security(self) -> dict[str, Any]:
        """The scheme in OpenAPI."""
        return {"type": "http", "scheme": "bearer", "description": "An API key."}

    async def authenticate(self, request: Request, context: Context) -> Principal | None:
        """Return who the key belongs to."""
        word, _, key = request.headers.get("authorization", "").partition(" ")
        if word.lower() != "bearer" or not key.strip():
            return None
        return await context.keys.authenticate(key.strip(), client_address(request))

    def missing(self, request: Request) -> str:
        """Say what to send."""
        if request.headers.get("authorization"):
            return "The Authorization header must be 'Bearer YOUR_API_KEY'."
        return "Missing API key. Send the header 'Authorization: Bearer YOUR_API_KEY'."

    def challenge(self, error: AssetryError) -> str | None:
        """Return the challenge of RFC 6750 §3."""
        if isinstance(error, NotAllowed):
            return f'Bearer realm="assetry", error="insufficient_scope", scope="{error.scope}"'
        return 'Bearer realm="assetry"'


@dataclass(frozen=True, slots=True)
class SignedLink:
    """``?expires=…&signature=…`` of a link to a file, as :class:`service.core.files.links.Links` makes them.

    The route's path names the asset and the rendition that the link is for.
    """

    name: str = "link"

    @property
    def security(self) -> dict[str, Any]:
        """The scheme in OpenAPI."""
        return {
            "type": "apiKey",
            "in": "query",
            "name": "signature",
            "description": "The signature of a link that an answer held, with its `expires`.",
        }

    async def authenticate(self, request: Request, context: Context) -> Principal | None:
        """Return the link's holder."""
        query, path = request.query_params, request.path_params
        if "signature" not in query:
            return None
        context.links.check(
            path["asset_id"], path["rendition"], query.get("expires", ""), query["signature"], query.get("v", "")
        )
        return LINK_HOLDER

    def missing(self, request: Request) -> str:
        """Say what to use."""
        return "Missing signature. Use the link as an answer shows it."

    def challenge(self, error: AssetryError) -> str | None:
        """Return none: a link is no scheme of HTTP."""
        return None


@dataclass(frozen=True, slots=True)
class SignedDownload(SignedLink):
    """The same of a link to what an export made: the route's path names it."""

    name: str = "download"

    async def authenticate(self, request: Request, context: Context) -> Principal | None:
        """Return the link's holder."""
        query = request.query_params
        if "signature" not in query:
            return None
        context.links.check_download(request.path_params["download_id"], query.get("expires", ""), query["signature"])
        return LINK_HOLDER


BEARER = Bearer()
SIGNED_LINK = SignedLink()
SIGNED_DOWNLOAD = SignedDownload()
