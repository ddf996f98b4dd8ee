"""What `scripts/audit` makes of pip-audit's report."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "audit"


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = spec_from_loader("audit", SourceFileLoader("audit", str(SCRIPT)))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_vulnerabilities_are_listed_and_what_was_skipped_is_not_counted(audit: ModuleType) -> None:
    report = {
        "dependencies": [
            {"name": "a", "version": "1", "vulns": []},
            {"name": "b", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3", "4"]}]},
            {"name": "c", "version": "1", "vulns": [{"id": "CVE-2", "fix_versions": []}]},
            {"name": "d", "skip_reason": "Dependency not found"},
        ]
    }
    assert audit.findings(report) == (3, ["b 2: CVE-1 (fixed in 3, 4)", "c 1: CVE-2 (fixed in no version yet)"])
