"""Toxiproxy's HTTP API: faults on the wire between a client and an engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

DOWN, UP = "downstream", "upstream"
"""From the engine to the client, and from the client to the engine."""


@dataclass(frozen=True)
class Proxy:
    """One way to an engine. ``url`` is the engine's, by the proxy."""

    control: httpx.Client
    name: str
    url: str

    @contextmanager
    def toxic(self, kind: str, stream: str = DOWN, **attributes: int) -> Iterator[None]:
        """Have a fault on the wire until the block ends, for connections that are open too.

        Kinds: ``latency`` (latency, jitter: ms), ``bandwidth`` (rate: KB/s), ``timeout`` (timeout: ms; with 0 the
        connection stays open and nothing passes), ``reset_peer`` (timeout: ms), ``limit_data`` (bytes), ``slicer`` …
        """
        body = {"name": kind, "type": kind, "stream": stream, "toxicity": 1.0, "attributes": attributes}
        self.control.post(f"/proxies/{self.name}/toxics", json=body).raise_for_status()
        try:
            yield
        finally:
            self.control.delete(f"/proxies/{self.name}/toxics/{kind}").raise_for_status()

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Close every connection, and take no new one until the block ends."""
        self.control.post(f"/proxies/{self.name}", json={"enabled": False}).raise_for_status()
        try:
            yield
        finally:
            self.control.post(f"/proxies/{self.name}", json={"enabled": True}).raise_for_status()


@contextmanager
def proxied(control: str, url: str) -> Iterator[Proxy]:
    """Put a proxy of its own before an engine; ``control`` is the URL of a Toxiproxy."""
    name = f"way-{uuid4().hex[:8]}"
    parts = urlsplit(url)
    credentials, at, place = parts.netloc.rpartition("@")
    with httpx.Client(base_url=control, timeout=10) as client:
        made = client.post("/proxies", json={"name": name, "listen": "127.0.0.1:0", "upstream": place, "enabled": True})
        made.raise_for_status()
        try:
            yield Proxy(client, name, parts._replace(netloc=f"{credentials}{at}{made.json()['listen']}").geturl())
        finally:
            client.delete(f"/proxies/{name}").raise_for_status()
