"""Exported tables and archives: what stands in their cells and entries, whatever the assets hold."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from service.core.exports.archives import LEVELS, Entry, EntryNames, archive
from service.core.exports.columns import cell, check_columns, columns
from service.core.exports.tables import TABLES
from service.errors import InvalidInput
from service.ports.files import Content

ASSET: dict[str, Any] = {
    "id": "asset_1",
    "title": '=HYPERLINK("http://evil")',
    "description": 'Words, "quoted"\nand a line',
    "tags": ["a", "b"],
    "people": [{"name": "Ann"}],
    "is_public": False,
    "rating": 4,
    "gps": {"lat": -33.5, "lon": 151.2},
    "metadata": {"width": 800, "seed": "18446744073709551615", "a.b": "dotted"},
    "custom": {"client": "+1"},
    "credit": None,
}
NAMES = (
    "id",
    "title",
    "description",
    "tags",
    "people",
    "is_public",
    "rating",
    "gps.lat",
    "metadata.a.b",
    "custom.client",
    "credit",
)
VALUES = (
    "asset_1", '=HYPERLINK("http://evil")', 'Words, "quoted"\nand a line', "a; b", '[{"name":"Ann"}]', False, 4, -33.5,
    "dotted", "+1", None,
)  # fmt: skip


def written(path: Path, format_: str, *, chosen: bool = True, count: int = 1) -> Path:
    table = TABLES[format_][1](path / f"a.{format_}", NAMES, chosen)
    for _ in range(count):
        table.write([ASSET])
    table.close()
    return path / f"a.{format_}"


def test_cells() -> None:
    assert tuple(cell(ASSET, name) for name in NAMES) == VALUES
    assert cell(ASSET, "metadata.nothing") is None
    assert cell(ASSET, "title.below") is None


def test_csv_is_no_formula(tmp_path: Path) -> None:
    path = written(tmp_path, "csv", count=3)
    assert path.read_bytes().startswith(b"\xef\xbb\xbfid,title")
    rows = list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
    assert tuple(rows[0]) == NAMES
    assert len(rows) == 4
    assert rows[1] == [
        "asset_1", "'=HYPERLINK(\"http://evil\")", 'Words, "quoted"\nand a line', "a; b", '[{"name":"Ann"}]', "false",
        "4", "-33.5", "dotted", "'+1", "",
    ]  # fmt: skip


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_nothing_in_csv_begins_like_a_formula(tmp_path: Path, begin: str) -> None:
    table = TABLES["csv"][1](tmp_path / "a.csv", ["title"], True)
    table.write([{"title": f"{begin}1+1"}])
    table.close()
    text = (tmp_path / "a.csv").read_bytes().decode("utf-8-sig")
    [[shown]] = list(csv.reader(io.StringIO(text, newline="")))[1:]
    assert shown == f"'{begin}1+1"


def test_json(tmp_path: Path) -> None:
    assert json.loads(written(tmp_path, "json").read_bytes()) == [dict(zip(NAMES, VALUES, strict=True))]
    assert json.loads(written(tmp_path, "json", chosen=False, count=2).read_bytes()) == [ASSET, ASSET]
    assert json.loads(written(tmp_path, "json", count=0).read_bytes()) == []


def test_xlsx(tmp_path: Path) -> None:
    with zipfile.ZipFile(written(tmp_path, "xlsx", count=2)) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet, "no formula"
    assert "hyperlink" not in sheet.lower().replace("=hyperlink(&quot;", "").replace('=hyperlink("', "")
    assert sheet.count("<row ") == 3
    assert '<c r="G2"><v>4</v></c>' in sheet
    assert '<c r="F2" t="b"><v>0</v></c>' in sheet


def test_columns() -> None:
    members = frozenset(ASSET)
    assert check_columns(["title", "metadata.width", "title"], members) == ("title", "metadata.width")
    for wrong in ("nothing", "title.below", "metadata.", ""):
        with pytest.raises(InvalidInput) as raised:
            check_columns([wrong], members)
        assert raised.value.field == "columns"
    plain = columns(metadata=False, urls=False, stats=False)
    assert set(columns(metadata=True, urls=True, stats=True)) > set(plain)


def test_names_of_entries() -> None:
    names = EntryNames()
    assert names.name("image", "a.jpg") == "image/a.jpg"
    assert names.name("image", "A.jpg") == "image/A (2).jpg", "some file systems know no case"
    assert names.name("", "../../etc/passwd") == "passwd"
    assert names.name("", "..") == "file"
    assert names.name("", "a\u202egpj.exe") == "a_gpj.exe"
    assert names.name("", "C:\\x\\con?.txt") == "con_.txt"


@asynccontextmanager
async def opened(content: bytes) -> AsyncIterator[Content]:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 1000):
            yield content[start : start + 1000]

    yield Content(len(content), chunks())


@pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)
async def test_an_archive_is_a_stream(level: int | None) -> None:
    contents = {"image/a.jpg": b"x" * 700_000, "text/b.txt": b"words " * 10_000, "c.json": b"[]"}

    async def entries() -> AsyncIterator[Entry]:
        for name, content in contents.items():
            mime_type = "image/jpeg" if name.endswith("jpg") else "text/plain"
            yield Entry(name, datetime(1950, 5, 17, tzinfo=UTC), mime_type, opened(content))

    chunks = [chunk async for chunk in archive(entries(), level)]
    assert max(map(len, chunks)) < 400_000
    with zipfile.ZipFile(io.BytesIO(b"".join(chunks))) as made:
        assert made.testzip() is None
        assert {info.filename: made.read(info) for info in made.infolist()} == contents
        packed = {info.filename: info.compress_size < info.file_size for info in made.infolist()}
    assert packed == {"image/a.jpg": False, "text/b.txt": level is not None, "c.json": False}
