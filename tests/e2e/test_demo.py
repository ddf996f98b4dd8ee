"""The demonstration, from made files to tables, twice on the same folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.processes import assetry

pytestmark = pytest.mark.processes


def test_demo_once(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    first = assetry("demo", "--once", "--count", "300", "--folder", folder, "--port", "0")
    assert "300 files imported" in first.stdout
    assert first.stdout.count("GET /v1/asset-library/assets/search") == 5
    assert "API key   ak_" in first.stdout
    totals = [line for line in first.stdout.splitlines() if line.endswith(" found")]
    assert len(totals) == 5
    assert "0 found" not in totals, "every query of the demonstration finds something"
    again = assetry("demo", "--once", "--count", "300", "--folder", folder, "--port", "0")
    assert "0 files imported, 300 already present" in again.stdout
    assert [line for line in again.stdout.splitlines() if line.endswith(" found")] == totals
