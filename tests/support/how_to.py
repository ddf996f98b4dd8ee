"""Follow a how-to page of ``docs/`` in a copy of the project, as a reader would with an editor and a terminal.

What the blocks of such a page mean:

- ``python``: a new file with this content;
- ``diff``: an edit. Its lines without ``+`` and ``-`` say where, so they must stand in the file exactly once; a line
  ``@@`` parts one place from the next;
- ``sh``: commands, of those that :func:`run` knows.

The file of the first two is the first path in backquotes of the paragraph before the block.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_COPIED = ("service", "indexer", "query", "mappings", "scripts", "tests", "docs", "pyproject.toml", "README.md")
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PATH = re.compile(r"`([\w./-]+/[\w.-]+\.\w+)`")


@dataclass(frozen=True)
class Step:
    """One block of a page: its language, its text, and the file that it is about ("" for commands)."""

    language: str
    text: str
    file: str = ""


def steps(page: str) -> Iterator[Step]:
    """Yield the blocks of a page in order."""
    end = 0
    for block in _FENCE.finditer(page):
        named = _PATH.findall(page[end : block.start()].strip().rpartition("\n\n")[2])
        language, text = block.groups()
        if language in ("python", "diff"):
            assert named, f"no file is named before:\n{text}"
        yield Step(language, text, named[0] if named and language != "sh" else "")
        end = block.end()


def copied(target: Path) -> Path:
    """Copy the project to a folder that does not exist yet, and return it."""
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("data"))
        else:
            shutil.copy2(source, target / name)
    return target


def follow(page: Path, project: Path, *, commands: Collection[str] = ("./scripts/docs", "./scripts/test")) -> list[str]:
    """Do what a page says to a copy of the project, and return the paths of the files that it touched.

    Only these ``commands`` are run.
    """
    touched: dict[str, None] = {}
    for step in steps(page.read_text()):
        path = project / step.file
        match step.language:
            case "python":
                assert not path.exists(), f"{page.name} makes {step.file}, which exists"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(step.text)
            case "diff":
                path.write_text(edited(path.read_text(), step.text, f"{page.name}: {step.file}"))
            case "sh":
                for line in step.text.splitlines():
                    run(line, project, commands)
        if step.file:
            touched[step.file] = None
    return list(touched)


def edited(text: str, diff: str, where: str) -> str:
    """Return the text with the edits of a ``diff`` block."""
    for hunk in re.split(r"^@@.*\n", diff, flags=re.MULTILINE):
        lines = hunk.splitlines(keepends=True)
        if not lines:
            continue
        assert all(line[0] in " +-\n" for line in lines), f"{where}: not a diff:\n{hunk}"
        old = "".join(line[1:] or "\n" for line in lines if line[0] != "+")
        new = "".join(line[1:] or "\n" for line in lines if line[0] != "-")
        places = [found.start() for found in re.finditer(f"^(?={re.escape(old)})", text, re.MULTILINE)]
        assert len(places) == 1, f"{where}: this must stand there once:\n{old}"
        text = text[: places[0]] + new + text[places[0] + len(old) :]
    return text


def run(line: str, project: Path, commands: Collection[str]) -> None:
    """Run a command of a page in the copy, with this run's Python, if it is one of ``commands``."""
    name, *arguments = line.split()
    match name:
        case "./scripts/test":
            command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        case "./scripts/docs":
            command = ["scripts/docs"]
        case "./scripts/check" | ".venv/bin/assetry":
            return  # the one is a test of its own, the other is run with the commands of all pages
        case _:
            raise AssertionError(f"a page has a command that its test does not know: {line}")
    if name not in commands:
        return
    done = subprocess.run([sys.executable, *command], cwd=project, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, f"{line}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
