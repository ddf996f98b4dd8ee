"""The walk over folders to import: sorted, skipping symbolic links and hidden files, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file: its path, the given path it was found under, and its POSIX path below that (or its own name).

    ``relative`` is safe for JSON: bytes that are not UTF-8 become U+FFFD. ``path`` always opens the file.
    """

    path: Path
    root: Path
    relative: str


@dataclass(frozen=True, slots=True)
class SkippedPath:
    """A path that was skipped, and why: ``hidden``, ``symlink``, ``special``, ``unreadable`` or ``missing``."""

    path: Path
    reason: str


OnSkip = Callable[[SkippedPath], None]


def walk(paths: Sequence[Path], on_skip: OnSkip | None = None) -> Iterator[FoundFile]:
    """Yield every regular file below the given paths once, always in the same order.

    A given path may be a file or a symbolic link, since the user named it. Links below it are skipped: their targets
    are either found anyway or outside the given paths. Hidden files and folders are skipped. ``on_skip`` is called for
    each skipped path. Memory grows with the largest folder and the depth, not with the number of files.
    """
    report: OnSkip = on_skip or (lambda skipped: None)
    for root in _distinct(paths, report):
        if root.is_dir():
            yield from _below(root, report)
        elif root.is_file():
            yield from _file(root, root, root.name, report)
        else:
            report(SkippedPath(root, "special"))


def _distinct(paths: Sequence[Path], report: OnSkip) -> Iterator[Path]:
    """Drop paths that do not exist or are below another given path, whose files would be found twice."""
    resolved: dict[Path, Path] = {}
    for path in paths:
        try:
            resolved.setdefault(path.resolve(strict=True), path)
        except (OSError, RuntimeError):  # RuntimeError: a symbolic link loop
            report(SkippedPath(path, "missing"))
    for real, path in resolved.items():
        if not any(other in real.parents for other in resolved):
            yield path


def _below(root: Path, report: OnSkip) -> Iterator[FoundFile]:
    stack = [_entries(root, report)]
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
            continue
        path = Path(entry.path)
        if entry.name.startswith("."):
            report(SkippedPath(path, "hidden"))
        elif entry.is_symlink():
            report(SkippedPath(path, "symlink"))
        elif entry.is_dir(follow_symlinks=False):
            stack.append(_entries(path, report))
        elif entry.is_file(follow_symlinks=False):
            yield from _file(path, root, path.relative_to(root).as_posix(), report)
        else:
            report(SkippedPath(path, "special"))


def _entries(folder: Path, report: OnSkip) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return iter(sorted(entries, key=lambda entry: os.fsencode(entry.name)))
    except OSError:
        report(SkippedPath(folder, "unreadable"))
        return iter(())


def _file(path: Path, root: Path, relative: str, report: OnSkip) -> Iterator[FoundFile]:
    if os.access(path, os.R_OK):
        yield FoundFile(path, root, os.fsencode(relative).decode("utf-8", "replace"))
    else:
        report(SkippedPath(path, "unreadable"))
