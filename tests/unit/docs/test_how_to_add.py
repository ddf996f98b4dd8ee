"""The pages "Add a …": following them to the letter gives a working kind, field, route, dialect and operation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.how_to import ROOT, copied, edited, follow, steps

PAGES = sorted((ROOT / "docs").glob("how-to-add-*.md"))
LINES = 80
"""One screen, blank lines left out: more is too much to read for somebody who only wants to add one thing."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_edit_has_its_place_and_the_page_proves_itself(page: Path, tmp_path: Path) -> None:
    found = list(steps(page.read_text()))
    assert any(step.file.startswith("tests/") for step in found), "the page adds no test"
    assert any("./scripts/test tests/" in step.text for step in found), "the page does not run its test"
    follow(page, copied(tmp_path / "project"), commands=())


@pytest.mark.processes
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_following_the_page_gives_what_it_promises(page: Path, tmp_path: Path) -> None:
    follow(page, copied(tmp_path / "project"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_fits_on_a_screen(page: Path) -> None:
    assert len([line for line in page.read_text().splitlines() if line]) <= LINES


@pytest.mark.processes
@pytest.mark.timeout(600)
def test_what_the_pages_add_passes_the_checks(tmp_path: Path) -> None:
    project = copied(tmp_path / "project")
    edited_files = [file for page in PAGES for file in follow(page, project, commands=["./scripts/docs"])]
    touched = sorted({file for file in edited_files if file.endswith(".py")})
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
