"""The pages "Add a …": following them to the letter gives a working kind, field, route, dialect and operation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.how_to import ROOT, copied, edited, follow, steps

PAGES = sorted((ROOT / "docs").glob("how-to-add-*.md"))
LINES = 80
"""One screen: more than that is read by nobody who only wants to add one thing."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_whoever_follows_the_page_has_what_it_promises(page: Path, tmp_path: Path) -> None:
    text = page.read_text()
    # A page proves itself: its last steps write a test of what was added, and run it.
    assert any(step.file.startswith("tests/") for step in steps(text)), "the page has no test"
    assert "./scripts/test tests/" in text
    follow(page, copied(tmp_path / "project"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_fits_on_a_screen(page: Path) -> None:
    assert len(page.read_text().splitlines()) <= LINES


@pytest.mark.processes
@pytest.mark.timeout(600)
def test_what_the_pages_add_passes_the_checks(tmp_path: Path) -> None:
    project = copied(tmp_path / "project")
    touched = [file for page in PAGES for file in follow(page, project, tests=False) if file.endswith(".py")]
    programs = Path(sys.executable).parent
    for command in (
        [f"{programs}/ruff", "format", "--check", *touched],
        [f"{programs}/ruff", "check", *touched],
        [f"{programs}/lint-imports", "--no-cache"],
        [f"{programs}/mypy", *touched],
        [sys.executable, "scripts/docs", "--check"],
    ):
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{command[0]}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"


def test_an_edit_that_has_no_place_or_two_is_refused() -> None:
    assert edited("a\nb\n", " a\n+x\n", "here") == "a\nx\nb\n"
    assert edited("a\nb\nc\n", "-a\n@@\n b\n+x\n", "here") == "b\nx\nc\n"
    for text in ("b\n", "a\na\n"):
        with pytest.raises(AssertionError, match="must stand there once"):
            edited(text, " a\n+x\n", "here")
