"""The same engines in containers, with testcontainers. Images are pinned to those in compose.yaml."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scripts.enginelib.faults import Failed, Missing
from scripts.enginelib.minio import Minio
from scripts.enginelib.mongoask import SET
from scripts.enginelib.mongodb import Mongodb
from scripts.enginelib.opensearch import OpenSearch
from scripts.enginelib.redis import Redis

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

_START_SECONDS = 180.0
_POLL = 0.3
_LOG_TAIL = 2000  # characters of the log that are shown in an error
_ENDED = ("exited", "dead")


@dataclass(frozen=True, slots=True)
class Image:
    """One engine in a container.

    `address` is its URL, where `{host}` is the published host and port, and `{user}` and `{password}` are the values
    put into `environment`.
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
            # A direct connection, since the member's own name and port are valid only inside the container.
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
    """Start engines in containers; yield {name: URL} once all respond, then remove them. Raises Missing, Failed."""
    _docker()
    with ExitStack() as stack:
        running = [(image, *_started(image, stack)) for image in (IMAGES[name] for name in names)]
        yield {image.name: _answering(image, container, words) for image, container, words in running}


def _started(image: Image, stack: ExitStack) -> tuple[DockerContainer, Mapping[str, str]]:
    """Start a container that is removed with the stack; return it and the values for its URL. Raises Failed."""
    from docker.errors import DockerException  # type: ignore[import-untyped]
    from testcontainers.core.container import DockerContainer

    print(f"{image.name}: starting {image.image} (downloading it if necessary)", file=sys.stderr, flush=True)
    words = {"user": f"user{secrets.token_hex(6)}", "password": secrets.token_hex(20)}
    try:
        container = DockerContainer(image.image).with_exposed_ports(image.port)
        for name, value in image.environment.items():
            container.with_env(name, value.format(**words))
        if image.command:
            container.with_command(image.command)
        return stack.enter_context(container), words
    except (DockerException, OSError, RuntimeError) as error:  # RuntimeError is testcontainers' own
        raise Failed(f"{image.image} could not be started: {_why(error)}") from error


def _answering(image: Image, container: DockerContainer, words: Mapping[str, str]) -> str:
    """Return the URL of a container's engine once it responds. Raises Failed."""
    from docker.errors import DockerException

    late = time.monotonic() + _START_SECONDS
    try:
        host = f"{container.get_container_host_ip()}:{container.get_exposed_port(image.port)}"
        url = image.address.format(host=host, **words)
        while not _usable(image, url):
            container.reload()
            if container.status in _ENDED:
                raise Failed(f"{image.image} exited while starting: {_log_tail(container)}")
            if time.monotonic() > late:
                raise Failed(f"{image.image} was not ready after {_START_SECONDS:.0f} s: {_log_tail(container)}")
            time.sleep(_POLL)
    except (DockerException, OSError, RuntimeError) as error:
        raise Failed(f"{image.image} cannot be reached ({_why(error)}): {_log_tail(container)}") from error
    return url


def _usable(image: Image, url: str) -> bool:
    try:
        return _CHECKS[image.name](url)
    except (OSError, ValueError):
        return False


def _initiated(url: str) -> bool:
    return Mongodb.joined(url, f"127.0.0.1:{IMAGES['mongodb'].port}")


def _answers(url: str) -> bool:
    return bool(Redis().describe(url))


_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "mongodb": _initiated,
    "opensearch": OpenSearch.usable,
    "minio": Minio.usable,
    "redis": _answers,
}


def _log_tail(container: DockerContainer) -> str:
    """Return the end of a container's log."""
    from docker.errors import DockerException

    try:
        written = b"\n".join(part.strip() for part in container.get_logs())
    except (DockerException, OSError, RuntimeError) as error:
        return f"its log cannot be read ({_why(error)})"
    return written.decode(errors="replace").strip()[-_LOG_TAIL:] or "no output"


def _why(error: Exception) -> str:
    """Return the reason for a Docker error on one line."""
    return " ".join(str(getattr(error, "explanation", None) or error).split())


def _docker() -> None:
    """Check that a Docker engine is available. Raises Missing."""
    try:
        from docker.errors import DockerException
        from testcontainers.core.docker_client import DockerClient
    except ImportError as error:
        raise Missing("requires the Python package testcontainers: run ./scripts/setup") from error
    try:
        # Use testcontainers' client, which looks in more places than Docker's (~/.testcontainers.properties).
        client = DockerClient(timeout=10).client
        try:
            client.ping()
        finally:
            client.close()
    except (DockerException, OSError) as error:
        raise Missing(
            "no Docker engine responds (start it, or set DOCKER_HOST); or use: ./scripts/test --engines native"
            f" [{_why(error)}]"
        ) from error
