"""What the tests of the indexer begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.indexing import Rig, Tampered, rigged


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(tmp_path) as rig:
        yield rig


@pytest.fixture
async def tampered(tmp_path: Path) -> AsyncIterator[Rig]:
    """A rig whose engine's bulk answers a test may change."""
    async with rigged(tmp_path, Tampered()) as rig:
        yield rig
