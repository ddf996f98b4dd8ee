"""HTTP requests to an engine."""

from __future__ import annotations

import base64
import urllib.request
from urllib.parse import unquote, urlsplit, urlunsplit

SECONDS = 5.0


def fetch(url: str, seconds: float = SECONDS) -> bytes:
    """Return the response body of a URL; credentials in it are sent as basic authentication. Raises OSError."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    request = urllib.request.Request(urlunsplit((parts.scheme, host, parts.path, parts.query, "")))
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_header("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
    with urllib.request.urlopen(request, timeout=seconds) as answer:
        content: bytes = answer.read()
    return content
