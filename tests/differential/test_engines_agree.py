"""The same queries on the embedded engine and on a real OpenSearch: the same records, totals and counts.

A difference that is known is listed with its cause; one that is listed and is gone fails too.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from service.ports.search import SearchEngine
from tests.contracts.engines import GIVEN
from tests.differential.engines import ask, filled
from tests.differential.known import DIFFERENCES
from tests.differential.tables import HAND
from tests.support.library import SIZE
from tests.support.queries import generated

pytestmark = [
    pytest.mark.engines,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(
        GIVEN not in os.environ, reason=f"needs an OpenSearch: export $(scripts/engines up opensearch) sets {GIVEN}"
    ),
]

# Seeds and circles differ for causes that are listed; which of those generated do would change with the library.
_BY_HAND = ("seed", "near:")
GENERATED = [
    text
    for text in (generated(460, seed=20240615) if GIVEN in os.environ else [])
    if not any(part in text for part in _BY_HAND)
]
FACETED = [text for text in HAND[::4] if text not in DIFFERENCES]
FACETS = (
    "type,module,tags,creator,width,rating,created_at,captured_at,camera,cost.amount,is_public,taxonomy,"
    "custom.colour,custom.sizes,exif.fnumber,extra.codec"
).split(",")


@dataclass(frozen=True)
class Pair:
    """The embedded engine and the real one."""

    embedded: SearchEngine
    real: SearchEngine


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engines() -> AsyncIterator[Pair]:
    async with filled("embedded") as embedded, filled("opensearch") as real:
        yield Pair(embedded, real)


@pytest.mark.parametrize("text", [*HAND, *GENERATED])
async def test_the_same_records(engines: Pair, text: str) -> None:
    embedded, real = await ask(engines.embedded, text), await ask(engines.real, text)
    assert embedded.total == len(embedded.ids)
    assert real.total == len(real.ids)
    if text in DIFFERENCES:
        assert embedded != real, "no longer differs: take it off the list"
    else:
        assert sorted(embedded.ids ^ real.ids) == []


@pytest.mark.parametrize("text", FACETED)
async def test_the_same_counts(engines: Pair, text: str) -> None:
    embedded = await ask(engines.embedded, text, FACETS, facet_size=200)
    real = await ask(engines.real, text, FACETS, facet_size=200)
    assert embedded.facets == real.facets


async def test_the_queries_say_something(engines: Pair) -> None:
    """Most queries find some records and leave out others."""
    totals = [(await ask(engines.real, text)).total for text in (*HAND, *GENERATED)[::6]]
    assert sum(0 < total < SIZE * 0.9 for total in totals) > 0.7 * len(totals)


async def test_every_known_difference_is_asked() -> None:
    assert set(DIFFERENCES) <= {*HAND, *GENERATED}
