"""Kill -9 while files are read again: each asset is changed once or reported, counts are exact, nothing is lost."""

from __future__ import annotations

import json
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import Served, printed, served, until

pytestmark = pytest.mark.processes

EVERY, SIZES = (
    25,
    [
        pytest.param(400, 4, id="400 files"),
        pytest.param(5000, 25, id="5000 files", marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
    ],
)
"""Of so many files one is in the trash, one has lost its file and one says what its record says."""


def rows(data: Path, statement: str) -> list[Any]:
    """Read the store past all of our code."""
    with closing(sqlite3.connect(f"file:{data / 'assetry.db'}?mode=ro", uri=True)) as connection:
        return connection.execute(statement).fetchall()


def make_old(data: Path) -> dict[str, tuple[str, str | None]]:
    """Make records such as readers of earlier days left them; return how each asset is to come out."""
    expected: dict[str, tuple[str, str | None]] = {}
    with closing(sqlite3.connect(data / "assetry.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for number, (key, sha256) in enumerate(
            connection.execute("SELECT key, json_extract(body, '$.sha256') FROM asset ORDER BY key").fetchall()
        ):
            match number % EVERY:
                case 0:
                    expected[key] = ("skipped", "unchanged")
                    continue
                case 1:
                    next((data / "files" / "objects").rglob(f"{sha256}*")).unlink()
                    expected[key] = ("failed", "file_missing")
                case _:
                    expected[key] = ("succeeded", None)
            connection.execute(
                "UPDATE asset SET body = json_remove(body, '$.metadata.word_count'), rev = rev + 1 WHERE key = ?",
                (key,),
            )
        connection.execute("COMMIT")
    return expected


def progress(data: Path, operation_id: str) -> dict[str, Any]:
    [(status, found)] = rows(
        data,
        "SELECT json_extract(body, '$.status'), json_extract(body, '$.progress') FROM operation"
        f" WHERE key = '{operation_id}'",
    )
    return {"status": status, **json.loads(found)}


def run_and_kill(data: Path, operation_id: str, moments: random.Random, step: int) -> None:
    """Let a service work until it came some way, and kill it in the middle of something."""
    with served(data) as service:
        before = progress(data, operation_id)
        goal = min(before["completed"] + moments.randint(0, step), before["total"])

        def came_so_far() -> bool:
            reached = progress(data, operation_id)
            return bool(reached["completed"] >= goal and reached["status"] != "queued")

        until(came_so_far, f"{goal} files were read", patience=120)
        until(lambda: moments.random() < 0.3, "a moment later")
        service.kill()


def items(service: Served, operation_id: str) -> Iterator[dict[str, Any]]:
    with service.client("assets:read") as client:
        params: dict[str, Any] = {"limit": 100}
        while True:
            page = client.get(f"/operations/{operation_id}/items", params=params).json()
            yield from page["items"]
            if "next_cursor" not in page:
                return
            params["cursor"] = page["next_cursor"]


@pytest.mark.parametrize(("files", "kills"), SIZES)
def test_reprocessing_is_killed(tmp_path: Path, files: int, kills: int) -> None:
    data, folder = tmp_path / "data", tmp_path / "texts"
    folder.mkdir()
    for number in range(files):
        (folder / f"text {number:04}.txt").write_text(f"Text number {number} with its own word{number:04}.")
    assert printed("import", folder, "--data", data)["imported"] == files
    expected = make_old(data)
    moments = random.Random(files)
    with served(data) as service:
        service.until_ready()
        with service.client() as client:
            trashed = [key for number, key in enumerate(sorted(expected)) if number % EVERY == 2]
            operation = client.post("/assets/reprocess", json={"query": ""}).json()
            operation_id = str(operation["operation_id"])
            until(lambda: progress(data, operation_id)["total"] == files, "what there is to do is written down")
            for key in trashed:
                assert client.delete(f"/assets/{key}").status_code == 200
        service.kill()
    for _ in range(kills):
        if progress(data, operation_id)["status"] not in ("queued", "running"):
            break
        run_and_kill(data, operation_id, moments, files // kills)
    with served(data) as service:
        until(lambda: progress(data, operation_id)["status"] == "completed", "it comes to its end", patience=600)
        service.until_ready()
        found = list(items(service, operation_id))
    assert len(found) == len({item["id"] for item in found}) == files, "each asset once"
    revs = dict(rows(data, "SELECT key, rev FROM asset"))
    for item in found:
        key, outcome = item["id"], (item["status"], item["reason"])
        if key in trashed:  # in the trash before, or behind, its turn
            assert outcome in (("skipped", "deleted"), expected[key])
            assert revs[key] == (4 if outcome[0] == "succeeded" else 3)
            continue
        assert outcome == expected[key], key
        assert revs[key] == {"unchanged": 1, "file_missing": 2, None: 3}[outcome[1]], f"{key} was changed once"
    end = progress(data, operation_id)
    outcomes = Counter(item["status"] for item in found)
    assert {name: end[name] for name in ("succeeded", "skipped", "failed")} == dict(outcomes)
    assert (end["completed"], end["total"], end["percentage"]) == (files, files, 100)
    lacking = rows(data, "SELECT key FROM asset WHERE json_extract(body, '$.metadata.word_count') IS NULL")
    assert {key for (key,) in lacking} == {
        item["id"] for item in found if item["status"] == "failed" or item["reason"] == "deleted"
    }
