"""The table of what `scripts/bench scale` measures: one row for each measurement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from scripts.scalelib import operations, timing
from scripts.scalelib.timing import Bench, Figures

FACETS = ("type", "module", "tags", "model")
FEW, ZIPF = "few", "zipf"
"""Libraries: of 35 words, so that each is in most records (the worst case); of a vocabulary by Zipf's law."""


@dataclass(frozen=True)
class Measurement:
    """A measurement: its name, the library, the unit, the goal as text, and how it is taken."""

    name: str
    library: str
    unit: str
    goal: str
    take: Callable[[Bench], Awaitable[Figures]]


MEASUREMENTS = (
    Measurement("build of the index", FEW, "records/s", "", operations.build),
    Measurement(
        "a word of 35 + 4 facets",
        FEW,
        "ms",
        "p50 < 250, p95 < 400",
        lambda bench: timing.search(bench, ["mountain"], FACETS, fresh=True),
    ),
    Measurement(
        "everything + 4 facets, first",
        FEW,
        "ms",
        "< 150",
        lambda bench: timing.search(bench, [""], FACETS, fresh=True),
    ),
    Measurement(
        "everything + 4 facets, asked again",
        FEW,
        "ms",
        "< 50",
        lambda bench: timing.search(bench, [""], FACETS, fresh=False),
    ),
    Measurement("Zipf words + 4 facets", ZIPF, "ms", "p95 < 200", lambda bench: timing.zipf_search(bench, FACETS)),
    Measurement(
        "`filename:*_12*`",
        FEW,
        "ms",
        "< 300",
        lambda bench: timing.search(bench, ["filename:*_12*"], (), fresh=True),
    ),
    Measurement("`/suggest?q=tags:mo`", FEW, "ms", "< 100", lambda bench: timing.suggest(bench, "tags:mo")),
    Measurement("`/suggest?q=tags:mo`, Zipf", ZIPF, "ms", "< 100", lambda bench: timing.suggest(bench, "tags:mo")),
    Measurement("`/suggest?q=mou`", FEW, "ms", "< 100", lambda bench: timing.suggest(bench, "mou")),
    Measurement("`/suggest?q=mo`, Zipf", ZIPF, "ms", "< 100", lambda bench: timing.suggest(bench, "mo")),
    Measurement("first page of a cursor", FEW, "ms", "< 150", timing.first_page),
    Measurement("`index status`, the whole command", FEW, "ms", "< 1,000", operations.index_status),
    Measurement("write to searchable, two clients searching", ZIPF, "ms", "< 800", operations.searchable),
    Measurement("`index verify`", FEW, "s", "< 90", operations.verify),
    Measurement("idle service on SQLite", FEW, "% of a core", "< 1", operations.idle),
    Measurement("the same while another process reindexes", FEW, "% of a core", "< 1", operations.idle_beside_reindex),
)
