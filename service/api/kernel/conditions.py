"""The conditional headers of RFC 9110 §13 for what is read, by strong entity tags."""

from __future__ import annotations

import re
from collections.abc import Mapping

_TAG = re.compile(r'(W/)?("[^"]*")')


def unchanged(headers: Mapping[str, str], etag: str) -> bool:
    """Say whether ``If-None-Match`` names what is there: the client has it (304).

    The comparison is weak (§13.1.2): proxies that compress make a tag weak and send that back.
    """
    return _names(headers.get("if-none-match"), etag, weak=True)


def changed(headers: Mapping[str, str], etag: str) -> bool:
    """Say whether ``If-Match`` names something else than what is there: the client wants that, or nothing (412)."""
    given = headers.get("if-match")
    return given is not None and not _names(given, etag, weak=False)


def wanted_range(method: str, headers: Mapping[str, str], etag: str) -> str | None:
    """Return the ``Range`` that counts, if any: only of a GET, and with ``If-Range`` only of the very same bytes.

    A date in ``If-Range`` is never strong enough here.
    """
    if method != "GET" or headers.get("if-range", etag) != etag:
        return None
    return headers.get("range")


def _names(header: str | None, etag: str, *, weak: bool) -> bool:
    if header is None:
        return False
    if header.strip() == "*":
        return True
    return any(tag == etag and (weak or not mark) for mark, tag in _TAG.findall(header))
