"""Which hosts of a request may show in links."""

from __future__ import annotations

import pytest

from service.api.kernel.hosts import is_known_host
from service.settings import load

ALLOWED = "assets.example.org, *.example.net"


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("assets.example.org", True),
        ("ASSETS.example.org:8443", True),
        ("a.b.example.net", True),
        ("example.net", False),
        ("localhost:8080", True),
        ("127.0.0.1:1", True),
        ("[::1]:8080", True),
        ("192.0.2.7:8080", True),
        ("192.0.2.7:9", False),
        ("192.0.2.8:8080", False),
        ("evil.example", False),
        ("assets.example.org.evil.example", False),
        ("evil.example/assets.example.org", False),
        ("assets.example.org@evil.example", False),
        ("localhost.evil.example", False),
        ("", False),
        ("a b", False),
        ("assets.example.org:99999999", False),
    ],
)
def test_hosts(host: str, known: bool) -> None:
    scope = {"type": "http", "server": ("192.0.2.7", 8080)}
    assert is_known_host(host, scope, load(allowed_hosts=ALLOWED)) is known


def test_any_host() -> None:
    assert is_known_host("evil.example", {"server": None}, load(allowed_hosts="*"))
