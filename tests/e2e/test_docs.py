"""The documentation: links lead somewhere, commands and calls in it run, every setting and route is described."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.demo.library import make_library
from tests.support.processes import Served, assetry, printed, served

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#:\s]+)(#[^)]*)?\)")


def _commands(page: Path) -> Iterator[str]:
    """Yield the shell commands of a page, continued lines joined."""
    for block in _BLOCK.findall(page.read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip() and not line.startswith("#"):
                yield line.strip()


ENDLESS = (" serve ", " work ", " index follow ")
"""Commands that go on until they are told to stop."""

COMMANDS = [
    pytest.param(line, id=f"{page.name}: {line[:60]}")
    for page in PAGES
    for line in _commands(page)
    if line.startswith(".venv/bin/assetry") and not any(word in f"{line} " for word in ENDLESS)
]
# Calls that are written with $API are a page's own story: tests/api/test_how_to_search.py runs it whole, in order.
CALLS = [line for page in PAGES for line in _commands(page) if line.startswith("curl") and "http://" in line]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("docs")
    make_library(place / "Pictures", count=25, seed=5)
    printed("import", place / "Pictures", "--data", place / "my-library")
    return place


@pytest.fixture(scope="module")
def service(place: Path) -> Iterator[Served]:
    with served(place / "my-library") as service:
        service.until_ready()
        yield service


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, _ in _LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.processes
@pytest.mark.parametrize("line", COMMANDS)
def test_commands_run(service: Served, place: Path, line: str) -> None:
    key_id = printed("keys", "create", "--org", "acme", "--user", "kim", "--data", service.data)["id"]
    words = shlex.split(line.split(" &")[0].split(" #")[0])[1:]
    stand_ins = {
        "my-library": str(service.data),
        "~/Pictures": str(place / "Pictures"),
        "PATH…": str(place / "Pictures"),
        "key_XXXXXXXXXXXX": key_id,
    }
    assetry(*(stand_ins.get(word, word) for word in words))


@pytest.mark.parametrize("line", CALLS)
def test_calls_answer(service: Served, line: str) -> None:
    words = shlex.split(line)
    (url,) = (word for word in words if word.startswith("http"))
    headers = {"Authorization": f"Bearer {service.key()}"}
    answer = httpx.get(url.replace("http://127.0.0.1:8080", service.url), headers=headers)
    assert answer.status_code == 200, answer.text


def test_the_readme_names_files_that_exist() -> None:
    table = (ROOT / "README.md").read_text().split("## To change X, open Y")[1].split("## ")[0]
    for name in re.findall(r"`([\w/.]+(?:\.py|/))`", table):
        assert (ROOT / name).exists(), name


def test_every_page_is_reached_from_the_readme() -> None:
    linked = {target.split("/")[-1] for target, _ in _LINK.findall((ROOT / "README.md").read_text())}
    assert {page.name for page in PAGES[1:]} <= linked
