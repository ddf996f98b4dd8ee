"""Kill -9 in the middle of exports: they come to their end, whole, about the assets that were there when asked for."""

from __future__ import annotations

import csv
import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.faults.test_reprocess_kill import progress
from tests.support.examples import EXPLORING
from tests.support.processes import printed, served, until

pytestmark = pytest.mark.processes

FILES = 600
KILLS = 2
"""Runs that are broken off; an export begins anew each time, and is given up when three were."""
SEEDS = [
    pytest.param(seed, marks=[pytest.mark.soak, pytest.mark.timeout(600)] if seed else [], id=str(seed))
    for seed in range(10 if EXPLORING else 3)
]
EXPORTS: dict[str, tuple[str, dict[str, Any]]] = {
    "csv": ("/exports/search", {"query": "type:text", "format": "csv"}),
    "xlsx": ("/exports/search", {"query": "type:text", "format": "xlsx"}),
    "archive": ("/assets/bulk/download", {"query": "type:text"}),
}


def count_of(kind: str, content: bytes) -> int:
    if kind == "csv":
        return len(list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        if kind == "xlsx":
            return archive.read("xl/worksheets/sheet1.xml").count(b"<row ") - 1
        assert len(json.loads(archive.read("metadata.json"))) == FILES
        return len(archive.namelist()) - 1


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", EXPORTS)
def test_an_export_is_killed(tmp_path: Path, kind: str, seed: int) -> None:
    data, folder = tmp_path / "data", tmp_path / "texts"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"text {number:04}.txt").write_text(f"Text number {number}.")
    assert printed("import", folder, "--data", data)["imported"] == FILES
    moments = random.Random(seed)
    path, body = EXPORTS[kind]
    with served(data) as service:
        service.until_ready()
        with service.client() as client:
            started = client.post(path, json=body).json()
            operation_id = str(started.get("operation_id") or f"bulk_{started['download_id']}")
            until(lambda: progress(data, operation_id)["total"] == FILES, "what there is to do is written down")
            client.post("/assets", json={"type": "text", "title": "Later"}).raise_for_status()
        service.kill()
    for _ in range(KILLS - 1):
        if progress(data, operation_id)["status"] not in ("queued", "running"):
            break
        with served(data) as service:
            until(lambda: progress(data, operation_id)["status"] != "queued", "it goes on", patience=120)
            until(lambda: moments.random() < 0.3, "a moment later")
            service.kill()
    with served(data) as service:
        until(lambda: progress(data, operation_id)["status"] == "completed", "it comes to its end", patience=120)
        with service.client("assets:read") as client:
            answer = client.get(f"/downloads/{operation_id.removeprefix('bulk_')}")
            assert answer.status_code == 200
    assert count_of(kind, answer.content) == FILES
    objects = [each for each in (data / "files" / "objects").glob("made.*/**/*") if each.is_file()]
    assert len(objects) == 1, "what a killed run began is not there"
