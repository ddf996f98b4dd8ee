"""The roles as processes of their own: API, indexer and worker on one store and one search engine."""

from __future__ import annotations

import json
import os
import signal
import socket
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.engine_process import osmem
from tests.support.places import given, removed
from tests.support.processes import PATIENCE, Served, assetry, printed, served, started, until
from tests.support.redis_process import needed, redis_process

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def search() -> Iterator[str]:
    """The URL of a search engine that belongs to none of the processes."""
    with osmem() as url:
        yield url


@pytest.fixture
def engines(search: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of one test's processes: an alias of its own on the common engine."""
    alias = request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[:60]
    return {"ASSETRY_OPENSEARCH_URL": search, "ASSETRY_INDEX_PREFIX": alias}


def readiness(url: str) -> tuple[int, dict[str, Any]]:
    answer = httpx.get(f"{url}/readyz", timeout=5)
    return answer.status_code, answer.json()


def create(client: httpx.Client, title: str) -> tuple[str, str]:
    """Create an asset; return its id and the token of the write."""
    answer = client.post("/assets", json={"type": "image", "title": title})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"]), answer.headers["X-Index-Token"]


def found(client: httpx.Client, word: str, token: str) -> tuple[int, bool]:
    """Search with read-your-writes; return the number of hits and whether the index had caught up."""
    params = {"query": word, "wait_for": token, "wait_timeout": "10"}
    answer = client.get("/assets/search/advanced", params=params)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return body["total_count"], body["index_caught_up"]


def test_api_indexer_and_worker_work_together(tmp_path: Path, engines: dict[str, str]) -> None:
    data = tmp_path / "data"
    with served(data, everything=False, **engines) as api:
        status, body = readiness(api.url)
        assert (status, body["engines"]["index"]["reason"]) == (
            503,
            "no indexer is running: start one with `assetry index follow`",
        )
        with started(data, "index", "follow", "--port", "0", **engines) as indexer, started(data, "work", **engines):
            assert "runs indexer: store sqlite" in indexer.line
            api.until_ready()
            until(lambda: httpx.get(f"{indexer.url}/readyz").status_code == 200, "the indexer is ready")
            with api.client() as client:
                _, token = create(client, "A zeppelin over the lake")
                assert found(client, "zeppelin", token) == (1, True)
            with pytest.MonkeyPatch.context() as patch:
                for name, value in engines.items():
                    patch.setenv(name, value)
                status = printed("index", "status", "--data", data)
            assert (status["state"], status["assets"]) == ("following", 1)


def test_a_process_says_what_it_runs(tmp_path: Path, engines: dict[str, str]) -> None:
    with started(tmp_path / "one", "serve", "--port", "0") as alone:
        assert alone.line.startswith("Assetry runs api, indexer, worker: store sqlite 3.")
        assert "search osmem" in alone.line
        assert alone.line.endswith(f"listens on {alone.url}")
    with started(tmp_path / "two", "serve", "--port", "0", **engines) as whole:
        assert whole.line.startswith("Assetry runs api, indexer, worker: "), "on SQLite one process is the whole of it"
    with started(tmp_path / "two", "serve", "--roles", "api,worker", "--port", "0", **engines) as api:
        assert api.line.startswith("Assetry runs api, worker: ")
    with started(tmp_path / "two", "serve", "--all", "--port", "0", **engines) as everything:
        assert everything.line.startswith("Assetry runs api, indexer, worker: ")


def test_operators_can_watch_a_process_without_the_api(tmp_path: Path, engines: dict[str, str]) -> None:
    data = tmp_path / "data"
    with started(data, "work", "--port", "0") as worker:
        assert httpx.get(f"{worker.url}/healthz").json() == {"status": "alive"}
        status, body = readiness(worker.url)
        assert (status, set(body["engines"])) == (200, {"store", "files"})
        assert 'assetry_engine_up{port="store"} 1.0' in httpx.get(f"{worker.url}/metrics").text
        assert httpx.get(f"{worker.url}/v1/asset-library/assets/search").status_code == 404
    with started(data, "index", "follow", "--port", "0", **engines) as indexer:
        until(lambda: readiness(indexer.url)[0] == 200, "the indexer is ready")
        assert "assetry_index_caught_up 1.0" in httpx.get(f"{indexer.url}/metrics").text


@needed
def test_a_worker_goes_on_without_redis_and_says_so(tmp_path: Path) -> None:
    (folder := tmp_path / "redis").mkdir()
    with (
        redis_process(folder) as redis,
        started(tmp_path / "data", "work", "--port", "0", ASSETRY_REDIS_URL=redis.url) as worker,
    ):
        assert readiness(worker.url)[1]["status"] == "ready"
        redis.kill()
        status, body = readiness(worker.url)
        assert (status, body["status"], body["engines"]["jobs"]["reason"]) == (200, "degraded", "redis: no connection")


def test_an_indexer_that_ended_leaves_a_degraded_service(tmp_path: Path, engines: dict[str, str]) -> None:
    data = tmp_path / "data"
    with served(data, everything=False, **engines) as api, api.client() as client:
        with started(data, "index", "follow", **engines) as indexer:
            api.until_ready()
            _, token = create(client, "Written while it ran")
            assert found(client, "written", token) == (1, True)
            assert indexer.stop() == 0

        def degraded() -> bool:
            status, body = readiness(api.url)
            return status == 200 and body["status"] == "degraded"

        until(degraded, "the service says that nobody feeds the index")
        _, token = create(client, "Written while nobody indexed")
        answer = client.get(
            "/assets/search/advanced", params={"query": "written", "wait_for": token, "wait_timeout": 1}
        )
        assert (answer.status_code, answer.json()["total_count"], answer.json()["index_caught_up"]) == (200, 1, False)
        with started(data, "index", "follow", **engines):
            assert found(client, "written", token) == (2, True)
            until(lambda: readiness(api.url)[1]["status"] == "ready", "the service is whole again")


@pytest.fixture
def real() -> Iterator[dict[str, str]]:
    """The settings of a whole set-up on real engines, at a place of this test's own."""
    name = f"roles-{uuid.uuid4().hex[:12]}"
    environment = given(name)
    if not {"ASSETRY_MONGODB_URL", "ASSETRY_OPENSEARCH_URL"} <= set(environment):
        pytest.skip("needs a MongoDB and an OpenSearch given by ASSETRY_TEST_… (scripts/engines up)")
    with pytest.MonkeyPatch.context() as patch:
        for setting, value in environment.items():
            patch.setenv(setting, value)
        assert printed("db", "init")["steps"]
        yield environment
    removed(name)


@pytest.mark.engines
def test_more_of_each_role_are_simply_started(tmp_path: Path, real: dict[str, str]) -> None:
    with ExitStack() as stack:
        for number in (1, 2):
            stack.enter_context(started(tmp_path / f"indexer{number}", "index", "follow", **real))
            stack.enter_context(started(tmp_path / f"worker{number}", "work", **real))
        files = {} if "ASSETRY_S3_URL" in real else {"data": tmp_path / "shared"}
        one, two = (
            stack.enter_context(served(files.get("data", tmp_path / f"api{number}"), everything=False, **real))
            for number in (1, 2)
        )
        one.until_ready()
        two.until_ready()
        key = {"Authorization": f"Bearer {one.key()}"}
        first = stack.enter_context(httpx.Client(base_url=f"{one.url}/v1/asset-library", headers=key, timeout=30))
        second = stack.enter_context(httpx.Client(base_url=f"{two.url}/v1/asset-library", headers=key, timeout=30))
        made = first.post("/assets", files={"file": ("zeppelin.txt", b"A zeppelin over the lake")})
        assert made.status_code == 201, made.text
        assert found(second, "zeppelin", made.headers["X-Index-Token"]) == (1, True)
        link = urlsplit(second.get(f"/assets/{made.json()['id']}").json()["urls"]["original"])
        assert httpx.get(f"{one.url}{link.path}?{link.query}").content == b"A zeppelin over the lake"
    if "ASSETRY_S3_URL" in real:
        assert not list(tmp_path.glob("api*/")), "a process on real engines keeps nothing on its disk"


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("index", "follow"), ("work",)])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_every_role_in_order(
    tmp_path: Path, engines: dict[str, str], command: tuple[str, ...], number: signal.Signals
) -> None:
    with started(tmp_path / "data", *command, **engines) as process:
        assert process.stop(number) == 0


class Upload:
    """An upload of which the first half is sent, and the service has begun to read it."""

    def __init__(self, api: Served) -> None:
        boundary = "slowly"
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="slow.txt"\r\n'
            "Content-Type: text/plain\r\n\r\nThe first half, "
        ).encode()
        self._rest = f"and the second.\r\n--{boundary}--\r\n".encode()
        host, port = api.url.removeprefix("http://").split(":")
        self._socket = socket.create_connection((host, int(port)), timeout=PATIENCE)
        self._answers = self._socket.makefile("rb")
        lines = (
            "POST /v1/asset-library/assets HTTP/1.1",
            f"Host: {host}",
            f"Authorization: Bearer {api.key()}",
            f"Content-Type: multipart/form-data; boundary={boundary}",
            f"Content-Length: {len(head) + len(self._rest)}",
            "Expect: 100-continue",
        )
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        assert self._status() == 100, "the service asks for the body when its application reads it"
        self._answers.readline()
        self._socket.sendall(head)

    def finish(self) -> tuple[int, Any]:
        """Send the second half; return the status and the body of the answer."""
        self._socket.sendall(self._rest)
        status = self._status()
        while self._answers.readline().strip():
            pass
        return status, json.loads(self._answers.read())

    def cut(self) -> bool:
        """Whether the service closed the connection without the answer that was wanted."""
        try:
            return self._status() >= 500
        except (OSError, IndexError):
            return True

    def close(self) -> None:
        """Hang up."""
        self._answers.close()
        self._socket.close()

    def _status(self) -> int:
        return int(self._answers.readline().split()[1])


def refused(url: str) -> bool:
    """Whether the service takes no new connections."""
    host, port = url.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return True
    return False


def test_an_upload_under_way_is_finished_before_the_end(tmp_path: Path) -> None:
    with served(tmp_path / "data") as api:
        api.until_ready()
        with closing(Upload(api)) as upload:
            api.process.send_signal(signal.SIGTERM)
            until(lambda: refused(api.url), "no new connection is taken")
            status, made = upload.finish()
        assert status == 201, made
        assert api.process.wait(timeout=PATIENCE) == 0
    with served(tmp_path / "data") as again, again.client() as client:
        again.until_ready()
        assert client.get(f"/assets/{made['id']}").json()["filename"] == "slow.txt"


def test_ctrl_c_at_a_terminal_finishes_what_is_under_way(tmp_path: Path) -> None:
    """A terminal sends it to the children, too: the search engine and those that read files."""
    with served(tmp_path / "data") as api, closing(Upload(api)) as upload:
        api.until_ready()
        os.killpg(api.process.pid, signal.SIGINT)
        until(lambda: refused(api.url), "no new connection is taken")
        status, made = upload.finish()
        assert status == 201, made
        assert api.process.wait(timeout=PATIENCE) == 0
    assert "ended with" not in (tmp_path / "data.log").read_text(), "the engine outlives the requests"


def test_a_request_that_takes_too_long_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with served(tmp_path / "data", ASSETRY_SHUTDOWN_SECONDS="0.5") as api, closing(Upload(api)) as upload:
        api.process.send_signal(signal.SIGTERM)
        assert api.process.wait(timeout=10) == 0
        assert upload.cut()


def test_a_later_signal_ends_it_at_once(tmp_path: Path) -> None:
    """One that comes along with the first is the same one."""
    with served(tmp_path / "data", ASSETRY_SHUTDOWN_SECONDS="600") as api, closing(Upload(api)) as upload:
        api.process.send_signal(signal.SIGTERM)
        until(lambda: refused(api.url), "no new connection is taken")

        def ended() -> bool:
            api.process.send_signal(signal.SIGTERM)
            return api.process.poll() is not None

        until(ended, "a later signal ends it")
        assert api.process.returncode == -signal.SIGTERM
        assert upload.cut()


def test_the_indexer_needs_an_engine_of_its_own(tmp_path: Path) -> None:
    done = assetry("index", "follow", "--data", tmp_path / "data", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "ASSETRY_OPENSEARCH_URL" in done.stderr


def test_two_apis_on_one_data_folder_are_refused(tmp_path: Path, engines: dict[str, str]) -> None:
    with started(tmp_path / "data", "serve", "--port", "0", **engines):
        done = assetry("serve", "--data", tmp_path / "data", "--port", "0", check=False)
        assert done.returncode == 3
