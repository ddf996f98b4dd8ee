"""What the documentation names of the source exists: paths, modules, and the functions of the walks."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.support.how_to import ROOT, steps

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
ARCHITECTURE = ROOT / "docs" / "explain-architecture.md"
_TOPS = r"(?:service|indexer|query|mappings|scripts|tests|docs|\.ci)"
_PATH = re.compile(rf"(?<![\w/.-]){_TOPS}/[\w./-]*[\w/]")
_MODULE = re.compile(r"`((?:service|indexer|query|mappings)(?:\.\w+)+)`")
_WALK = re.compile(r"<!-- walk: (\w+) -->\n(.*?)<!-- end of walk -->", re.DOTALL)
_ROW = re.compile(r"^\| (?:`(.+?)/`)? ?\| `(\S+?\.py)` \| (.*) \|$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_exists(page: Path) -> None:
    text = page.read_text()
    made = {step.file for step in steps(text) if step.language == "python"} if "how-to-add" in page.name else set()
    made |= {folder.as_posix() for file in made for folder in Path(file).parents}
    missing = [path for path in _PATH.findall(text) if path.rstrip("/") not in made and not (ROOT / path).exists()]
    assert not missing, f"{page.name} names {missing}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_module_exists(page: Path) -> None:
    for name in _MODULE.findall(page.read_text()):
        path = ROOT / name.replace(".", "/")
        # The last part may be a name in the module.
        modules = (path, path.with_suffix(".py"), path.parent.with_suffix(".py"))
        assert any(module.exists() for module in modules), f"{page.name} names {name}"


@pytest.mark.parametrize("walk", ["search", "write"])
def test_every_function_of_a_walk_exists(walk: str) -> None:
    for file, functions in walk_table(walk).items():
        missing = set(functions) - functions_of(ROOT / file)
        assert not missing, f"{file} has no {sorted(missing)}: run ./scripts/walk --update"


def walk_table(walk: str) -> dict[str, list[str]]:
    """Return the functions by file that the page shows for a walk, after checking its totals."""
    (table,) = [table for name, table in _WALK.findall(ARCHITECTURE.read_text()) if name == walk]
    files: dict[str, list[str]] = {}
    folder = ""
    for named, file, functions in _ROW.findall(table):
        folder = named or folder
        files[f"{folder}/{file}"] = re.findall(r"`(.+?)`", functions)
    assert f"Files {len(files)}, functions {sum(map(len, files.values()))}." in table
    return files


def functions_of(path: Path) -> set[str]:
    """Return the qualified names of a file's functions, nested ones with the function that they are in."""
    found = set()

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(prefix + child.name)
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                visit(child, f"{prefix}{child.name}.")
            else:
                visit(child, prefix)

    visit(ast.parse(path.read_text()), "")
    return found
