"""What was measured at each size, kept as JSON, and the Markdown tables of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.benchlib import Timing
from scripts.scalelib.measurements import MEASUREMENTS, Measurement
from scripts.scalelib.timing import Figures

NONE = "–"
Samples = dict[str, list[float]]
KINDS = ("api", "engine")


@dataclass
class Results:
    """Samples by size, name of the measurement, and kind: `api`, or `engine` for the same bodies sent to it."""

    found: dict[int, dict[str, Samples]] = field(default_factory=dict)
    notes: dict[int, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Results:
        """Return the results in a file; none if there is no file."""
        held = json.loads(path.read_text()) if path.exists() else {"samples": {}, "notes": {}}
        return cls(*({int(size): rows for size, rows in held[name].items()} for name in ("samples", "notes")))

    def save(self, path: Path) -> None:
        """Write the results to a file."""
        path.write_text(json.dumps({"samples": self.found, "notes": self.notes}, indent=1))

    def add(self, size: int, measurement: Measurement, figures: Figures) -> None:
        """Keep what a measurement gave; nothing if it could not be taken."""
        if figures.api:
            self.found.setdefault(size, {})[measurement.name] = {"api": figures.api, "engine": figures.engine}
            self.notes.setdefault(size, {})[measurement.name] = figures.note

    @property
    def sizes(self) -> list[int]:
        """The sizes with results."""
        return sorted(self.found)

    def at(self, size: int, name: str, kind: str = "api", share: float = 0.5) -> float | None:
        """Return a percentile of a measurement, None if it was not taken."""
        times = self.found.get(size, {}).get(name, {}).get(kind)
        return Timing(times).at(share) if times else None

    def summary(self) -> list[dict[str, object]]:
        """Return a row for each size and measurement: p50 and p95, and what it was like."""
        return [
            {
                "records": size,
                "measurement": one.name,
                "unit": one.unit,
                "goal": one.goal,
                "note": self.notes[size].get(one.name, ""),
                **{
                    f"{kind}_p{share}": self.at(size, one.name, kind, share / 100)
                    for kind in KINDS
                    for share in (50, 95)
                },
            }
            for size in self.sizes
            for one in MEASUREMENTS
            if one.name in self.found[size]
        ]

    def table(self, size: int) -> str:
        """Return the table of all measurements at a size, with the goals beside."""
        head = ("measurement", "unit", "p50", "p95", "engine alone p50", "engine alone p95", "goal at 1,000,000", "")
        return markdown([head, *self._rows(size)])

    def _rows(self, size: int) -> Iterator[Sequence[str]]:
        for one in MEASUREMENTS:
            if one.name in self.found.get(size, {}):
                cells = [shown(self.at(size, one.name, kind, share)) for kind in KINDS for share in (0.5, 0.95)]
                if len(self.found[size][one.name]["api"]) == 1:
                    cells[1] = NONE  # one sample has no percentiles
                yield one.name, one.unit, *cells, one.goal or NONE, self.notes[size].get(one.name, "")

    def growth(self) -> str:
        """Return the table of the medians over the sizes, and how often the last is the first."""
        sizes = self.sizes
        rows = [("measurement", "unit", *(f"{size:,}" for size in sizes), "grows")]
        for one in MEASUREMENTS:
            values = [self.at(size, one.name) for size in sizes]
            first, last = values[0], values[-1]
            times = f"{last / first:.1f} ×" if first and last and len(sizes) > 1 else NONE
            rows.append((one.name, one.unit, *map(shown, values), times))
        return markdown(rows)


def shown(value: float | None) -> str:
    """Return a figure with three digits or all before the point."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def markdown(rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; the first row is its head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * (lines[0].count(" | ") + 1), *lines[1:]])
