"""Which ``Host`` of a request may show in links: a client sends whatever it likes there."""

from __future__ import annotations

import ipaddress
import re

from starlette.types import Scope

from service.settings import Settings

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?", re.ASCII | re.IGNORECASE)


def is_known_host(header: str, scope: Scope, settings: Settings) -> bool:
    """Say whether a ``Host`` header is allowed, is this machine's loopback, or is where the connection arrived."""
    match = _HOST.fullmatch(header)
    if match is None:
        return False
    name, port = match[1].strip("[]").lower(), match[2]
    if any(_fits(name, pattern) for pattern in settings.allowed_hosts.lower().replace(",", " ").split()):
        return True
    if name == "localhost" or _is_loopback(name):
        return True
    server = scope.get("server") or ("", None)
    return bool(name == server[0].lower() and (port is None or port == str(server[1])))


def _fits(name: str, pattern: str) -> bool:
    return pattern in ("*", name) or (pattern.startswith("*.") and name.endswith(pattern[1:]))


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
