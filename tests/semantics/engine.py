"""The embedded engine with part of the library, asked synchronously (hypothesis runs its examples so)."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import orjson
from osmem_server import resolve_binary

from mappings.index import index_body
from service.ports.search import BulkItem
from tests.support.library import items

INDEX = "semantics"


class Engine:
    """One connection to one engine."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address)

    def send(self, method: str, path: str, body: bytes) -> Any:
        """Send a request; return the answer, which has to be a good one."""
        self._connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status in {200, 201}, content[:1000]
        return orjson.loads(content)

    def fill(self, documents: list[BulkItem]) -> None:
        """Index documents in one request, and have searches see them."""
        lines: list[bytes] = []
        for item in documents:
            assert isinstance(item.document, bytes)
            lines += [orjson.dumps({"index": {"_id": item.id}}), item.document]
        answer = self.send("POST", f"/{INDEX}/_bulk?refresh=true", b"\n".join([*lines, b""]))
        assert not answer["errors"], str(answer)[:1000]

    def select(self, body: dict[str, Any]) -> set[int]:
        """Return the numbers of all records that a compiled search finds."""
        asked = {**body, "size": 10_000, "sort": ["_doc"], "_source": False}
        hits = self.send("POST", f"/{INDEX}/_search", orjson.dumps(asked))["hits"]["hits"]
        return {int(hit["_id"].removeprefix("asset_")) for hit in hits}

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


@contextmanager
def filled(size: int) -> Iterator[Engine]:
    """Start an engine, put so many records into it, and give a connection."""
    command = [resolve_binary(), "-no-ja", "-parent-pid", str(os.getpid()), "-addr", "127.0.0.1:0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = str(json.loads(process.stdout.readline())["url"])
            with closing(Engine(url.removeprefix("http://"))) as engine:
                engine.send("PUT", f"/{INDEX}", orjson.dumps(index_body()))
                engine.fill(items(size))
                yield engine
        finally:
            process.kill()
