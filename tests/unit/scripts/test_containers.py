"""Engines in containers, with a double in place of the containers."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from typing import Any, ClassVar, Self

import pytest
import testcontainers.core.container

from scripts.enginelib import containers
from scripts.enginelib.containers import IMAGES, contained
from scripts.enginelib.faults import Failed
from scripts.enginelib.mongodb import Mongodb


class Container:
    """What is asked of a container; `port` is where all of them seem to be published."""

    made: ClassVar[list[Container]] = []
    port: ClassVar[int] = 9

    def __init__(self, image: str) -> None:
        self.image = image
        self.exposed: tuple[int, ...] = ()
        self.environment: dict[str, str] = {}
        self.command = ""
        self.runs = False
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
        return Container.port

    def __enter__(self) -> Self:
        self.runs = True
        return self

    def __exit__(self, *_: object) -> None:
        self.runs = False


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(403)
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
    with pytest.raises(Failed, match=r"redis.* was not ready"), contained(["redis", "opensearch"]):
        pytest.fail("it was not ready")
    assert [container.runs for container in Container.made] == [False, False]


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
