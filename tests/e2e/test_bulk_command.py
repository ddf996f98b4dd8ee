"""``assetry bulk`` and the undoing of operations as a user calls them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import answer, command

FILES = 12


def library(place: Path) -> Path:
    folder = place / "texts"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"text {number:02}.txt").write_text(f"Text number {number}.")
    data = place / "data"
    assert answer("import", folder, "--data", data)["imported"] == FILES
    return data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return library(tmp_path)


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library for commands that change nothing."""
    return library(tmp_path_factory.mktemp("bulk"))


def titles(data: Path, query: str = "") -> list[str]:
    found = answer("search", query, "--sort", "title", "--data", data)["results"]
    return [asset["title"] for asset in found]


def test_an_update_and_its_undoing(data: Path) -> None:
    before = titles(data)
    edits = ("--title-prefix", "Read: ", "--add-tag", "read", "--set", '{"license": "CC0"}', "--data", data)
    dry = answer("bulk", "update", "text", *edits, "--dry-run")
    assert (dry["total"], len(dry["items"])) == (FILES, FILES)
    assert dry["items"][0]["after"]["license"] == "CC0"
    assert titles(data) == before
    shown = command("bulk", "update", "text", *edits, "--dry-run").stdout
    assert f"{FILES} assets" in shown
    assert '"text 00" → "Read: text 00"' in shown
    done = answer("bulk", "update", "text", *edits)
    assert (done["status"], done["succeeded"], done["failed"]) == ("completed", FILES, 0)
    assert titles(data) == [f"Read: {title}" for title in before]
    assert titles(data, "tags:read license:CC0") == titles(data)
    again = command("bulk", "update", "text", *edits)
    assert f"completed: 0 changed, {FILES} skipped, 0 failed of {FILES}" in again.stdout
    back = command("operations", "undo", done["operation_id"], "--data", data)
    assert f"completed: {FILES} changed back, 0 skipped, 0 failed of {FILES}" in back.stdout
    assert titles(data) == before
    ended = answer("operations", "resume", done["operation_id"], "--data", data)
    assert (ended["status"], ended["succeeded"]) == ("completed", FILES), "it has ended, and stays as it is"


def test_a_delete(data: Path) -> None:
    assert answer("bulk", "delete", "title:00", "--dry-run", "--data", data)["total"] == 1
    refused = command("bulk", "delete", "", "--data", data, check=False)
    assert refused.returncode == 2
    assert f"Move {FILES} assets to the trash? There is nobody to ask." in refused.stderr
    assert "--yes" in refused.stderr
    assert len(titles(data)) == FILES
    trashed = answer("bulk", "delete", "title:00", "--yes", "--data", data)
    assert (trashed["succeeded"], len(titles(data))) == (1, FILES - 1)
    gone = answer("bulk", "delete", "title:01", "--yes", "--permanent", "--reason", "old", "--data", data)
    assert (gone["succeeded"], len(titles(data))) == (1, FILES - 2)
    [backup] = answer("backups", "list", "--data", data)
    assert backup["title"] == "text 01"
    assert answer("backups", "restore", backup["id"], "--data", data)["restored_from"] == backup["asset_id"]
    assert answer("operations", "undo", trashed["operation_id"], "--data", data)["succeeded"] == 1
    assert len(titles(data)) == FILES


@pytest.mark.parametrize(
    "words",
    [
        ["update", "text"],
        ["update", "text", "--set", "{"],
        ["update", "text", "--set", "[]"],
        ["update", "text", "--set", '{"colour": "red"}'],
        ["update", "nosuchfield:x", "--add-tag", "a"],
        ["update", "text", "--add-tag", "a", "--filters", "{"],
        ["delete", "width:>", "--yes"],
    ],
    ids=" ".join,
)
def test_what_is_wrong_is_said(unchanged: Path, words: list[str]) -> None:
    done = command("bulk", *words, "--data", unchanged, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    listed: Any = answer("operations", "list", "--data", unchanged)
    assert listed["total_count"] == 0
