"""Set-ups that cannot work: one line that names the setting and the fix, exit code 3, no stack trace, soon."""

from __future__ import annotations

import json
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.processes import assetry

pytestmark = pytest.mark.processes

PATIENCE = 60.0  # the clients of the engines would try for longer, or for ever
SERVE = ("serve", "--port", "0")
FOLLOW = ("index", "follow")
WORK = ("work",)
KEYS = ("keys", "list")
PASSWORD = "correct-horse"


def fails(tmp_path: Path, command: tuple[str, ...], environment: dict[str, str], *words: str) -> None:
    """Run a command that must not start; check how it says why."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        done = assetry(*command, "--data", tmp_path / "data", check=False, timeout=PATIENCE)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]  # JSON lines are the log
    assert (done.returncode, len(lines)) == (3, 1), done.stderr
    for word in words:
        assert word in lines[0], lines[0]
    assert PASSWORD not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


@contextmanager
def nobody() -> Iterator[str]:
    """A host and port where nothing listens, and nothing will: the port is held by a socket that does not."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@contextmanager
def silent() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def answering(status: int, body: str) -> Iterator[str]:
    """An HTTP server that has one answer to everything."""
    kind = "application/json" if body.startswith("{") else "text/html"
    head = f"HTTP/1.1 {status} Said\r\nContent-Type: {kind}\r\nContent-Length: {len(body.encode())}\r\n"
    answer = f"{head}Connection: close\r\n\r\n{body}".encode()

    class Handler(StreamRequestHandler):
        timeout = PATIENCE

        def handle(self) -> None:
            with suppress(OSError):
                self.rfile.readline()
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(answer)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


URLS: dict[str, str] = {
    "ASSETRY_MONGODB_URL": "mongodb://kim:{password}@{host}/?replicaSet=rs0",
    "ASSETRY_OPENSEARCH_URL": "http://kim:{password}@{host}",
    "ASSETRY_S3_URL": "http://kim:{password}@{host}",
    "ASSETRY_REDIS_URL": "redis://:{password}@{host}/0",
}
"""How each engine is named, with credentials that no message may repeat."""

COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "ASSETRY_MONGODB_URL": (SERVE, KEYS),
    "ASSETRY_OPENSEARCH_URL": (SERVE, FOLLOW),
    "ASSETRY_S3_URL": (SERVE,),
    "ASSETRY_REDIS_URL": (SERVE, WORK),
}
EACH = [
    pytest.param(setting, command, id=f"{setting}-{command[0]}") for setting in URLS for command in COMMANDS[setting]
]


@pytest.mark.parametrize(("setting", "command"), EACH)
def test_an_engine_that_is_not_there(tmp_path: Path, setting: str, command: tuple[str, ...]) -> None:
    with nobody() as host:
        url = URLS[setting].format(host=host, password=PASSWORD)
        fails(tmp_path, command, {setting: url}, setting, host)


@pytest.mark.parametrize("setting", URLS)
def test_an_engine_that_never_answers(tmp_path: Path, setting: str) -> None:
    with silent() as host:
        url = URLS[setting].format(host=host, password=PASSWORD)
        fails(tmp_path, COMMANDS[setting][0], {setting: url}, setting, host)


@pytest.mark.parametrize("setting", URLS)
def test_something_else_answers(tmp_path: Path, setting: str) -> None:
    with answering(200, "<html>Welcome to nginx!</html>") as host:
        url = URLS[setting].format(host=host, password=PASSWORD)
        fails(tmp_path, COMMANDS[setting][0], {setting: url}, setting, host)


@pytest.mark.parametrize("setting", URLS)
def test_a_host_that_does_not_exist(tmp_path: Path, setting: str) -> None:
    url = URLS[setting].format(host="engine.invalid:1234", password=PASSWORD)
    fails(tmp_path, COMMANDS[setting][0], {setting: url}, setting, "engine.invalid")


@pytest.mark.parametrize(
    ("environment", "setting", "words"),
    [
        ({"ASSETRY_MONGODB_URL": f"postgres://u:{PASSWORD}@host"}, "ASSETRY_MONGODB_URL", "mongodb://"),
        ({"ASSETRY_REDIS_URL": f"http://u:{PASSWORD}@host"}, "ASSETRY_REDIS_URL", "redis://"),
        ({"ASSETRY_REDIS_URL": f"redis://:x/{PASSWORD}@host"}, "ASSETRY_REDIS_URL", "%2F"),
        ({"ASSETRY_S3_URL": f"s3://u:{PASSWORD}@host"}, "ASSETRY_S3_URL", "https://"),
        ({"ASSETRY_S3_URL": "http://host", "ASSETRY_S3_SECRET_KEY": PASSWORD}, "ASSETRY_S3_ACCESS_KEY", "Set both"),
        ({"ASSETRY_S3_BUCKET": "No_Bucket"}, "ASSETRY_S3_BUCKET", "No_Bucket"),
        ({"ASSETRY_OPENSEARCH_URL": f"http://u:{PASSWORD}@a:1,https://b:1"}, "ASSETRY_OPENSEARCH_URL", "must not mix"),
        ({"ASSETRY_OPENSEARCH_PASSWORD": PASSWORD}, "ASSETRY_OPENSEARCH_USER", "Set both"),
        ({"ASSETRY_OPENSEARCH_CA": "/no/such.pem"}, "ASSETRY_OPENSEARCH_CA", "/no/such.pem"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("ASSETRY") else "",
)
def test_settings_that_can_not_be_right(tmp_path: Path, environment: dict[str, str], setting: str, words: str) -> None:
    fails(tmp_path, KEYS, environment, setting, words)


REFUSALS: tuple[tuple[int, str, str], ...] = (
    (401, "Unauthorized", "ASSETRY_OPENSEARCH"),
    (
        403,
        json.dumps({"error": {"type": "security_exception", "reason": "no permissions"}, "status": 403}),
        "permission",
    ),
    (
        200,
        json.dumps({"name": "n", "version": {"number": "7.10.2", "build_flavor": "default"}, "tagline": "You Know"}),
        "7.10.2",
    ),
    (
        200,
        json.dumps({"name": "n", "version": {"number": "2.11.0", "distribution": "opensearch"}}),
        "2.19",
    ),
)


@pytest.mark.parametrize(("status", "body", "word"), REFUSALS, ids=["401", "403", "elasticsearch", "old"])
def test_a_search_engine_that_will_not_do(tmp_path: Path, status: int, body: str, word: str) -> None:
    with answering(status, body) as host:
        url = URLS["ASSETRY_OPENSEARCH_URL"].format(host=host, password=PASSWORD)
        fails(tmp_path, SERVE, {"ASSETRY_OPENSEARCH_URL": url}, "ASSETRY_OPENSEARCH", word)


def given(name: str) -> str:
    """Return the URL of a real engine, or skip."""
    if name not in os.environ:
        pytest.skip(f"{name} names no engine (scripts/engines up)")
    return os.environ[name]


@pytest.mark.engines
def test_a_bucket_that_is_not_there(tmp_path: Path) -> None:
    environment = {"ASSETRY_S3_URL": given("ASSETRY_TEST_S3_URL"), "ASSETRY_S3_BUCKET": "nobody-made-this"}
    fails(tmp_path, SERVE, environment, "ASSETRY_S3_BUCKET", "assetry db init")


@pytest.mark.engines
def test_a_wrong_secret_key(tmp_path: Path) -> None:
    split = urlsplit(given("ASSETRY_TEST_S3_URL"))
    url = split._replace(netloc=f"{split.username}:{PASSWORD}@{split.hostname}:{split.port}").geturl()
    fails(tmp_path, SERVE, {"ASSETRY_S3_URL": url}, "ASSETRY_S3_SECRET_KEY")


@pytest.mark.engines
def test_a_wrong_access_key(tmp_path: Path) -> None:
    split = urlsplit(given("ASSETRY_TEST_S3_URL"))
    url = split._replace(netloc=f"nobody:{PASSWORD}@{split.hostname}:{split.port}").geturl()
    fails(tmp_path, SERVE, {"ASSETRY_S3_URL": url}, "ASSETRY_S3_ACCESS_KEY")


@pytest.mark.engines
def test_a_redis_password_that_is_wrong(tmp_path: Path) -> None:
    place = urlsplit(given("ASSETRY_TEST_REDIS_URL"))
    url = f"redis://:{PASSWORD}@{place.hostname}:{place.port}/0"
    fails(tmp_path, WORK, {"ASSETRY_REDIS_URL": url}, "ASSETRY_REDIS_URL", "credentials")


@pytest.mark.engines
def test_a_database_that_is_not_set_up(tmp_path: Path) -> None:
    environment = {
        "ASSETRY_MONGODB_URL": given("ASSETRY_TEST_MONGODB_URL"),
        "ASSETRY_MONGODB_DATABASE": "nobody-set-this-up",
    }
    fails(tmp_path, KEYS, environment, "assetry db init")


@pytest.mark.engines
@pytest.mark.parametrize("command", [FOLLOW, (*SERVE, "--all")])
def test_an_index_that_is_read_only(tmp_path: Path, command: tuple[str, ...]) -> None:
    url, alias = given("ASSETRY_TEST_OPENSEARCH_URL"), f"blocked-{uuid.uuid4().hex[:12]}"
    index = f"{url}/{alias}-1"
    block = {"index.blocks.read_only_allow_delete": True}
    httpx.put(index, json={"aliases": {alias: {}}}).raise_for_status()
    try:
        httpx.put(f"{index}/_settings", json=block).raise_for_status()
        environment = {"ASSETRY_OPENSEARCH_URL": url, "ASSETRY_INDEX_PREFIX": alias}
        fails(tmp_path, command, environment, "ASSETRY_OPENSEARCH_URL", "read_only_allow_delete")
    finally:
        httpx.delete(index).raise_for_status()
