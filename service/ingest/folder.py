"""The walk over folders to import: sorted, skipping symbolic links and hidden files, in bounded memory."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.printable import readable


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file: its path, the given path it was found under, and its POSIX path below that (or its own name).

    ``relative`` is text even where the name is not: see :func:`service.printable.readable`. ``path`` opens the file.
    """

    path: Path
    root: Path
    relative: str


@dataclass(frozen=True, slots=True)
class SkippedPath:
    """A path that was skipped, and why: ``hidden``, ``symlink``, ``special``, ``unreadable`` or ``missing``.

    ``given``: it was named, not found. ``message`` says what the system says of an unreadable or missing one.
    """

    path: Path
    reason: str
    given: bool = False
    message: str = ""


OnSkip = Callable[[SkippedPath], None]


def walk(paths: Sequence[Path], on_skip: OnSkip | None = None) -> Iterator[FoundFile]:
    """Yield every regular file below the given paths once, always in the same order.

    A given path may be a file or a symbolic link, since the user named it. Links below it are skipped: their targets
    are either found anyway or outside the given paths. Hidden files and folders are skipped. ``on_skip`` is called for
    each skipped path. Memory grows with the largest folder and the depth, not with the number of files.
    """
    report: OnSkip = on_skip or (lambda skipped: None)
    for root in _distinct(paths, report):
        try:
            mode = root.stat().st_mode
        except OSError as error:
            report(SkippedPath(root, "unreadable", given=True, message=_said(error)))
            continue
        if stat.S_ISDIR(mode):
            yield from _below(root, report)
        elif stat.S_ISREG(mode):
            yield from _file(root, root, root.name, report)
        else:
            report(SkippedPath(root, "special", given=True))


def _distinct(paths: Sequence[Path], report: OnSkip) -> Iterator[Path]:
    """Drop paths that do not exist or are below another given path, whose files would be found twice."""
    resolved: dict[Path, Path] = {}
    for path in paths:
        try:
            resolved.setdefault(path.resolve(strict=True), path)
        except (FileNotFoundError, NotADirectoryError) as error:
            report(SkippedPath(path, "missing", given=True, message=_said(error)))
        except OSError as error:
            report(SkippedPath(path, "unreadable", given=True, message=_said(error)))
        except RuntimeError:  # a symbolic link loop
            report(SkippedPath(path, "unreadable", given=True, message="the symbolic link leads to itself"))
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
        match _kind(entry, path, report):
            case "folder":
                stack.append(_entries(path, report))
            case "file":
                yield from _file(path, root, path.relative_to(root).as_posix(), report)


def _kind(entry: os.DirEntry[str], path: Path, report: OnSkip) -> str | None:
    """Return whether an entry is a ``file`` or a ``folder``; None for what is skipped, after reporting it."""
    if entry.name.startswith("."):
        report(SkippedPath(path, "hidden"))
        return None
    try:
        if entry.is_symlink():
            report(SkippedPath(path, "symlink"))
        elif entry.is_dir(follow_symlinks=False):
            return "folder"
        elif entry.is_file(follow_symlinks=False):
            return "file"
        else:
            report(SkippedPath(path, "special"))
    except OSError as error:  # where the listing does not tell, the file system is asked
        report(SkippedPath(path, "unreadable", message=_said(error)))
    return None


def _entries(folder: Path, report: OnSkip) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return iter(sorted(entries, key=lambda entry: os.fsencode(entry.name)))
    except OSError as error:
        report(SkippedPath(folder, "unreadable", message=_said(error)))
        return iter(())


def _file(path: Path, root: Path, relative: str, report: OnSkip) -> Iterator[FoundFile]:
    if os.access(path, os.R_OK):
        yield FoundFile(path, root, readable(relative))
    else:
        report(SkippedPath(path, "unreadable", message=os.strerror(errno.EACCES)))


def _said(error: OSError) -> str:
    return error.strerror or str(error)
