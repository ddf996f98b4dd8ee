from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from service.errors import IngestError
from service.ingest.facts import Facts
from service.ingest.limits import DEFAULT
from service.ingest.readers.documents import ole
from tests.support.compound_files import compound_file, properties

SUMMARY, DOCUMENT = "\x05SummaryInformation", "\x05DocumentSummaryInformation"
CREATED = struct.pack("<IQ", 0x40, 133_000_000_000_000_000)  # 2022-06-18T04:26:40Z


def read(folder: Path, streams: dict[str, bytes]) -> Facts:
    return ole.read(compound_file(folder / "a.doc", streams), "a.doc", DEFAULT)


def test_the_property_sets(tmp_path: Path) -> None:
    summary = properties(
        {
            2: "Letter",
            3: "Subject",
            4: "Ada; Ben",
            5: "one, two; three",
            6: "A comment",
            12: CREATED,
            14: 3,
            15: 512,
            18: "Word",
        }
    )
    found = read(
        tmp_path, {"WordDocument": b"\xec\xa5" + b"\0" * 100, SUMMARY: summary, DOCUMENT: properties({28: "en-GB"})}
    )
    assert (found.title, found.description, found.creator) == ("Letter", "A comment", ("Ada", "Ben"))
    assert (found.tags, found.captured_at) == (("one", "two", "three"), "2022-06-18T04:26:40Z")
    assert found.metadata == {"page_count": 3, "word_count": 512, "software": "Word", "language": "en-GB"}
    assert found.warnings == ()


def test_slides_are_pages(tmp_path: Path) -> None:
    found = read(tmp_path, {SUMMARY: properties({2: "Talk"}), DOCUMENT: properties({7: 14})})
    assert found.metadata == {"page_count": 14}


@pytest.mark.parametrize(
    ("codepage", "title"), [(1252, "Größe"), (1251, "Методика"), (932, "タイトル"), (65001, "漢字 Ω"), (1200, "漢字 Ω")]
)
def test_code_pages(tmp_path: Path, codepage: int, title: str) -> None:
    assert read(tmp_path, {SUMMARY: properties({2: title}, codepage)}).title == title


@pytest.mark.parametrize(
    ("streams", "protected"),
    [
        ({"EncryptedPackage": b"x", "EncryptionInfo": b"y"}, True),
        ({"WordDocument": b"\xec\xa5\xc1\0\0\0\0\0\0\0\0\x01\0\0"}, True),
        ({"WordDocument": b"\xec\xa5\xc1\0\0\0\0\0\0\0\0\x00\0\0"}, False),
        ({"Workbook": struct.pack("<HH8xHHH", 0x809, 8, 0x2F, 2, 0)}, True),
        ({"Workbook": struct.pack("<HH8xHHH", 0x809, 8, 0xE1, 2, 0)}, False),
    ],
)
def test_passwords(tmp_path: Path, streams: dict[str, bytes], protected: bool) -> None:
    assert any("password" in warning for warning in read(tmp_path, streams).warnings) is protected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 500,
        properties({2: "x"})[:50],
        properties({2: struct.pack("<II", 0x1E, 0xFFFFFFF0) + b"Letter\0"}),  # longer than its stream
        properties({2: struct.pack("<II", 0x1000 | 0x1E, 0xFFFFFFFF)}),  # a list without end
        properties({12: struct.pack("<IQ", 0x40, 2**64 - 1)}),  # a year that no calendar has
        properties({2: "x"}).replace(struct.pack("<II", 2, 24), struct.pack("<II", 2, 0xFFFFFFF0)),
    ],
)
def test_damaged_sets_give_what_can_be_read(tmp_path: Path, content: bytes) -> None:
    found = read(tmp_path, {SUMMARY: content, DOCUMENT: properties({28: "de"})})
    assert found.metadata["language"] == "de"
    assert found.captured_at is None


@pytest.mark.parametrize("spoil", [slice(30, 60), slice(512, 1024), slice(1024, None)])
def test_a_damaged_file_is_refused_or_read(tmp_path: Path, spoil: slice) -> None:
    path = compound_file(tmp_path / "a.doc", {SUMMARY: properties({2: "Letter"})})
    content = bytearray(path.read_bytes())
    content[spoil] = b"\xfe" * len(content[spoil])
    path.write_bytes(content)
    found: Facts | str
    try:
        found = ole.read(path, "a.doc", DEFAULT)
    except IngestError as error:
        found = error.reason
    assert found == "malformed" or isinstance(found, Facts)


def test_a_large_stream_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ole, "MAX_STREAM", 100)

    def stream(document: Any, name: str, limit: int = 100) -> bytes | None:
        return original(document, name, limit)

    original = ole._stream
    monkeypatch.setattr(ole, "_stream", stream)
    assert read(tmp_path, {SUMMARY: properties({2: "Letter"})}).title is None
