from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import IFDRational

from service.errors import IngestError
from service.ingest.extract import extract
from service.ingest.limits import IngestLimits
from tests.support import media_files as builders

XMP = """<?xpacket begin="\ufeff"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/"
 xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" xmp:Rating="4" exif:GPSLatitude="52,22.5N" exif:GPSLongitude="4,53,30W">
 <dc:title><rdf:Alt><rdf:li xml:lang="nl">Meer</rdf:li><rdf:li xml:lang="x-default">Lake</rdf:li></rdf:Alt></dc:title>
 <dc:description><rdf:Alt><rdf:li xml:lang="x-default">x-default</rdf:li></rdf:Alt></dc:description>
 <dc:creator><rdf:Seq><rdf:li>Ada</rdf:li><rdf:li>Ben</rdf:li></rdf:Seq></dc:creator>
 <dc:subject><rdf:Bag><rdf:li>lake</rdf:li><rdf:li> </rdf:li><rdf:li>water &amp; sky</rdf:li></rdf:Bag></dc:subject>
 <xmpRights:WebStatement>https://example.org/licence</xmpRights:WebStatement>
 <xmpMM:History><rdf:Seq><rdf:li>saved</rdf:li></rdf:Seq></xmpMM:History>
 </rdf:Description></rdf:RDF></x:xmpmeta>""".encode()


def camera_block() -> Image.Exif:
    block = Image.Exif()
    block[0x010F], block[0x0110], block[0x0112] = "Canon", "Canon EOS 5D", 6
    block[0x013B], block[0x8298], block[0x010E] = "Ada Lindqvist; Ben Okafor", "(c) Ada", "A lake"
    detail = block.get_ifd(0x8769)
    detail[0x9003], detail[0x9011] = "2024:05:06 07:08:09", "+02:00"
    detail[0x829D], detail[0x829A] = IFDRational(28, 10), IFDRational(1, 250)
    detail[0x8827], detail[0x920A], detail[0xA434] = 400, IFDRational(50, 1), "EF50mm f/1.8 STM"
    place = block.get_ifd(0x8825)
    place[1], place[2] = "S", (IFDRational(50, 1), IFDRational(30, 1), IFDRational(36, 1))
    place[3], place[4] = "W", (IFDRational(73, 1), IFDRational(0, 1), IFDRational(0, 1))
    place[5], place[6] = b"\x00", IFDRational(230, 1)
    return block


def iptc(*records: tuple[int, int, bytes]) -> bytes:
    """An APP13 segment with Photoshop's resource 0x0404."""
    body = b"".join(b"\x1c" + bytes(record[:2]) + struct.pack(">H", len(record[2])) + record[2] for record in records)
    resource = b"8BIM\x04\x04\x00\x00" + struct.pack(">I", len(body)) + body + b"\x00" * (len(body) % 2)
    content = b"Photoshop 3.0\x00" + resource
    return b"\xff\xed" + struct.pack(">H", len(content) + 2) + content


def test_a_camera_picture(tmp_path: Path) -> None:
    path = builders.picture(tmp_path / "a.jpg", (120, 80), exif=camera_block(), dpi=(300, 300))
    found = extract(path, "IMG_1.JPG")
    assert (found.type, found.mime_type, found.format, found.ext) == ("image", "image/jpeg", "jpg", "jpg")
    assert (found.description, found.creator, found.credit) == ("A lake", ("Ada Lindqvist", "Ben Okafor"), "(c) Ada")
    assert found.captured_at == "2024-05-06T07:08:09+02:00"
    assert found.gps == {"lat": -50.51, "lon": -73.0}
    exif = found.metadata.pop("exif")
    assert found.metadata == {
        "width": 120,
        "height": 80,
        "ppi": 300,
        "orientation": 6,
        "format": "jpg",
        "file_size": path.stat().st_size,
        "camera_make": "Canon",
        "camera_model": "Canon EOS 5D",
        "camera": "Canon EOS 5D",
        "lens": "EF50mm f/1.8 STM",
        "iso": 400,
        "f_number": 2.8,
        "exposure_time": 0.004,
        "focal_length": 50,
        "gps_altitude": 230.0,
    }
    assert exif["FNumber"] == 2.8
    assert exif["LensModel"] == "EF50mm f/1.8 STM"
    assert "MakerNote" not in exif
    assert found.warnings == ()


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_xmp_in_every_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    options: dict[str, Any] = {"xmp": XMP}
    if suffix == "png":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options = {"pnginfo": info}
    if suffix == "tif":
        options = {"tiffinfo": {700: XMP}}
    found = extract(builders.picture(path, **options), path.name)
    assert (found.title, found.description, found.rating) == ("Lake", None, 4)
    assert (found.creator, found.tags) == (("Ada", "Ben"), ("lake", "water & sky"))
    assert found.license == "https://example.org/licence"
    assert found.gps == {"lat": 52.375, "lon": -4.8916667}
    assert found.metadata["xmp"]["rating"] == "4"
    assert "history" not in found.metadata["xmp"]


def test_xmp_outranks_exif_but_not_for_the_moment(tmp_path: Path) -> None:
    dated = XMP.replace(b'xmp:Rating="4"', b'xmp:Rating="4" xmp:CreateDate="2020-01-01T00:00:00Z"')
    block = camera_block()
    found = extract(builders.picture(tmp_path / "a.jpg", exif=block, xmp=dated), "a.jpg")
    assert found.creator == ("Ada", "Ben")
    assert found.captured_at == "2024-05-06T07:08:09+02:00"
    assert found.gps == {"lat": -50.51, "lon": -73.0}


def test_iptc(tmp_path: Path) -> None:
    segment = iptc(
        (1, 90, b"\x1b%G"),
        (2, 5, "Café".encode()),
        (2, 25, b"lake"),
        (2, 25, b"boat"),
        (2, 80, b"Ada"),
        (2, 90, b"Bled"),
        (2, 55, b"20151029"),
        (2, 60, b"154444+0100"),
        (2, 110, b"Agency"),
        (2, 120, b"A caption"),
    )
    plain = builders.jpeg()
    path = tmp_path / "a.jpg"
    path.write_bytes(plain[:2] + segment + plain[2:])
    found = extract(path, "a.jpg")
    assert (found.title, found.description, found.creator) == ("Café", "A caption", ("Ada",))
    assert (found.tags, found.credit) == (("lake", "boat"), "Agency")
    assert found.captured_at == "2015-10-29T15:44:44+01:00"
    assert found.metadata["iptc"]["city"] == "Bled"
    assert found.metadata["iptc"]["keywords"] == ["lake", "boat"]


def test_exif_in_a_png(tmp_path: Path) -> None:
    found = extract(builders.picture(tmp_path / "a.png", exif=camera_block()), "a.png")
    assert (found.metadata["camera"], found.gps) == ("Canon EOS 5D", {"lat": -50.51, "lon": -73.0})


def test_png_words(tmp_path: Path) -> None:
    info = PngInfo()
    for key, value in {"Title": "A title", "Author": "Ada", "Description": "Words", "Software": "brush 1.0"}.items():
        info.add_text(key, value)
    found = extract(builders.picture(tmp_path / "a.png", pnginfo=info), "a.png")
    assert (found.title, found.creator, found.description) == ("A title", ("Ada",), "Words")
    assert found.metadata["software"] == "brush 1.0"


def spoiled_exif(place: dict[int, Any], detail: dict[int, Any] | None = None) -> Image.Exif:
    block = Image.Exif()
    block[0x0110] = "Camera\x00\x00"
    block.get_ifd(0x8825).update(place)
    block.get_ifd(0x8769).update(detail or {})
    return block


ZERO = IFDRational(0, 0)


@pytest.mark.parametrize(
    "place",
    [
        {1: "N", 2: (ZERO, ZERO, ZERO), 3: "E", 4: (ZERO, ZERO, ZERO)},
        {1: "N", 2: (IFDRational(95, 1), IFDRational(0, 1), IFDRational(0, 1)), 3: "E", 4: (IFDRational(5, 1),) * 3},
        {2: (IFDRational(5, 1),) * 3},
    ],
    ids=["nothing over nothing", "beyond the pole", "half a place"],
)
def test_a_place_that_is_none(tmp_path: Path, place: dict[int, Any]) -> None:
    found = extract(builders.picture(tmp_path / "a.jpg", exif=spoiled_exif(place)), "a.jpg")
    assert found.gps is None
    assert found.metadata["camera_model"] == "Camera"


def test_an_unset_clock_is_no_moment(tmp_path: Path) -> None:
    block = spoiled_exif({}, {0x9003: "0000:00:00 00:00:00", 0x8827: 0, 0x829D: ZERO})
    found = extract(builders.picture(tmp_path / "a.jpg", exif=block), "a.jpg")
    assert found.captured_at is None
    assert not {"iso", "f_number"} & found.metadata.keys()


def test_a_damaged_exif_block_is_a_warning(tmp_path: Path) -> None:
    path = builders.picture(tmp_path / "a.jpg", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff\x00\x00")
    found = extract(path, "a.jpg")
    assert found.metadata["width"] == 40
    assert "camera" not in found.metadata


def test_damaged_xmp_is_a_warning(tmp_path: Path) -> None:
    found = extract(builders.picture(tmp_path / "a.jpg", xmp=XMP[:300]), "a.jpg")
    assert found.metadata["width"] == 40
    assert any("XMP" in warning for warning in found.warnings)


def test_a_bomb_in_xmp_is_a_warning(tmp_path: Path) -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'
    found = extract(builders.picture(tmp_path / "a.jpg", xmp=bomb), "a.jpg")
    assert any("entities" in warning for warning in found.warnings)


WHOLE = builders.jpeg((200, 150))
PNG = builders.png(10, 10)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("bomb.png", builders.png(50_000, 50_000), "bomb"),
        ("cut-in-pixels.jpg", WHOLE[: len(WHOLE) // 2], "malformed"),
        ("cut-in-header.jpg", WHOLE[:30], "malformed"),
        ("two-bytes.jpg", WHOLE[:4], "malformed"),
        ("cut.png", PNG[:-20], "malformed"),
        ("signature-only.png", PNG[:8], "malformed"),
        ("cut.webp", b"RIFF\xff\xff\x00\x00WEBPVP8 " + b"\x00" * 40, "malformed"),
        ("garbage.gif", b"GIF89a", "malformed"),
        ("garbage.tif", b"II*\x00\xff\xff\xff\xff", "malformed"),
        ("garbage.psd", b"8BPS\x00\x01" + b"\xff" * 40, "malformed"),
        ("eps-as.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "mismatch"),
        ("error-page.jpg", b"<!DOCTYPE html><title>404</title>", "mismatch"),
        ("words.png", b"just words", "mismatch"),
        ("zeros.jpg", b"\x00" * 500, "mismatch"),
        ("empty.png", b"", "mismatch"),
        ("archive.pdf", b"PK\x03\x04" + b"\x00" * 40, "mismatch"),
    ],
)
def test_broken_pictures_are_refused(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    path = tmp_path / "upload"
    path.write_bytes(content)
    with pytest.raises(IngestError) as caught:
        extract(path, name)
    assert (caught.value.reason, caught.value.filename) == (reason, name)
    assert str(tmp_path) not in caught.value.message


def test_the_pixel_limit_is_exact(tmp_path: Path) -> None:
    path = builders.picture(tmp_path / "a.png", (100, 10))
    assert extract(path, "a.png", IngestLimits(image_pixels=1000)).metadata["width"] == 100
    with pytest.raises(IngestError, match="999 pixels"):
        extract(path, "a.png", IngestLimits(image_pixels=999))


def test_reading_decodes_no_pixel(tmp_path: Path) -> None:
    """A PNG whose pixels are noise reads well: only the header and the chunks are looked at."""
    path = tmp_path / "a.png"
    path.write_bytes(builders.png(4000, 4000))
    found = extract(path, "a.png")
    assert (found.metadata["height"], found.warnings) == (4000, ())


def test_a_format_without_a_reader_keeps_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    path.write_bytes(b"\x76\x2f\x31\x01" + b"\x00" * 20)
    found = extract(path, "a.exr")
    assert (found.mime_type, found.metadata) == ("image/x-exr", {"format": "exr", "file_size": 24})
    assert found.warnings
