"""``scripts/bench scale``: its libraries are what the service would hold, and continue; its tables and plot hold."""

from __future__ import annotations

import os
import random
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from indexer.documents import search_document
from scripts.benchlib import asset
from scripts.scalelib import library
from scripts.scalelib.library import ORGANIZATION, WHO, Library
from scripts.scalelib.measurements import MEASUREMENTS
from scripts.scalelib.plot import svg
from scripts.scalelib.processes import processor_seconds
from scripts.scalelib.results import Results
from scripts.scalelib.timing import Figures
from scripts.scalelib.vocabulary import few, zipf
from service.core.assets.records import new_record
from service.model import AssetCreate
from service.ports.clock import SystemClock
from service.ports.store import Record
from service.runtime.base import open_base
from service.settings import load

GIVEN = frozenset(AssetCreate.model_fields)
DRAWN = {"guid", "sid", "slug"}


def small(folder: Path, records: int) -> Library:
    return Library(folder, records, zipf(500), "zipf")


async def held(folder: Path) -> dict[str, Any]:
    async with open_base(load(data=folder)) as base:
        return {record.key: record.body for record in await base.store.scan("asset", limit=10_000)}


def test_words_come_as_often_as_zipf_says() -> None:
    drawn = Counter(zipf(1000).draw(random.Random(1), 100_000))
    first, second, tenth = (drawn[zipf(1000).words[rank - 1]] for rank in (1, 2, 10))
    assert len(set(zipf(1000).words)) == 1000
    assert first / second == pytest.approx(2, rel=0.1)
    assert first / tenth == pytest.approx(10, rel=0.2)
    even = Counter(few().draw(random.Random(1), 100_000))
    assert max(even.values()) < 1.2 * min(even.values())


def test_words_that_are_searched_are_drawn_once_each() -> None:
    words = zipf(50).distinct(random.Random(1), 60)
    assert sorted(words) == sorted(zipf(50).words)


def test_a_record_is_one_that_the_service_would_make(tmp_path: Path) -> None:
    """The same members and types as a record that came through the API, and one that the projection takes whole."""
    made = next(iter(small(tmp_path, 1).batch(0).values()))
    checked = AssetCreate.model_validate({name: made[name] for name in GIVEN & made.keys() if made[name] is not None})
    expected: dict[str, Any] = {**new_record(checked, WHO, made["number"], SystemClock())}
    assert {name: value for name, value in made.items() if name not in DRAWN} == {
        name: value for name, value in expected.items() if name not in DRAWN
    }
    known = new_record(asset(random.Random(1)), WHO, 1, SystemClock())
    assert made.keys() == known.keys()
    assert made["metadata"].keys() == known["metadata"].keys()
    document = search_document(Record("asset", made["id"], 1, made, made["created_at"]))
    assert document["org_id"] == ORGANIZATION


async def test_a_library_continues_where_it_was_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "BATCH", 20)
    seen: list[int] = []
    await small(tmp_path / "whole", 70).make(seen.append)
    assert seen == [0, 20, 40, 60, 70]

    class Stopped(Exception):
        pass

    def stop(done: int) -> None:
        if done == 40:
            raise Stopped

    with pytest.raises(Stopped):
        await small(tmp_path / "parts", 70).make(stop)
    key = small(tmp_path / "parts", 70).key
    seen.clear()
    await small(tmp_path / "parts", 70).make(seen.append)
    assert seen == [40, 60, 70]
    assert small(tmp_path / "parts", 70).key == key
    assert await held(tmp_path / "parts") == await held(tmp_path / "whole")


def test_the_tables_show_what_was_measured(tmp_path: Path) -> None:
    results, (first, second, *_) = Results(), MEASUREMENTS
    results.add(10_000, first, Figures([1234.5]))
    results.add(10_000, second, Figures([2.0, 4.0, 3.0], [1.0, 1.0, 0.5], "7 found"))
    results.add(100_000, second, Figures([30.0], [10.0]))
    results.add(100_000, first, Figures([]))  # could not be taken
    results.save(tmp_path / "results.json")
    results = Results.load(tmp_path / "results.json")
    assert results.table(10_000).splitlines()[2:] == [
        f"| {first.name} | {first.unit} | 1,234 | – | – | – | {first.goal or '–'} |  |",
        f"| {second.name} | {second.unit} | 3.0 | 4.0 | 1.0 | 1.0 | {second.goal} | 7 found |",
    ]
    rows = [line.split(" | ") for line in results.growth().splitlines()]
    assert rows[0][2:] == ["10,000", "100,000", "grows |"]
    assert rows[2][2:] == ["1,234", "–", "– |"]
    assert rows[3][2:] == ["3.0", "30.0", "10.0 × |"]
    assert [(row["records"], row["api_p50"]) for row in results.summary()] == [
        (10_000, 1234.5),
        (10_000, 3.0),
        (100_000, 30.0),
    ]


def test_names_of_measurements_are_unique() -> None:
    names = [one.name for one in MEASUREMENTS]
    assert len(set(names)) == len(names)


def test_the_plot_is_a_picture_with_a_line_for_each_measurement() -> None:
    picture = svg({"a < b": [(10, 2), (100, 20)], "c": [(10, 0.5)]}, across="records", up="ms")
    root = ET.fromstring(picture)
    lines = [element for element in root if element.tag.endswith("polyline")]
    (first, second) = [
        [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()] for line in lines
    ]
    assert first[0][0] == second[0][0] < first[1][0]
    assert second[0][1] > first[0][1] > first[1][1]  # higher values are further up
    assert "a < b" in [element.text for element in root]


def test_processor_time_rises_with_work() -> None:
    before = processor_seconds(os.getpid())
    if before is None:
        pytest.skip("this system has no /proc")
    sum(number * number for number in range(3_000_000))
    after = processor_seconds(os.getpid())
    assert after is not None
    assert after > before
