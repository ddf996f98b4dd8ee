from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import pytest
from mutagen import id3
from mutagen.wave import WAVE

from service.demo.files import save_wav
from service.errors import IngestError
from service.ingest.extract import extract
from tests.support import media_files as builders

FACTS = {"title": "Bells", "creator": "Ada", "tags": ("Ambient",), "description": "Of an evening", "date": "2024-05-06"}


def tone(path: Path, seconds: int = 2) -> Path:
    save_wav(path, seconds, 8000, [440], FACTS)
    return path


def test_a_wave(tmp_path: Path) -> None:
    found = extract(tone(tmp_path / "a.wav"), "a.wav")
    assert (found.type, found.mime_type, found.title, found.creator) == ("audio", "audio/wav", "Bells", ("Ada",))
    assert (found.tags, found.description, found.captured_at) == (("Ambient",), "Of an evening", "2024-05-06T00:00:00Z")
    wanted = {"duration": 2, "sample_rate": 8000, "channels": 1, "bit_rate": 128000, "artist": "Ada"}
    assert wanted.items() <= found.metadata.items()


def test_every_name_of_a_fact(tmp_path: Path) -> None:
    path, reader, frames = tone(tmp_path / "a.wav"), WAVE, id3
    tags: Any = reader(path)  # type: ignore[no-untyped-call]
    made: Any = frames
    for frame in (
        made.TXXX(encoding=3, desc="keywords", text="rain, roof"),
        made.TALB(encoding=3, text="Weather"),
        made.TCOP(encoding=3, text="(c) Ada"),
        made.WCOP(url="https://example.org/by"),
    ):
        tags.tags.add(frame)
    tags.save()
    found = extract(path, "a.wav")
    assert (found.tags, found.credit, found.license) == (
        ("rain", "roof", "Ambient"),
        "(c) Ada",
        "https://example.org/by",
    )
    assert found.metadata["album"] == "Weather"


def test_a_wave_without_tags(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(44100)
        sound.writeframes(b"\x00" * 44100 * 4)
    found = extract(path, "a.wav")
    assert (found.title, found.creator, found.tags) == (None, (), ())
    assert (found.metadata["duration"], found.metadata["channels"]) == (1, 2)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.mp4", builders.mp4(640, 480, 60, 1500), {"width": 640, "height": 480, "duration": 60, "frame_rate": 25}),
        (
            "a.mov",
            builders.mp4(480, 640, 10, 300, brand=b"qt  "),
            {"width": 480, "height": 640, "duration": 10, "frame_rate": 30},
        ),
        (
            "a.webm",
            builders.matroska(320, 240, 12.5),
            {"width": 320, "height": 240, "duration": 12.5, "frame_rate": 25},
        ),
        ("a.avi", builders.avi(64, 48, 50, 40_000), {"width": 64, "height": 48, "duration": 2, "frame_rate": 25}),
    ],
)
def test_films(tmp_path: Path, name: str, content: bytes, expected: dict[str, float]) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    found = extract(path, name)
    assert found.type == "video"
    assert expected.items() <= found.metadata.items()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.wav", b"RIFF\x24\x00\x00\x00WAVEfmt "),
        ("a.mp3", b"ID3\x04\x00\x00\x00\x00\x00\x00"),
        ("b.mp3", b"\xff\xfb" + b"\x00" * 100),
        ("a.flac", b"fLaC" + b"\xff" * 50),
        ("a.oga", b"OggS" + b"\x00" * 60),
        ("a.mp4", builders.box(b"ftyp", b"isom", b"\x00" * 8) + b"\xff\xff\xff\xffmoov" + b"\xff" * 60),
        ("a.aiff", b"FORM\x00\x00\x00\x04AIFF"),
        ("a.wmv", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + b"\x00" * 30),
        ("a.mid", b"MThd\x00\x00\x00\x06\x00"),
    ],
)
def test_damaged_streams_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / "upload"
    path.write_bytes(content)
    with pytest.raises(IngestError) as caught:
        extract(path, name)
    assert caught.value.reason == "malformed"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.flv", b"FLV\x01\x05\x00\x00\x00\x09"),
        ("a.avi", b"RIFF\x08\x00\x00\x00AVI LIST"),
        ("a.mkv", b"\x1a\x45\xdf\xa3\x01" + b"\xff" * 40),
        ("b.mkv", b"\x1a\x45\xdf\xa3\x00\x00\x00"),
    ],
)
def test_films_that_say_nothing_are_kept_with_a_warning(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    found = extract(path, name)
    assert found.type == "video"
    assert found.metadata.keys() == {"format", "file_size"}
    assert found.warnings


def test_boxes_that_lead_nowhere_end(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(builders.mp4(64, 48, 2, 50)[:24] + builders.box(b"free") * 40_000)
    with pytest.raises(IngestError):
        extract(path, "a.mp4")
