"""The same engines in containers, by testcontainers. Images are pinned: the ones that compose.yaml starts."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scripts.enginelib.engine import Kind
from scripts.enginelib.faults import Failed, Missing
from scripts.enginelib.mongoask import SET
from scripts.enginelib.mongodb import Mongodb
from scripts.enginelib.table import ENGINES

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

_START_SECONDS = 180.0
_POLL = 0.3


@dataclass(frozen=True, slots=True)
class Image:
    """One engine in a container.

    `address` is its URL, with `{host}` as where the container's port was published and `{user}`, `{password}` as what
    was put into `environment` in their place.
    """

    name: str
    image: str
    port: int
    address: str
    command: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


IMAGES: Mapping[str, Image] = {
    image.name: image
    for image in (
        Image(
            "mongodb",
            "mongo:8.0.15",
            27017,
            # Direct, since the member knows itself by a name and port that hold inside the container only.
            "mongodb://{host}/?directConnection=true",
            command=f"--replSet {SET} --bind_ip_all --oplogSize 990",
        ),
        Image(
            "opensearch",
            "opensearchproject/opensearch:3.7.0",
            9200,
            "http://{host}",
            environment={
                "discovery.type": "single-node",
                "DISABLE_SECURITY_PLUGIN": "true",
                "DISABLE_INSTALL_DEMO_CONFIG": "true",
                "action.auto_create_index": "false",
                "cluster.routing.allocation.disk.threshold_enabled": "false",
                "OPENSEARCH_JAVA_OPTS": "-Xms1g -Xmx1g",
            },
        ),
        Image(
            "minio",
            "minio/minio:RELEASE.2025-09-07T16-13-09Z",
            9000,
            "http://{user}:{password}@{host}",
            command="server /data",
            environment={"MINIO_ROOT_USER": "{user}", "MINIO_ROOT_PASSWORD": "{password}", "MINIO_BROWSER": "off"},
        ),
        Image("redis", "redis:8.2.3-alpine", 6379, "redis://{host}", command="redis-server --appendonly yes"),
    )
}


@contextmanager
def contained(names: Iterable[str]) -> Iterator[dict[str, str]]:
    """Start engines in containers; give {name: URL} once all answer, and remove them after. Raises Missing, Failed."""
    _docker()
    from testcontainers.core.container import DockerContainer

    with ExitStack() as stack:
        running: list[tuple[Image, DockerContainer, dict[str, str]]] = []
        for image in (IMAGES[name] for name in names):
            words = {"user": f"user{secrets.token_hex(6)}", "password": secrets.token_hex(20)}
            container = DockerContainer(image.image).with_exposed_ports(image.port)
            for name, value in image.environment.items():
                container.with_env(name, value.format(**words))
            if image.command:
                container.with_command(image.command)
            running.append((image, stack.enter_context(container), words))
        yield {image.name: _answering(image, container, words) for image, container, words in running}


def _answering(image: Image, container: DockerContainer, words: Mapping[str, str]) -> str:
    """Return the URL of a container's engine once it answers. Raises Failed."""
    host = f"{container.get_container_host_ip()}:{container.get_exposed_port(image.port)}"
    url = image.address.format(host=host, **words)
    late = time.monotonic() + _START_SECONDS
    while not _CHECKS.get(image.name, _described)(image, url):
        if time.monotonic() > late:
            raise Failed(f"{image.image} was not ready after {_START_SECONDS:.0f} s")
        time.sleep(_POLL)
    return url


def _described(image: Image, url: str) -> bool:
    kind: Kind = ENGINES[image.name].kind
    try:
        kind.describe(url)
    except (OSError, ValueError):
        return False
    return True


def _initiated(image: Image, url: str) -> bool:
    try:
        return Mongodb.joined(url, f"127.0.0.1:{image.port}")
    except (OSError, ValueError):
        return False


_CHECKS: Mapping[str, Callable[[Image, str], bool]] = {"mongodb": _initiated}


def _docker() -> None:
    """Return if there is a Docker engine to talk to. Raises Missing."""
    try:
        import docker  # type: ignore[import-untyped]
        from docker.errors import DockerException  # type: ignore[import-untyped]
    except ImportError as error:
        raise Missing("needs the Python package testcontainers: run ./scripts/setup") from error
    try:
        client = docker.from_env(timeout=10)
        try:
            client.ping()
        finally:
            client.close()
    except DockerException as error:
        raise Missing(
            "no Docker engine answers (start it, or set DOCKER_HOST); without one: ./scripts/test --engines native"
        ) from error
