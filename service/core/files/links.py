"""Signed links to files: who holds one may fetch that one rendition until it expires, without a key."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from urllib.parse import quote

from service.core.shared.signing import derive
from service.errors import NotAuthenticated


class Links:
    """Makes and checks links ``<base>/files/<asset id>/<rendition>/<file name>?expires=…&signature=…``.

    Expiry is rounded up to whole windows of ``ttl`` seconds, so that a link stays the same for a window (caches of
    browsers and CDNs work) and is good for at least ``ttl`` more. The signature is HMAC-SHA256 over asset id, rendition
    and expiry.
    """

    def __init__(self, secret: str, ttl: int, now: Callable[[], float] = time.time) -> None:
        self._key = derive(secret, "links")
        self._ttl = ttl
        self._now = now

    @property
    def window(self) -> int:
        """The number of the current window: answers that hold links change with it."""
        return int(self._now() // self._ttl)

    def link(self, base: str, asset_id: str, rendition: str, filename: str) -> str:
        """Return the URL of a rendition below ``base`` (no trailing slash)."""
        expires = (self.window + 2) * self._ttl
        signature = self._sign(asset_id, rendition, expires)
        name = quote(filename, safe="")
        return f"{base}/files/{asset_id}/{rendition}/{name}?expires={expires}&signature={signature}"

    def check(self, asset_id: str, rendition: str, expires: str, signature: str) -> None:
        """Raise NotAuthenticated unless the signature is ours and has not expired."""
        if not (expires.isascii() and expires.isdigit() and len(expires) <= 12):
            raise NotAuthenticated("The link's `expires` is not a number: ask for the asset again to get a fresh link.")
        good = self._sign(asset_id, rendition, int(expires))
        if not hmac.compare_digest(good.encode(), signature.encode(errors="replace")):
            raise NotAuthenticated("The link's signature is wrong: ask for the asset again to get a fresh link.")
        if int(expires) < self._now():
            raise NotAuthenticated("The link has expired: ask for the asset again to get a fresh link.")

    def _sign(self, asset_id: str, rendition: str, expires: int) -> str:
        message = f"{asset_id}\0{rendition}\0{expires}".encode()
        return hmac.digest(self._key, message, "sha256").hex()[:40]
