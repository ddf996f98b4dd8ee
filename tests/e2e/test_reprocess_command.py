"""``assetry reprocess`` and ``assetry operations`` as a user calls them."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.commands import answer, command
from tests.support.processes import printed, served, until

FILES = 120


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"text {number:03}.txt").write_text(f"Text number {number}.")
    data = tmp_path / "data"
    assert answer("import", folder, "--data", data)["imported"] == FILES
    return data


def make_old(data: Path) -> None:
    """Make the records such as readers of earlier days left them."""
    with closing(sqlite3.connect(data / "assetry.db")) as connection, connection:
        connection.execute("UPDATE asset SET body = json_remove(body, '$.metadata.word_count'), rev = rev + 1")


def operation(data: Path) -> tuple[str, int]:
    """Return the state of the one operation, past all of our code: its status, and how many items are done."""
    with closing(sqlite3.connect(f"file:{data / 'assetry.db'}?mode=ro", uri=True)) as connection:
        statement = "SELECT json_extract(body, '$.status'), json_extract(body, '$.progress.completed') FROM operation"
        found = connection.execute(statement).fetchall()
    return found[0] if found else ("none", 0)


def test_files_are_read_again(data: Path) -> None:
    make_old(data)
    assert answer("reprocess", "text", "--dry-run", "--data", data) == {"dry_run": True, "total": FILES}
    with closing(sqlite3.connect(data / "assetry.db")) as connection:
        [(gone, sha256)] = connection.execute(
            "SELECT key, json_extract(body, '$.sha256') FROM asset LIMIT 1"
        ).fetchall()
    next((data / "files" / "objects").rglob(f"{sha256}*")).unlink()
    done = answer("reprocess", "text", "--data", data, code=1)
    assert (done["status"], done["total"], done["succeeded"], done["failed"]) == ("completed", FILES, FILES - 1, 1)
    assert done["failures"] == [{"id": gone, "reason": "file_missing", "message": "Its file is not there."}]
    again = command("reprocess", "", "--filters", '{"type": "text"}', "--data", data, check=False)
    assert again.returncode == 1
    assert f"completed: 0 changed, {FILES - 1} skipped, 1 failed of {FILES}" in again.stdout
    assert f"failed: {gone}: Its file is not there." in again.stdout
    shown = answer("operations", "show", done["operation_id"], "--data", data)
    assert (shown["status"], shown["failures"]) == ("completed", done["failures"])
    listed = answer("operations", "list", "--data", data)
    assert (listed["total_count"], {each["type"] for each in listed["operations"]}) == (2, {"reprocess"})
    assert answer("operations", "cancel", done["operation_id"], "--data", data)["status"] == "completed"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["width:>"], 2),
        ([], 2),
        (["x", "--resume", "reprocess_1"], 2),
        (["--resume", "reprocess_nothing"], 1),
        (["x", "--filters", "{"], 2),
    ],
    ids=str,
)
def test_what_is_wrong_is_said(data: Path, arguments: list[str], code: int) -> None:
    done = command("reprocess", *arguments, "--data", data, check=False)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("error: ")


@pytest.mark.processes
def test_an_interrupted_command_leaves_the_operation_to_be_resumed(data: Path) -> None:
    make_old(data)
    line = [sys.executable, "-m", "service", "reprocess", "", "--data", str(data), "--json"]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: operation(data)[1] > 0, "some files are read")
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    reached = json.loads(out)
    assert reached["status"] == "queued"
    assert 0 < reached["succeeded"] < FILES
    done = printed("reprocess", "--resume", reached["operation_id"], "--data", data)
    assert (done["status"], done["total"], done["succeeded"]) == ("completed", FILES, FILES)


@pytest.mark.processes
def test_a_running_service_and_the_command_share_the_work(data: Path) -> None:
    make_old(data)
    with served(data) as service:
        service.until_ready()
        done = printed("reprocess", "text", "--data", data)
    assert (done["status"], done["succeeded"], done["failed"]) == ("completed", FILES, 0)
