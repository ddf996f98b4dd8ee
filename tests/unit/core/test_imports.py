from __future__ import annotations

from pathlib import Path

import pytest

from service.core.access.keys import Principal
from service.core.assets.imports import CHUNK, ImportOutcome, Imports, Source
from service.errors import NotAllowed
from tests.unit.core.fakes import Clock, Facts, Shelf


def _sources(folder: Path, contents: list[bytes]) -> list[Source]:
    found = []
    for number, content in enumerate(contents):
        path = folder / f"file {number}.txt"
        path.write_bytes(content)
        found.append(Source(path, path.name))
    return found


@pytest.fixture
def imports(shelf: Shelf, clock: Clock) -> Imports:
    return Imports(shelf.store, shelf.files, shelf.reader, clock, concurrency=4)


async def test_equal_files_once_and_again_nothing(
    imports: Imports, shelf: Shelf, who: Principal, tmp_path: Path
) -> None:
    sources = _sources(tmp_path, [b"one", b"two", b"one", b"bad", *(b"%d" % n for n in range(CHUNK))])
    heard: list[ImportOutcome] = []
    summary = await imports.run(who, sources, heard.append)
    assert (summary.imported, summary.duplicates, len(summary.failed)) == (CHUNK + 2, 1, 1)
    assert summary.seen == len(heard) == len(sources)
    assert await shelf.store.count("asset", {"org_id": "acme"}) == CHUNK + 2
    again = await imports.run(who, sources, heard.append)
    assert (again.imported, again.duplicates, len(again.failed)) == (0, CHUNK + 3, 1)


async def test_equal_titles_are_no_obstacle(imports: Imports, shelf: Shelf, who: Principal, tmp_path: Path) -> None:
    shelf.reader.facts = Facts(title="The same")
    summary = await imports.run(who, _sources(tmp_path, [b"%d" % n for n in range(10)]), lambda _: None)
    assert summary.imported == 10
    slugs = {record.body["slug"] for record in (await shelf.store.find("asset", {})).records}
    assert len(slugs) == 10
    assert "the-same" in slugs


async def test_two_imports_at_once_double_nothing(shelf: Shelf, clock: Clock, who: Principal, tmp_path: Path) -> None:
    import asyncio

    sources = _sources(tmp_path, [b"%d" % n for n in range(30)])
    several = [Imports(shelf.store, shelf.files, shelf.reader, clock, concurrency=4) for _ in range(3)]
    summaries = await asyncio.gather(*(one.run(who, sources, lambda _: None) for one in several))
    assert sum(summary.imported for summary in summaries) == 30
    assert all(not summary.failed for summary in summaries)


async def test_a_file_that_vanishes_is_reported(imports: Imports, who: Principal, tmp_path: Path) -> None:
    sources = [*_sources(tmp_path, [b"one"]), Source(tmp_path / "gone.txt", "gone.txt")]
    summary = await imports.run(who, sources, lambda _: None)
    assert summary.imported == 1
    assert [failed.reason for failed in summary.failed] == ["unreadable"]


async def test_what_a_file_says_is_bounded(imports: Imports, shelf: Shelf, who: Principal, tmp_path: Path) -> None:
    shelf.reader.facts = Facts(
        title="t" * 2000,
        tags=("*secret", "", "x" * 999),
        captured_at="2020-01-01T10:00:00+02:00",
        metadata={"seed": 2**64 - 1, "steps": 3},
    )
    await imports.run(who, _sources(tmp_path, [b"one"]), lambda _: None)
    body = (await shelf.store.find("asset", {})).records[0].body
    assert len(body["title"]) == 500
    assert body["tags"] == ["secret", "x" * 256]
    assert body["admin_tags"] == []
    assert body["captured_at"] == "2020-01-01T08:00:00.000Z"
    assert body["metadata"]["seed"] == str(2**64 - 1)


async def test_imports_need_their_scope(imports: Imports) -> None:
    with pytest.raises(NotAllowed):
        await imports.run(Principal("acme", "kim", frozenset({"assets:write"})), [], lambda _: None)
