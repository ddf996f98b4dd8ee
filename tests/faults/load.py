"""Clients that create, upload and search all the time, each request noted, each acknowledged write in a ledger."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from tests.support.processes import Served, until

CREATE, UPLOAD, SEARCH = "create", "upload", "search"

CLIENT_SECONDS = 60.0
"""How long a client waits: more than any request may take, so that one that hangs is seen."""

_PACE = 0.1
"""Seconds between two requests of one client: a load, not a flood that the check at the end has to go through."""
_OK = frozenset({200, 201})


@dataclass(frozen=True)
class Sent:
    """A request: when it began (monotonic), how long it took, and what was answered (0: nothing)."""

    kind: str
    began: float
    seconds: float
    status: int
    retry_after: str | None


@dataclass
class Load:
    """Four writers, two that upload and three that search."""

    service: Served
    key: str
    run: str
    sent: list[Sent] = field(default_factory=list)
    ledger: dict[str, str] = field(default_factory=dict)
    """Title of each asset whose create was answered 201, by its id."""
    uploads: dict[str, bytes] = field(default_factory=dict)
    """Content of each upload that was answered 201, by its id."""

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._numbers = count()
        self._clients: dict[str, tuple[int, Callable[[httpx.Client], httpx.Response]]] = {
            CREATE: (4, self._create),
            UPLOAD: (2, self._upload),
            SEARCH: (3, self._search),
        }

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send requests until the block ends."""
        threads = [
            threading.Thread(target=self._work, args=(kind, act), name=kind)
            for kind, (times, act) in self._clients.items()
            for _ in range(times)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def since(self, moment: float, kind: str) -> list[Sent]:
        """Return the requests of a kind that began after a moment."""
        return [sent for sent in list(self.sent) if sent.kind == kind and sent.began >= moment]

    def until(self, kind: str, good: bool, times: int, moment: float, patience: float = 90.0) -> None:
        """Wait for so many requests of a kind, begun after a moment, that were answered well, or "not now"."""

        def enough() -> bool:
            found = [sent for sent in self.since(moment, kind) if (sent.status in _OK) is good]
            return len(found) >= times

        until(enough, f"{times} x {kind} {'answered' if good else 'refused'}: {self.statuses(moment)}", patience)

    def statuses(self, moment: float = 0.0) -> dict[str, dict[int, int]]:
        """Return how often each kind of request was answered by each status."""
        return {kind: dict(Counter(sent.status for sent in self.since(moment, kind))) for kind in self._clients}

    def slowest(self) -> dict[str, float]:
        """Return the seconds of the slowest request of each kind."""
        return {kind: max(sent.seconds for sent in self.since(0.0, kind)) for kind in self._clients}

    def client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.key}"}
        base = f"{self.service.url}/v1/asset-library"
        return httpx.Client(base_url=base, headers=headers, timeout=CLIENT_SECONDS)

    def _work(self, kind: str, act: Callable[[httpx.Client], httpx.Response]) -> None:
        with self.client() as client:
            while not self._stop.wait(_PACE):
                began = time.monotonic()
                try:
                    answer = act(client)
                    status, retry_after = answer.status_code, answer.headers.get("retry-after")
                except httpx.TransportError:
                    status, retry_after = 0, None
                self.sent.append(Sent(kind, began, time.monotonic() - began, status, retry_after))

    def _create(self, client: httpx.Client) -> httpx.Response:
        title = f"Create {next(self._numbers):06} of {self.run}"
        answer = client.post("/assets", json={"type": "text", "title": title, "tags": [self.run]})
        if answer.status_code == 201:
            self.ledger[answer.json()["id"]] = title
        return answer

    def _upload(self, client: httpx.Client) -> httpx.Response:
        title = f"Upload {next(self._numbers):06} of {self.run}"
        content = f"{title}: words of its own.".encode()
        metadata = f'{{"title": "{title}", "tags": ["{self.run}"]}}'
        answer = client.post("/assets", data={"asset": metadata}, files={"file": ("upload.txt", content)})
        if answer.status_code == 201:
            made = answer.json()["id"]
            self.ledger[made] = title
            self.uploads[made] = content
        return answer

    def _search(self, client: httpx.Client) -> httpx.Response:
        return client.get("/assets/search", params={"q": self.run, "limit": 5})


def check(load: Load) -> None:
    """What was acknowledged is in the store, in the files and in the index."""
    with load.client() as client:
        for asset_id, title in load.ledger.items():
            asset = client.get(f"/assets/{asset_id}").json()
            assert asset["title"] == title
            if asset_id in load.uploads:
                assert client.get(asset["urls"]["original"]).content == load.uploads[asset_id]
        until(lambda: load.ledger.keys() <= _indexed(client, load.run), "the index holds what was acknowledged", 60)


def _indexed(client: httpx.Client, run: str) -> set[str]:
    """Return the ids of all assets of a run that searches see."""
    found: set[str] = set()
    cursor: str | None = "*"
    while cursor is not None:
        params: dict[str, Any] = {"query": f"tags:{run}", "limit": 100, "cursor": cursor, "sort": "created_at"}
        answer = client.get("/assets/search/advanced", params=params)
        if answer.status_code != 200:
            return set()
        found.update(hit["id"] for hit in answer.json()["results"])
        cursor = answer.json().get("next_cursor")
    return found


def memory(pid: int) -> int:
    """Return the resident bytes of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"{pid} has no VmRSS")
