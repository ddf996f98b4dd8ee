"""How each engine is found, started and asked, with small programs and servers in place of the real ones."""

from __future__ import annotations

import http.server
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.enginelib import golang, mongodb
from scripts.enginelib.daemon import Daemon
from scripts.enginelib.faults import Missing
from scripts.enginelib.golang import Program, built
from scripts.enginelib.minio import Minio
from scripts.enginelib.mongodb import Mongodb
from scripts.enginelib.opensearch import OpenSearch
from scripts.enginelib.redis import Redis
from scripts.enginelib.toxiproxy import Toxiproxy
from scripts.enginelib.web import fetch

PROGRAM = Program("tool", "example.org/tool/cmd/made", "v1.2.3", minutes=1)
GO = """#!/bin/sh
echo "$@" > {said}
printf '#!/bin/sh\\n' > "$GOBIN/made"
"""


def _program(folder: Path, name: str, text: str = "#!/bin/sh\n") -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(text)
    file.chmod(0o755)
    return file


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PATH (but for the system's shell tools), and a cache of its own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def test_a_program_is_built_once(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = tmp_path / "said"
    _program(path, "go", GO.format(said=said))
    file = built(PROGRAM)
    assert said.read_text().strip() == "install example.org/tool/cmd/made@v1.2.3"
    assert os.access(file, os.X_OK)
    assert "building" in capsys.readouterr().err
    (path / "go").unlink()
    assert built(PROGRAM) == file
    assert list(file.parent.iterdir()) == [file]


def test_a_build_that_fails_says_why(path: Path) -> None:
    _program(path, "go", "#!/bin/sh\necho 'no such module' >&2\nexit 1\n")
    with pytest.raises(Missing, match="no such module"):
        built(PROGRAM)


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Minio(), "requires `minio` on PATH, or Go to build it"),
        (Toxiproxy(), "requires `toxiproxy-server` on PATH, or Go to build it"),
        (Redis(), "apt-get install redis-server"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_missing_is_said_with_how_to_get_it(kind: Minio | Toxiproxy | Redis, words: str) -> None:
    with pytest.raises(Missing, match=words):
        kind.obtain()


def test_no_server_for_documents(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in is in the environment of the tests, so it is hidden; the driver stays."""
    monkeypatch.setattr(mongodb, "STAND_IN", "no-such-program")
    with pytest.raises(
        Missing, match=r"requires a server URL in ASSETRY_TEST_MONGODB_URL, a `mongod` on PATH, or no-such"
    ):
        Mongodb().obtain()
    found = _program(path, "mongod")
    assert Mongodb().obtain() == str(found)


@pytest.mark.usefixtures("path")
def test_a_stand_in_is_called_one() -> None:
    assert "wheel nx-27017" in Mongodb().obtain()


def test_programs_on_the_path_come_first(path: Path) -> None:
    minio = _program(path, "minio", "#!/bin/sh\necho 'minio version RELEASE.1 (commit-id=1)'\n")
    assert Minio().obtain() == f"{minio}, minio version RELEASE.1"
    toxiproxy = _program(path, "toxiproxy-server")
    assert Toxiproxy().obtain() == str(toxiproxy)
    valkey = _program(path, "valkey-server")
    assert Redis().obtain() == str(valkey)


def test_a_server_of_documents_is_started_as_a_replica_set(path: Path, tmp_path: Path) -> None:
    _program(path, "mongod", '#!/bin/sh\necho "$@"\n')
    place = tmp_path / "place"
    place.mkdir()
    daemon = Mongodb().launch(place)
    _ended(daemon)
    words = daemon.log_tail()
    assert "--replSet assetry" in words
    assert "--bind_ip 127.0.0.1" in words
    assert f"--port {(place / 'port').read_text()}" in words


def test_the_credentials_of_an_instance_are_its_own_and_stay(path: Path, tmp_path: Path) -> None:
    _program(path, "minio", '#!/bin/sh\necho "$MINIO_ROOT_USER:$MINIO_ROOT_PASSWORD"\n')
    said = []
    for name in ("one", "one", "other"):
        place = tmp_path / name
        place.mkdir(exist_ok=True)
        daemon = Minio().launch(place)
        _ended(daemon)
        said.append(daemon.log_tail().splitlines()[-1])
    assert said[0] == said[1] != said[2]
    assert len(said[0]) > 40


class _Handler(http.server.BaseHTTPRequestHandler):
    answers: dict[str, tuple[int, str]]
    asked: list[str | None]

    def do_GET(self) -> None:
        self.asked.append(self.headers.get("Authorization"))
        status, body = self.answers.get(self.path, (403, ""))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def version_string(self) -> str:
        return "MinIO"

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def _web(answers: dict[str, tuple[int, str]]) -> Iterator[tuple[str, list[str | None]]]:
    asked: list[str | None] = []
    handler = type("Handler", (_Handler,), {"answers": answers, "asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def test_engines_on_the_web_say_their_version() -> None:
    cluster = '{"version": {"distribution": "opensearch", "number": "3.7.0"}}'
    with _web({"/": (200, cluster), "/version": (200, '{"version": "2.5.0"}')}) as (host, asked):
        assert OpenSearch().describe(f"http://kim:p%40ss@{host}") == "OpenSearch 3.7.0"
        assert asked == ["Basic a2ltOnBAc3M="]
        assert Toxiproxy().describe(f"http://{host}") == "Toxiproxy 2.5.0"
    with _web({"/version": (200, "git")}) as (host, _):
        assert Minio().describe(f"http://user:pass@{host}") == "MinIO"
        assert Toxiproxy().describe(f"http://{host}") == "Toxiproxy"
        with pytest.raises(OSError, match="403"):
            fetch(f"http://{host}/")


def test_a_server_of_jobs_says_its_version_after_its_password() -> None:
    facts = "# Server\r\nredis_version:7.0.15\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        heard: list[str] = []

        def serve() -> None:
            channel, _ = listener.accept()
            with channel, channel.makefile("rwb") as stream:
                for answer in ("+OK\r\n", f"${len(facts)}\r\n{facts}\r\n"):
                    heard.append(stream.readline().decode().strip())
                    stream.write(answer.encode())
                    stream.flush()

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        assert Redis().describe(f"redis://:secret@127.0.0.1:{port}/0") == "Redis 7.0.15"
        thread.join()
    assert heard == ["AUTH secret", "INFO server"]


def test_nobody_answers() -> None:
    for kind in (Minio(), Redis(), OpenSearch(), Toxiproxy()):
        with pytest.raises(OSError, match="refused"):
            kind.describe("http://127.0.0.1:9")


def _ended(daemon: Daemon) -> None:
    pid, _ = os.waitpid(daemon.pid, 0)
    assert pid == daemon.pid


def test_a_build_needs_go(path: Path) -> None:
    assert not (path / "go").exists()
    with pytest.raises(Missing, match="apt-get install golang-go"):
        golang.built(PROGRAM)
