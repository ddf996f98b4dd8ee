"""The walk over folders to import: sorted, without links, without hidden files, in flat memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file: where it is, under which given path, and its POSIX path below that (or its own name).

    ``relative`` is fit for JSON: bytes that are no UTF-8 show as U+FFFD. ``path`` opens the file in any case.
    """

    path: Path
    root: Path
    relative: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """What the walk passed over, and why: ``hidden``, ``symlink``, ``special``, ``unreadable`` or ``missing``."""

    path: Path
    reason: str


OnSkip = Callable[[Skipped], None]


def walk(paths: Sequence[Path], on_skip: OnSkip | None = None) -> Iterator[Found]:
    """Yield every regular file below the given paths, each once, in the same order every time.

    A given path may be a file or a link: the user named it. Below it links are skipped, since what they lead to is
    either found by itself or outside of what was named. Hidden files and folders are skipped. ``on_skip`` hears of
    each skip. Memory grows with the largest single folder and the depth, not with the number of files.
    """
    report: OnSkip = on_skip or (lambda skipped: None)
    for root in _distinct(paths, report):
        if root.is_dir():
            yield from _below(root, report)
        elif root.is_file():
            yield from _file(root, root, root.name, report)
        else:
            report(Skipped(root, "special"))


def _distinct(paths: Sequence[Path], report: OnSkip) -> Iterator[Path]:
    """Drop paths that do not exist, and those below another given one: their files would come twice."""
    resolved: dict[Path, Path] = {}
    for path in paths:
        try:
            resolved.setdefault(path.resolve(strict=True), path)
        except (OSError, RuntimeError):  # RuntimeError: a link that leads to itself
            report(Skipped(path, "missing"))
    for real, path in resolved.items():
        if not any(other in real.parents for other in resolved):
            yield path


def _below(root: Path, report: OnSkip) -> Iterator[Found]:
    stack = [_entries(root, report)]
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
            continue
        path = Path(entry.path)
        if entry.name.startswith("."):
            report(Skipped(path, "hidden"))
        elif entry.is_symlink():
            report(Skipped(path, "symlink"))
        elif entry.is_dir(follow_symlinks=False):
            stack.append(_entries(path, report))
        elif entry.is_file(follow_symlinks=False):
            yield from _file(path, root, path.relative_to(root).as_posix(), report)
        else:
            report(Skipped(path, "special"))


def _entries(folder: Path, report: OnSkip) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return iter(sorted(entries, key=lambda entry: os.fsencode(entry.name)))
    except OSError:
        report(Skipped(folder, "unreadable"))
        return iter(())


def _file(path: Path, root: Path, relative: str, report: OnSkip) -> Iterator[Found]:
    if os.access(path, os.R_OK):
        yield Found(path, root, os.fsencode(relative).decode("utf-8", "replace"))
    else:
        report(Skipped(path, "unreadable"))
