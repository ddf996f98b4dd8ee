"""Signed links to files: who holds one may fetch that one rendition until it expires, without a key."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Sequence
from urllib.parse import quote

from service.core.shared.signing import derive
from service.errors import NotAuthenticated

_DOWNLOAD = "download"
"""What stands where the rendition of an asset does: no rendition has this name."""


class Links:
    """Makes and checks links ``<base>/files/<asset id>/<rendition>/<file name>?v=…&expires=…&signature=…``.

    Expiry is rounded up to whole windows of ``ttl`` seconds, so that a link stays the same for a window (caches of
    browsers and CDNs work) and is good for at least ``ttl`` more. ``v`` is the content's version: what a link leads to
    never changes, so caches may keep it. The signature is HMAC-SHA256 over asset id, rendition, expiry and version;
    links signed with one of the ``previous`` secrets are good until they expire.
    """

    def __init__(
        self, secret: str, ttl: int, now: Callable[[], float] = time.time, *, previous: Sequence[str] = ()
    ) -> None:
        self._keys = [derive(each, "links") for each in (secret, *previous)]
        self._ttl = ttl
        self._now = now

    @property
    def window(self) -> int:
        """The number of the current window: answers that hold links change with it."""
        return int(self._now() // self._ttl)

    def link(self, base: str, asset_id: str, rendition: str, filename: str, version: str = "") -> str:
        """Return the URL of a rendition below ``base`` (no trailing slash), of the content of this ``version``."""
        expires = (self.window + 2) * self._ttl
        signature = _sign(self._keys[0], asset_id, rendition, expires, version)
        name = quote(filename, safe="")
        pinned = f"v={version}&" if version else ""
        return f"{base}/files/{asset_id}/{rendition}/{name}?{pinned}expires={expires}&signature={signature}"

    def download(self, base: str, path: str, download_id: str) -> str:
        """Return the URL of what an export made: ``<base><path>?expires=…&signature=…``."""
        expires = (self.window + 2) * self._ttl
        return f"{base}{path}?expires={expires}&signature={_sign(self._keys[0], download_id, _DOWNLOAD, expires, '')}"

    def check_download(self, download_id: str, expires: str, signature: str) -> None:
        """Raise NotAuthenticated unless the signature is ours and has not expired."""
        self.check(download_id, _DOWNLOAD, expires, signature)

    def check(self, asset_id: str, rendition: str, expires: str, signature: str, version: str = "") -> None:
        """Raise NotAuthenticated unless the signature is ours and has not expired."""
        if not (expires.isascii() and expires.isdigit() and len(expires) <= 12):
            raise NotAuthenticated("The link's `expires` is not a number: ask for the asset again to get a fresh link.")
        good = [_sign(key, asset_id, rendition, int(expires), version) for key in self._keys]
        given = signature.encode(errors="replace")
        if not any(hmac.compare_digest(each.encode(), given) for each in good):
            raise NotAuthenticated("The link's signature is wrong: ask for the asset again to get a fresh link.")
        if int(expires) < self._now():
            raise NotAuthenticated("The link has expired: ask for the asset again to get a fresh link.")


def version_of(sha256: str) -> str:
    """Return the version of a file's content as links name it."""
    return sha256[:16]


def _sign(key: bytes, asset_id: str, rendition: str, expires: int, version: str) -> str:
    message = f"{asset_id}\0{rendition}\0{expires}" + (f"\0{version}" if version else "")
    return hmac.digest(key, message.encode(errors="replace"), "sha256").hex()[:40]
