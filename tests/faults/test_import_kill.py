"""Kill -9 while importing: nothing that was acknowledged is lost, nothing is doubled, index and store agree."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.support.processes import Served, printed, served, until

pytestmark = pytest.mark.processes

FILES = 400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    for number in range(FILES):
        (folder / f"text {number:04}.txt").write_text(f"Text number {number}, with a word of its own: word{number:04}.")
    return folder


def _stored(data: Path) -> list[str]:
    """Read the assets' hashes from the file itself, past all of our code."""
    with closing(sqlite3.connect(f"file:{data / 'assetry.db'}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT json_extract(body, '$.sha256') FROM asset WHERE NOT tombstone").fetchall()
    return [row[0] for row in rows]


def _agree(service: Served, expected: int) -> None:
    """Wait until the index shows as many assets as the store holds, each once."""
    stored = _stored(service.data)
    assert len(stored) == len(set(stored)) == expected
    with service.client("assets:read") as client:

        def complete() -> bool:
            answer = client.get("/assets/search/advanced", params={"limit": 0})
            return answer.status_code == 200 and answer.json()["total_count"] == expected

        until(complete, f"the index holds {expected} assets")
        for number in (0, FILES // 2, FILES - 1):
            body = client.get("/assets/search", params={"q": f'"text {number:04}"'}).json()
            assert body["total_count"] == 1


def _import_and_kill(folder: Path, data: Path, more: int) -> None:
    """Start an import and kill it once it has added ``more`` files."""
    command = [sys.executable, "-m", "service", "import", str(folder), "--data", str(data), "--quiet"]
    goal = len(_stored(data)) + more
    importer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: len(_stored(data)) >= goal or importer.poll() is not None, "some files are imported")
    importer.send_signal(signal.SIGKILL)
    importer.wait()


@pytest.mark.parametrize("seed", range(3))
def test_the_import_is_killed(tmp_path: Path, folder: Path, seed: int) -> None:
    data = tmp_path / "data"
    moments = random.Random(seed)
    with served(data) as service:
        service.until_ready()
        for _ in range(2):
            _import_and_kill(folder, data, moments.randint(1, 100))
        before = set(_stored(data))
        done = printed("import", folder, "--data", data)
        assert done["imported"] + done["duplicates"] == FILES
        assert before <= set(_stored(data)), "what was there before the kill is there after it"
        _agree(service, FILES)


@pytest.mark.parametrize("seed", range(3))
def test_the_service_is_killed(tmp_path: Path, folder: Path, seed: int) -> None:
    """Clients post while the service is killed; what it answered 201 for must be there, once."""
    data = tmp_path / "data"
    moments = random.Random(seed)
    acknowledged: dict[str, str] = {}
    with served(data) as service:
        service.until_ready()
        headers = {"Authorization": f"Bearer {service.key()}"}
        enough = threading.Event()
        goal = moments.randint(5, 60)

        def post(paths: list[Path]) -> None:
            with httpx.Client(base_url=f"{service.url}/v1/asset-library", headers=headers, timeout=10) as client:
                for path in paths:
                    try:
                        answer = client.post("/assets", files={"file": (path.name, path.read_bytes())})
                    except httpx.TransportError:
                        return
                    assert answer.status_code == 201
                    acknowledged[answer.json()["id"]] = answer.json()["sha256"]
                    if len(acknowledged) >= goal:
                        enough.set()

        paths = sorted(folder.iterdir())
        threads = [threading.Thread(target=post, args=(paths[part::4],)) for part in range(4)]
        for thread in threads:
            thread.start()
        assert enough.wait(60)
        service.kill()
        for thread in threads:
            thread.join()
    with served(data) as service:
        service.until_ready()
        with service.client() as client:
            for asset_id, sha256 in acknowledged.items():
                asset = client.get(f"/assets/{asset_id}").json()
                assert asset["sha256"] == sha256
                original = httpx.get(asset["urls"]["original"])
                assert original.status_code == 200
                assert len(original.content) == asset["metadata"]["file_size"]
        done = printed("import", folder, "--data", data)
        assert done["imported"] + done["duplicates"] == FILES
        _agree(service, FILES)


def test_the_engine_dies_with_a_killed_service(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with served(data) as service:
        service.until_ready()
        engine = json.loads((data / "run" / "engine.json").read_text())["pid"]
        service.kill()

        def gone() -> bool:
            try:
                os.kill(engine, 0)
            except ProcessLookupError:
                return True
            return Path(f"/proc/{engine}/stat").read_text().split()[2] == "Z"

        until(gone, "the engine has ended with its parent")


def test_the_engine_is_killed(tmp_path: Path) -> None:
    """The child is started again and filled again."""
    data = tmp_path / "data"
    with served(data) as service, service.client() as client:
        service.until_ready()
        made = client.post("/assets", json={"type": "text", "title": "Survivor"}).json()
        beacon = data / "run" / "engine.json"
        first = json.loads(beacon.read_text())["pid"]
        os.kill(first, signal.SIGKILL)
        until(lambda: beacon.exists() and json.loads(beacon.read_text())["pid"] != first, "another engine is there")
        service.until_ready()
        found = client.get("/assets/search", params={"q": "survivor"}).json()
        assert [hit["id"] for hit in found["results"]] == [made["id"]]
