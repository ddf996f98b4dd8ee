from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.indexing import Nursery, nursery
from tests.support.engine_process import osmem


@pytest.fixture(scope="module")
def processes() -> Iterator[Nursery]:
    """Where supervised processes of the indexer come from."""
    with nursery() as made:
        yield made


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    """The URL of an engine that no process of the indexer starts or ends."""
    with osmem() as url:
        yield url
