"""Facts of films and sounds by how their containers hold them; what ffprobe says is in its own test."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from service.ingest.extract import extract
from service.ingest.facts import Extracted
from service.ingest.limits import IngestLimits
from service.ingest.worker import IngestWorkers
from tests.support import recording_files as files
from tests.support.media_files import box
from tests.support.picture_files import packet

XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
TITLED = packet('xmp:Rating="4"|<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Ein Film</rdf:li></rdf:Alt></dc:title>')
DAY = files.SECONDS_1904 + 1_620_284_889  # 2021-05-06T07:08:09Z


MAIN = struct.pack("<14I", 40000, 0, 0, 0, 50, 0, 1, 0, 64, 48, 0, 0, 0, 0)


def read(folder: Path, name: str, content: bytes) -> Extracted:
    path = folder / "upload"
    path.write_bytes(content)
    return extract(path, name)


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_film_is_turned_by_its_matrix(tmp_path: Path, turn: int) -> None:
    found = read(tmp_path, "a.mp4", files.movie(turn=turn)).metadata
    assert (found["width"], found["height"], found["orientation"]) == (160, 90, turn)


@pytest.mark.parametrize(
    ("roll", "orientation"), [(0.0, 1), (-90.0, 6), (90.0, 8), (180.0, 3), (-180.0, 3), (12.5, None)]
)
def test_a_matroska_film_is_turned_by_its_roll(tmp_path: Path, roll: float, orientation: int | None) -> None:
    assert read(tmp_path, "a.mkv", files.matroska(roll=roll)).metadata.get("orientation") == orientation


@pytest.mark.parametrize(
    ("content", "moment"),
    [
        (files.movie(created=DAY), "2021-05-06T07:08:09Z"),
        (files.movie(created=1_620_284_889), "2021-05-06T07:08:09Z"),  # counted from 1970
        (files.movie(created=0), None),
        (files.movie(files.keys(creationdate="2021-05-06T21:30:00+0200"), created=DAY), "2021-05-06T21:30:00+02:00"),
        (files.movie(files.user_data(day="2021-05-06T09:08:09+0200"), created=DAY + 500), "2021-05-06T09:08:09+02:00"),
        (files.movie(files.user_data(day="2021"), created=DAY), "2021-05-06T07:08:09Z"),
        (files.movie(files.user_data(day="1969")), "1969-01-01T00:00:00Z"),
        (files.movie(after=box(b"uuid", XMP_UUID, packet('xmp:CreateDate="2019-01-01"'))), "2019-01-01T00:00:00Z"),
    ],
)
def test_when_a_film_was_made(tmp_path: Path, content: bytes, moment: str | None) -> None:
    assert read(tmp_path, "a.mov", content).captured_at == moment


LOCATION = (
    b"\x00" * 4 + b"\x15\xc7" + b"home\x00" + b"\x01" + struct.pack(">iii", -557056, 2713190, 655360) + b"earth\x00\x00"
)


@pytest.mark.parametrize(
    ("extra", "point"),
    [
        (files.user_data(xyz="+48.8577+002.295/"), {"lat": 48.8577, "lon": 2.295}),
        (files.user_data(xyz="-33.8568-151.2153+012.500/"), {"lat": -33.8568, "lon": -151.2153}),
        (files.user_data(xyz="+4851.462+00217.7/"), {"lat": 48.8577, "lon": 2.295}),
        (files.user_data(xyz="+485127.7+0021742/"), {"lat": 48.8576944, "lon": 2.295}),
        (files.keys(location__ISO6709="+41.4000-008.5000+010.000/"), {"lat": 41.4, "lon": -8.5}),
        (box(b"udta", box(b"loci", LOCATION)), {"lat": 41.4, "lon": -8.5}),
        (files.user_data(xyz="+00.0000+000.0000/"), None),
        (files.user_data(xyz="+00.0000+009.4500/"), {"lat": 0, "lon": 9.45}),
        (files.user_data(xyz="+95.0000+009.4500/"), None),
        (files.user_data(xyz="somewhere"), None),
    ],
)
def test_where_a_film_was_made(tmp_path: Path, extra: bytes, point: dict[str, float] | None) -> None:
    found = read(tmp_path, "a.mp4", files.movie(extra)).gps
    assert found == (None if point is None else pytest.approx(point, abs=1e-4))


def test_what_a_phone_says_of_its_film(tmp_path: Path) -> None:
    said = files.keys(make="Acme", model="Phone 3", software="16.1", title="Ferien", camera__lens_model="back 5 mm")
    found = read(tmp_path, "a.mov", files.movie(said, files.user_data(swr="Encoder", nam="Clip"), brand=b"qt  "))
    expected = {"camera": "Acme Phone 3", "camera_make": "Acme", "lens": "back 5 mm", "software": "16.1"}
    assert expected.items() <= found.metadata.items()
    assert found.title == "Ferien"


@pytest.mark.parametrize(
    "content",
    [
        files.movie(after=box(b"uuid", XMP_UUID, TITLED)),
        files.movie(box(b"udta", box(b"XMP_", TITLED))),
        files.riff(b"AVI ", files.chunk(b"LIST", b"hdrl" + files.chunk(b"avih", MAIN)), files.chunk(b"_PMX", TITLED)),
        files.wave(files.chunk(b"_PMX", TITLED)),
    ],
    ids=["uuid", "user data", "avi", "wave"],
)  # fmt: skip
def test_xmp_in_recordings(tmp_path: Path, content: bytes) -> None:
    found = read(tmp_path, "a.mp4" if content[4:8] == b"ftyp" else "a.avi", content)
    assert (found.title, found.rating) == ("Ein Film", 4)


@pytest.mark.parametrize(
    ("durations", "default", "with_time"),
    [
        ([[40] * 25, [40] * 25, [40] * 25], 0, False),
        ([[40] * 25, [40] * 25, [40] * 25], 0, True),
        ([[40] * 25, [40] * 25, [40] * 25], 40, False),
    ],
)
def test_a_film_in_fragments(tmp_path: Path, durations: list[list[int]], default: int, with_time: bool) -> None:
    extends, after = files.fragments(durations, default, with_time=with_time)
    found = read(tmp_path, "a.mp4", files.movie(extends, seconds=0, frames=0, after=after)).metadata
    assert (found["duration"], found["frame_rate"], found["width"]) == (3.0, 25, 160)


def test_fragments_whose_length_is_announced(tmp_path: Path) -> None:
    extends = box(b"mvex", box(b"mehd", struct.pack(">II", 0, 4500)))
    assert read(tmp_path, "a.mp4", files.movie(extends, seconds=0, frames=0)).metadata["duration"] == 4.5


TAGS = {"ARTIST": "Ada", "DATE_RECORDED": "2010-07-11", "KEYWORDS": "rain, roof", "LOCATION": "+48.8577+002.295/"}


@pytest.mark.parametrize("tags_last", [False, True])
def test_what_matroska_says(tmp_path: Path, tags_last: bool) -> None:
    nanoseconds = 641_000_000_000_000_000
    found = read(tmp_path, "a.mkv", files.matroska(title="Ein Film", date=nanoseconds, tags=TAGS, tags_last=tags_last))
    assert (found.title, found.creator, found.tags) == ("Ein Film", ("Ada",), ("rain", "roof"))
    assert (found.captured_at, found.gps) == ("2010-07-11T00:00:00Z", {"lat": 48.8577, "lon": 2.295})
    assert {"duration": 12.5, "width": 320, "height": 240}.items() <= found.metadata.items()


def test_the_date_of_matroska(tmp_path: Path) -> None:
    content = files.matroska(date=641_545_689_000_000_000)
    assert read(tmp_path, "a.mkv", content).captured_at == "2021-05-01T07:08:09Z"


@pytest.mark.parametrize("text", ["Straße".encode(), "Straße".encode("cp1252")])
def test_texts_in_riff(tmp_path: Path, text: bytes) -> None:
    said = files.info(INAM=text, IART=b"Ada", ICRD=b"2010-07-11", IKEY=b"rain; roof", ICMT=b"Of an evening")
    found = read(tmp_path, "a.wav", files.wave(said))
    assert (found.title, found.creator, found.tags) == ("Straße", ("Ada",), ("rain", "roof"))
    assert (found.description, found.captured_at) == ("Of an evening", "2010-07-11T00:00:00Z")
    assert (found.metadata["duration"], found.metadata["sample_rate"]) == (1.0, 8000)


def test_a_broadcast_wave(tmp_path: Path) -> None:
    body = b"Interview".ljust(256, b"\0") + b"Ada".ljust(32, b"\0") + bytes(32) + b"2010-07-1113:53:00" + bytes(10)
    found = read(tmp_path, "a.wav", files.wave(files.chunk(b"bext", body)))
    assert (found.description, found.captured_at) == ("Interview", "2010-07-11T13:53:00Z")


def test_an_unsupported_wave_is_kept(tmp_path: Path) -> None:
    """RF64 is whole, though Mutagen refuses it."""
    plain = files.wave(seconds=2)
    found = read(tmp_path, "a.wav", b"RF64" + plain[4:])
    assert (found.type, found.metadata["duration"], found.metadata["channels"]) == ("audio", 2.0, 1)
    assert any("not supported" in warning for warning in found.warnings)


@pytest.mark.parametrize("packet_size", [188, 192, 204])
def test_transport_streams(tmp_path: Path, packet_size: int) -> None:
    found = read(tmp_path, "a.mts", files.transport_stream(packet_size))
    assert (found.type, found.mime_type, found.ext) == ("video", "video/mp2t", "mts")
    assert {"width": 352, "height": 288, "frame_rate": 25.0}.items() <= found.metadata.items()


@pytest.mark.parametrize(
    ("name", "content", "kind", "mime"),
    [
        ("a.mp4", files.movie(handler=b"soun"), "audio", "audio/mp4"),
        ("a.mkv", files.matroska(kind=2), "audio", "audio/x-matroska"),
        ("a.webm", files.matroska(kind=2, doctype=b"webm"), "audio", "audio/webm"),
        ("a.mp4", files.movie(), "video", "video/mp4"),
        ("a.3gp", files.movie(brand=b"3gp5"), "video", "video/3gpp"),
    ],
)
def test_a_film_without_pictures_is_a_sound(tmp_path: Path, name: str, content: bytes, kind: str, mime: str) -> None:
    found = read(tmp_path, name, content)
    assert (found.type, found.mime_type) == (kind, mime)


async def test_a_film_of_many_gigabytes_is_no_damage(tmp_path: Path) -> None:
    """More than a worker's address space: nothing maps the file."""
    path = tmp_path / "long.mp4"
    head = files.movie(seconds=7200, frames=180_000)
    length = 5 * 1024**3
    with path.open("wb") as out:
        out.write(head + b"\x00\x00\x00\x01mdat" + struct.pack(">Q", length - len(head)))
        out.truncate(length)
    workers = IngestWorkers(IngestLimits(workers=1))
    try:
        found: Any = await workers.extract(path, path.name)
    finally:
        await workers.close()
    assert (found.metadata["duration"], found.metadata["file_size"]) == (7200, length)
