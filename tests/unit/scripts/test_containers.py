"""Engines in containers, with a double in place of the containers."""

from __future__ import annotations

import http.server
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
import testcontainers.core.container
from docker.errors import APIError  # type: ignore[import-untyped]
from testcontainers.core.exceptions import ContainerConnectException

from scripts.enginelib import containers
from scripts.enginelib.containers import IMAGES, contained
from scripts.enginelib.faults import Failed
from scripts.enginelib.mongodb import Mongodb
from tests.support.mongo_server import error, mongo_server


class Container:
    """What is asked of a container; `port` is where all of them seem to be published."""

    made: ClassVar[list[Container]] = []
    port: ClassVar[int] = 9
    started: ClassVar[str | Exception] = "running"
    """What becomes of each: its status, or why there is none."""

    def __init__(self, image: str) -> None:
        self.image = image
        self.exposed: tuple[int, ...] = ()
        self.environment: dict[str, str] = {}
        self.command = ""
        self.runs = False
        self.status = "created"
        Container.made.append(self)

    def with_exposed_ports(self, *ports: int) -> Self:
        self.exposed = ports
        return self

    def with_env(self, name: str, value: str) -> Self:
        self.environment[name] = value
        return self

    def with_command(self, command: str) -> Self:
        self.command = command
        return self

    def get_container_host_ip(self) -> str:
        return "127.0.0.1"

    def get_exposed_port(self, _port: int) -> int:
        if self.status != "running":
            raise TimeoutError("container did not become running")
        return Container.port

    def reload(self) -> None:
        """Do nothing."""

    def get_logs(self) -> tuple[bytes, bytes]:
        return b"", b"no space left on this device\n"

    def __enter__(self) -> Self:
        if isinstance(Container.started, Exception):
            raise Container.started
        self.runs, self.status = True, Container.started
        return self

    def __exit__(self, *_: object) -> None:
        self.runs = False


class _Handler(http.server.BaseHTTPRequestHandler):
    health: ClassVar[int] = 200

    def do_GET(self) -> None:
        self.send_response(self.health if self.path == "/minio/health/cluster" else 403)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(autouse=True)
def _doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testcontainers.core.container, "DockerContainer", Container)
    monkeypatch.setattr(containers, "_docker", lambda: None)
    monkeypatch.setattr(containers, "_POLL", 0.01)
    monkeypatch.setattr(Container, "made", [])


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setattr(Container, "port", server.server_port)
        yield server.server_port
        server.shutdown()
        thread.join()


def test_an_engine_is_given_its_secrets_and_ended(answering: int) -> None:
    with contained(["minio"]) as urls:
        (container,) = Container.made
        assert container.runs
        assert container.image == IMAGES["minio"].image
        assert container.exposed == (9000,)
        user, password = container.environment["MINIO_ROOT_USER"], container.environment["MINIO_ROOT_PASSWORD"]
        assert urls == {"minio": f"http://{user}:{password}@127.0.0.1:{answering}"}
        assert len(password) == 40
    assert not container.runs


def test_one_that_does_not_answer_is_given_up_and_all_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "_START_SECONDS", 0.05)
    said = r"redis.* was not ready after 0 s: no space left"
    with pytest.raises(Failed, match=said), contained(["redis", "opensearch"]):
        pytest.fail("it was not ready")
    assert [container.runs for container in Container.made] == [False, False]


def test_one_that_ends_is_said_at_once_with_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Container, "started", "exited")
    with pytest.raises(Failed, match=r"redis.* no space left"), contained(["redis"]):
        pytest.fail("it had ended")

    def ended(_url: str) -> bool:
        Container.made[0].status = "exited"
        return False

    monkeypatch.setattr(Container, "started", "running")
    monkeypatch.setattr(Container, "made", [])
    monkeypatch.setattr(containers, "_CHECKS", {"redis": ended})
    with pytest.raises(Failed, match=r"redis.* exited while starting: no space left"), contained(["redis"]):
        pytest.fail("it had ended")


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        (
            APIError("500 Server Error", explanation="Get https://images.invalid/v2/:\n no such host"),
            "Get https://images.invalid/v2/: no such host",
        ),
        (ContainerConnectException("Could not obtain network details"), "network details"),
        (OSError("no route"), "no route"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_image_that_is_not_to_be_had_is_said(refused: Exception, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Container, "started", refused)
    with pytest.raises(Failed) as failed, contained(["redis"]):
        pytest.fail("there is no image")
    assert str(failed.value).startswith(f"{IMAGES['redis'].image} could not be started: ")
    assert why in str(failed.value)


def test_files_are_ready_when_the_server_says_so(answering: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers strangers with 403, and `ready` with 200, before it knows its drives."""
    monkeypatch.setattr(_Handler, "health", 503)
    monkeypatch.setattr(containers, "_START_SECONDS", 0.05)
    with pytest.raises(Failed, match="was not ready"), contained(["minio"]):
        pytest.fail("it was not ready")


def test_documents_are_a_replica_set_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def joined(url: str, member: str) -> bool:
        asked.append((url, member))
        return True

    monkeypatch.setattr(Mongodb, "joined", joined)
    with contained(["mongodb"]) as urls:
        assert "--replSet assetry" in Container.made[0].command
    assert asked == [(urls["mongodb"], "127.0.0.1:27017")]
    assert urls["mongodb"] == "mongodb://127.0.0.1:9/?directConnection=true"


def test_a_replica_set_in_a_container_says_its_version() -> None:
    """Its member's name holds inside the container only, so the set must not be looked for."""
    with mongo_server() as server:
        server.hello = {"hosts": ["127.0.0.1:9"], "me": "127.0.0.1:9", "primary": "127.0.0.1:9"}
        url = IMAGES["mongodb"].address.format(host=server.address)
        assert Mongodb().describe(url) == "MongoDB 8.0.4, replica set rs0"


def test_a_server_that_waits_for_its_set_gets_one() -> None:
    with mongo_server() as server:
        server.hello = {"isreplicaset": True, "setName": None, "hosts": None, "isWritablePrimary": False}
        server.script("replSetGetStatus", error(94))
        url = IMAGES["mongodb"].address.format(host=server.address)
        assert not Mongodb.joined(url, "127.0.0.1:27017")
        (sent,) = server.sent("replSetInitiate")
        assert sent["replSetInitiate"] == {"_id": "assetry", "members": [{"_id": 0, "host": "127.0.0.1:27017"}]}
        server.hello = {}
        assert Mongodb.joined(url, "127.0.0.1:27017")


def test_docker_is_looked_for_where_testcontainers_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with _engine_of_containers(tmp_path / "docker.sock"):
        (tmp_path / ".testcontainers.properties").write_text(f"tc.host=unix://{tmp_path}/docker.sock\n")
        code = "from scripts.enginelib.containers import _docker; _docker()"
        done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


@contextmanager
def _engine_of_containers(address: Path) -> Iterator[None]:
    """What says that it is a Docker engine, at a socket."""

    class Handler(_Handler):
        def do_GET(self) -> None:
            body = b'{"ApiVersion": "1.50", "MinAPIVersion": "1.24"}' if self.path == "/version" else b"OK"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "a socket"

    with socketserver.ThreadingUnixStreamServer(str(address), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
