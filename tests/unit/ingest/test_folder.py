from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.ingest.folder import SkippedPath, walk


def made(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def names(*paths: Path) -> tuple[list[str], list[tuple[str, str]]]:
    skipped: list[SkippedPath] = []
    found = [each.relative for each in walk(paths, skipped.append)]
    return found, sorted((each.path.name, each.reason) for each in skipped)


def test_sorted_recursive_and_without_hidden_ones(tmp_path: Path) -> None:
    made(tmp_path, "b/2.txt", "b/1.txt", "a.txt", "c.txt", ".hidden", ".git/config", "b/.DS_Store", "Z.txt")
    found, skipped = names(tmp_path)
    assert found == ["Z.txt", "a.txt", "b/1.txt", "b/2.txt", "c.txt"]
    assert skipped == [(".DS_Store", "hidden"), (".git", "hidden"), (".hidden", "hidden")]


def test_links_and_pipes_are_skipped_and_reported(tmp_path: Path) -> None:
    root = made(tmp_path / "root", "real.txt", "deep/file.txt")
    (root / "link.txt").symlink_to("real.txt")
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "broken").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    found, skipped = names(root)
    assert found == ["deep/file.txt", "real.txt"]
    assert skipped == [("broken", "symlink"), ("link.txt", "symlink"), ("loop", "symlink"), ("pipe", "special")]


def test_what_the_user_names_is_followed(tmp_path: Path) -> None:
    root = made(tmp_path / "root", "a.txt")
    link, hidden = tmp_path / "link", made(tmp_path, ".hidden.txt") / ".hidden.txt"
    link.symlink_to(root, target_is_directory=True)
    assert names(link) == (["a.txt"], [])
    assert names(hidden) == ([".hidden.txt"], [])
    assert names(root / "a.txt") == (["a.txt"], [])


def test_overlapping_paths_yield_each_file_once(tmp_path: Path) -> None:
    root = made(tmp_path, "a/1.txt", "b/2.txt")
    assert names(root, root / "a", root, root / "b" / "2.txt") == (["a/1.txt", "b/2.txt"], [])
    assert names(root / "b", root / "a") == (["2.txt", "1.txt"], [])


def test_missing_paths_are_reported(tmp_path: Path) -> None:
    (tmp_path / "self").symlink_to("self")
    assert names(tmp_path / "no", tmp_path / "self") == ([], [("no", "missing"), ("self", "unreadable")])
    os.mkfifo(tmp_path / "pipe")
    assert names(tmp_path / "pipe") == ([], [("pipe", "special")])


def test_unreadable_ones_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = made(tmp_path, "shut/a.txt", "b.txt", "c.txt")
    real = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "shut":
            raise PermissionError(13, "denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "b.txt")
    assert names(root) == (["c.txt"], [("b.txt", "unreadable"), ("shut", "unreadable")])


def test_names_that_are_no_text_still_open(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    with open(raw, "w") as out:  # noqa: PTH123
        out.write("words")
    (found,) = walk([tmp_path])
    assert found.relative == "café.txt"
    assert found.path.read_text() == "words"


def test_deep_folders_need_no_recursion(tmp_path: Path) -> None:
    here = tmp_path
    for _ in range(600):
        here = here / "d"
    here.mkdir(parents=True)
    (here / "file").touch()
    assert len(names(tmp_path)[0][0].split("/")) == 601
