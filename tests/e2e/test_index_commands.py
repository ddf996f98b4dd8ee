"""``assetry index`` but for its verify, as an operator runs it: real processes on an engine of their own."""

from __future__ import annotations

import asyncio
import re
import runpy
import signal
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from indexer.indexes.plan import PhysicalIndex, Plans, Rebuild, Stage
from service.adapters.sqlite.store import SqliteStore
from service.cli.exit_codes import INTERRUPTED
from service.errors import NotFound
from service.ports.clock import SystemClock
from service.ports.store import Change
from tests.e2e.drift import Hands, begun, filled
from tests.support.commands import answer, command
from tests.support.engine_process import osmem
from tests.support.processes import served, started, until

pytestmark = pytest.mark.processes

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    with osmem() as url:
        yield url


@pytest.fixture
def hands(engine: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Hands]:
    """Have all commands of a test use an engine that is no process's child, at an alias of the test's own."""
    alias = f"i{zlib.crc32(request.node.name.encode())}"
    monkeypatch.setenv("ASSETRY_OPENSEARCH_URL", engine)
    monkeypatch.setenv("ASSETRY_INDEX_PREFIX", alias)
    yield Hands(engine, alias)
    for name in httpx.get(f"{engine}/{alias}-*/_alias").json():
        httpx.delete(f"{engine}/{name}")


def status(data: Path, code: int = 0) -> Any:
    return answer("index", "status", "--data", data, code=code)


def ready(url: str) -> bool:
    return httpx.get(f"{url}/readyz", timeout=5).status_code == 200


def test_a_reindex_from_end_to_end(tmp_path: Path, hands: Hands) -> None:
    data = filled(tmp_path)
    with started(data, "index", "follow", "--port", "0") as indexer:
        until(lambda: ready(indexer.url), "the index is built")
        first = hands.index
        done = answer("index", "reindex", "--data", data)
        assert (done["swapped"], done["index"], done["reason"]) == (True, hands.index, "")
        second = hands.index
        assert second != first
        seen = status(data)
        assert [(row["index"], row["role"], row["documents"]) for row in seen["indexes"]] == [
            (second, "live", 40),
            (first, "previous", 40),
        ]
        assert (seen["reindex"]["stage"], seen["reindex"]["done"]) == ("swapped", 40)
        assert "assetry_index_targets 2.0" in httpx.get(f"{indexer.url}/metrics").text
        assert answer("index", "rollback", "--data", data)["index"] == first == hands.index
        purged = answer("index", "purge", "--data", data)
        assert purged == {"indexes": [second], "dead_letters": 0, "tombstones": 0}
        refused = answer("index", "rollback", "--data", data, code=0)
        assert refused["reason"] == "already rolled back"
        people = command("index", "status", "--data", data).stdout
        assert [word for word in (first, "following", "ready", "live") if word not in people] == [], people


def test_a_reindex_without_an_indexer_leads_itself(tmp_path: Path, hands: Hands) -> None:
    data = filled(tmp_path, 10)
    assert answer("index", "reindex", "--data", data)["swapped"]
    seen = status(data, code=1)
    assert (seen["state"], seen["degraded"], seen["lease"]["holder"]) == ("stopped", True, None)
    assert answer("index", "verify", "--data", data)["checked"] == 10


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_reindex_goes_on_when_it_is_run_again(
    tmp_path: Path, hands: Hands, number: signal.Signals
) -> None:
    data = filled(tmp_path, 10)
    with started(data, "index", "follow", "--port", "0") as indexer:
        until(lambda: ready(indexer.url), "the index is built")
        first = hands.index
        # One node has no room for a copy, which a reindex waits for: time enough to interrupt it.
        with begun("index", "reindex", "--data", data, ASSETRY_INDEX_REPLICAS="1") as process:
            until(lambda: _reindex(data, hands).stage is Stage.DRAINED, "the new index is filled")
            second = command("index", "reindex", "--data", data, check=False)
            assert (second.returncode, "another process is running a reindex" in second.stderr) == (2, True)
            process.send_signal(number)
            _, said = process.communicate(timeout=30)
        assert (process.returncode, said.count("\n")) == (INTERRUPTED, 1), said
        assert "run the command again" in said
        left = _reindex(data, hands)
        assert (left.stage, left.done) == (Stage.DRAINED, 10)
        assert answer("index", "reindex", "--data", data)["index"] == left.target.index == hands.index != first


def _reindex(data: Path, hands: Hands) -> Rebuild:
    """Return how far the reindex is, as the store has it."""

    async def read() -> Rebuild | None:
        async with SqliteStore(data / "assetry.db", SystemClock()) as store:
            return (await Plans(store, hands.alias).load()).rebuild

    return asyncio.run(read()) or Rebuild(PhysicalIndex("none yet", None, None))


async def _write(data: Path, key: str, **fields: Any) -> None:
    """Write to the store as no use case would."""
    async with SqliteStore(data / "assetry.db", SystemClock()) as store:
        try:
            await store.update("asset", key, Change(set=fields))
        except NotFound:
            await store.insert("asset", key, {"org_id": "default", "number": 99, "guid": "g", "sid": "s", **fields})


def test_dead_letters_are_listed_and_retried(tmp_path: Path, hands: Hands) -> None:
    data = filled(tmp_path, 5)
    with started(data, "index", "follow", "--port", "0") as indexer:
        until(lambda: ready(indexer.url), "the index is built")
        assert answer("index", "dead-letters", "list", "--data", data) == []
        asyncio.run(_write(data, "asset_99", created_at="no date at all"))
        line = "assetry_index_dead_letters 1.0"
        until(lambda: line in httpx.get(f"{indexer.url}/metrics").text, "the document is refused")
        (letter,) = answer("index", "dead-letters", "list", "--data", data, code=1)
        assert (letter["asset_id"], letter["index"], letter["version"]) == ("asset_99", hands.index, 1)
        people = command("index", "dead-letters", "list", "--data", data, check=False)
        assert (people.returncode, "asset_99" in people.stdout) == (1, True)
        assert answer("index", "dead-letters", "retry", "--data", data, code=1) == {"retried": 1, "remaining": 1}
        known = answer("index", "verify", "--data", data)
        assert (known["clean"], known["dead_letters"]) == (True, 1)
        refused = answer("index", "reindex", "--data", data, code=1)
        assert (refused["swapped"], refused["dead_letters"]) == (False, 1)
        accepted = answer("index", "reindex", "--accept-dead-letters", "--data", data)
        assert accepted["index"] == refused["index"] == hands.index
        asyncio.run(_write(data, "asset_99", created_at="2024-05-01T10:00:00Z"))
        until(lambda: "assetry_index_dead_letters 0.0" in httpx.get(f"{indexer.url}/metrics").text, "it is accepted")
        assert answer("index", "dead-letters", "list", "--data", data) == []
        assert answer("index", "resume", "--data", data) == {"resumed": False, "state": "following"}


def test_the_embedded_engine_needs_its_service(tmp_path: Path) -> None:
    data = filled(tmp_path, 5)
    for words in (["reindex"], ["rollback"], ["purge"]):
        done = command("index", *words, "--data", data, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "ASSETRY_OPENSEARCH_URL" in done.stderr
    assert status(data, code=1)["state"] == "no service is running on this data folder"
    assert answer("index", "dead-letters", "list", "--data", data) == []
    with served(data) as service:
        service.until_ready()
        assert answer("index", "reindex", "--data", data)["swapped"]
        assert [row["role"] for row in status(data)["indexes"]] == ["live", "previous"]
        assert answer("search", "type:text", "--data", data)["total_count"] == 5
        runs = _example(service.data)
        assert runs["well"] is True


def _example(data: Path) -> dict[str, Any]:
    """Run the page's example for schedulers."""
    (example,) = re.findall(
        r"^```python\n(.*?)^```", (DOCS / "how-to-reindex.md").read_text(), re.MULTILINE | re.DOTALL
    )
    script = data.parent / "example.py"
    script.write_text(example.replace('"my-library"', repr(str(data))))
    return runpy.run_path(str(script))


def test_a_status_says_that_the_engine_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = filled(tmp_path, 2)
    monkeypatch.setenv("ASSETRY_OPENSEARCH_URL", "http://127.0.0.1:9")
    seen = status(data, code=1)
    assert (seen["ready"], seen["engine"], seen["assets"]) == (False, None, 2)
    assert "nothing listens at" in seen["engine_error"]
    people = command("index", "status", "--data", data, check=False)
    assert (people.returncode, "NOT READY" in people.stdout) == (1, True)
