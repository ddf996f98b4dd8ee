"""Facts of pictures by where and how files write them; what exiftool says of such files is in its own test."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from service.errors import IngestError
from service.ingest.extract import extract
from service.ingest.facts import Extracted
from service.ingest.readers import exif
from service.ingest.renditions import thumbnail
from tests.support import picture_files as files
from tests.support.media_files import box, chunk
from tests.support.picture_files import exif_jpeg, packet, segment, tiff_block

TITLED = packet('xmp:Rating="4"|<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Ein Bild</rdf:li></rdf:Alt></dc:title>')
XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
BLOCK = tiff_block({271: (2, b"Acme\x00"), 274: (3, 6)})
HEXADECIMAL = (len(BLOCK), BLOCK.hex().encode())


def read(folder: Path, name: str, content: bytes) -> Extracted:
    path = folder / "upload"
    path.write_bytes(content)
    return extract(path, name)


EXTENDED = b"http://ns.adobe.com/xmp/extension/\x00" + b"A" * 32
MAIN = packet('xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="' + "A" * 32 + '"')
IRB = files.resource(0x0404, b"\x1c\x02\x05\x00\x04Cafe") + files.resource(0x0424, TITLED)

CONTAINERS: list[tuple[str, bytes]] = [
    ("segment.jpg", files.jpeg_with(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00" + TITLED))),
    (
        "extended.jpg",
        files.jpeg_with(
            segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00" + MAIN),
            segment(0xE1, EXTENDED + struct.pack(">II", len(TITLED), 300) + TITLED[300:]),
            segment(0xE1, EXTENDED + struct.pack(">II", len(TITLED), 0) + TITLED[:300]),
        ),
    ),
    ("resource.jpg", files.jpeg_with(segment(0xED, b"Photoshop 3.0\x00" + IRB))),
    ("after-the-pixels.png", files.png_with(files.international("XML:com.adobe.xmp", TITLED.decode()))),
    (
        "profile.png",
        files.png_with(
            chunk(b"tEXt", b"Raw profile type xmp\x00\nxmp\n  %d\n%s\n" % (len(TITLED), TITLED.hex().encode()))
        ),
    ),
    ("after-the-picture.gif", files.gif_with(TITLED)),
    ("chunk.webp", files.webp_with((b"XMP ", TITLED))),
    ("uuid.jp2", files.jp2_with(box(b"uuid", XMP_UUID, TITLED))),
    ("box.jp2", files.jp2_with(box(b"xml ", TITLED))),
    ("resource.psd", files.psd(resources=files.resource(0x0424, TITLED))),
    ("item.heic", files.heif(40, 30, xmp=TITLED)),
    ("tag.tif", files.saved("TIFF", tiffinfo={700: TITLED})),
]


@pytest.mark.parametrize(("name", "content"), CONTAINERS, ids=[case[0] for case in CONTAINERS])
def test_xmp_in_every_container(tmp_path: Path, name: str, content: bytes) -> None:
    found = read(tmp_path, name, content)
    assert (found.title, found.rating) == ("Ein Bild", 4)
    assert (found.metadata["width"], found.metadata["height"]) == (40, 30)
    assert found.metadata["xmp"]["rating"] == "4"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jpg", exif_jpeg(BLOCK)),
        ("marked-twice.jpg", exif_jpeg(b"Exif\x00\x00" + BLOCK)),
        ("a.png", files.png_with(chunk(b"eXIf", BLOCK))),
        ("profile.png", files.png_with(chunk(b"tEXt", b"Raw profile type exif\x00\nexif\n %d\n%s" % HEXADECIMAL))),
        ("a.webp", files.webp_with((b"EXIF", BLOCK))),
        ("a.jp2", files.jp2_with(box(b"uuid", b"JpgTiffExif->JP2", BLOCK))),
        ("a.psd", files.psd(resources=files.resource(0x0422, BLOCK))),
    ],
)  # fmt: skip
def test_exif_in_every_container(tmp_path: Path, name: str, content: bytes) -> None:
    found = read(tmp_path, name, content)
    assert (found.metadata["camera_make"], found.metadata["orientation"]) == ("Acme", 6)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Straße".encode() + b"\x00", "Straße"),
        ("Straße".encode("latin-1") + b"\x00", "Straße"),
        ("“quoted”".encode("cp1252"), "“quoted”"),
        ("東京タワー".encode(), "東京タワー"),
        (b"before\x00\xff\xfegarbage", "before"),
        (b"   \x00", None),
    ],
)
def test_text_in_exif(tmp_path: Path, raw: bytes, text: str | None) -> None:
    assert read(tmp_path, "a.jpg", exif_jpeg(tiff_block({270: (2, raw)}))).description == text
    assert read(tmp_path, "b.jpg", exif_jpeg(tiff_block({270: (129, raw)}))).description == text


def test_exif_in_several_segments(tmp_path: Path) -> None:
    block = tiff_block({270: (2, b"a" * 60_000 + b"\x00"), 271: (2, b"Acme, Inc.\x00")})
    parts = [segment(0xE1, b"Exif\x00\x00" + block[at : at + 40_000]) for at in range(0, len(block), 40_000)]
    found = read(tmp_path, "a.jpg", files.jpeg_with(*parts, segment(0xE1, b"Exif\x00\x00" + BLOCK)))
    assert found.metadata["camera_make"] == "Acme, Inc."
    assert found.description == "a" * 10_000


def test_both_notices_of_copyright(tmp_path: Path) -> None:
    found = read(tmp_path, "a.jpg", exif_jpeg(tiff_block({33432: (2, "© Ada\x00© Verlag\x00".encode())})))
    assert found.credit == "© Ada; © Verlag"


LONG = "Grüße aus Straßburg"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"ASCII\x00\x00\x00a comment", "a comment"),
        (b"ascii   a comment", "a comment"),
        (b"ASCII\x00\x00\x00" + LONG.encode(), LONG),
        (b"UNICODE\x00" + LONG.encode("utf-16-le"), LONG),
        (b"UNICODE\x00" + LONG.encode("utf-16-be"), LONG),
        (b"UNICODE\x00" + LONG.encode("utf-16"), LONG),
        (b"Unicode\x00" + LONG.encode("utf-16-be") + b"\x00\x00", LONG),
        (b"UNICODE\x00" + LONG.encode(), LONG),
        (b"UNICODE\x00" + "Привет, мир".encode("utf-16-be"), "Привет, мир"),
        (b"UNICODE\x00" + "Привет, мир".encode("utf-16-le"), "Привет, мир"),
        (b"UNICODE\x00" + "東京の夜景を撮影しました".encode("utf-16-be"), "東京の夜景を撮影しました"),
        (b"UNICODE\x00" + "東京の夜景を撮影しました".encode("utf-16-le"), "東京の夜景を撮影しました"),
        (b"JIS\x00\x00\x00\x00\x00" + "東京".encode("iso2022_jp"), "東京"),
        (b"JIS\x00\x00\x00\x00\x00" + "東京".encode("shift_jis"), "東京"),
        (b"\x00" * 8 + LONG.encode(), LONG),
        (b"\x00" * 8 + LONG.encode("cp1252"), LONG),
        (b"\x00" * 8 + LONG.encode("utf-16-le"), LONG),
        (b"no code at all", "no code at all"),
        (b"\x00" * 40, None),
        (b" " * 40, None),
        (b"UNICODE\x00", None),
    ],
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_user_comments(raw: bytes, text: str | None, order: str) -> None:
    assert exif.comment(raw, is_little=order == "<") == text
    written = exif.texts(tiff_block({}, {0x9286: (7, raw)}, order=order))
    assert written.get("UserComment") == text


ZERO, NEAR = ((0, 1), (0, 1), (0, 1)), ((0, 1), (0, 1), (4, 1))


def place(lat: Any, lon: Any, sides: tuple[bytes, bytes] = (b"N\x00", b"E\x00"), **more: tuple[int, Any]) -> bytes:
    tags = {1: (2, sides[0]), 2: (5, lat), 3: (2, sides[1]), 4: (5, lon)}
    extra = {{"altitude": 6, "stamp": 7, "day": 29, "status": 9}[name]: value for name, value in more.items()}
    return exif_jpeg(tiff_block({}, None, tags | extra))


@pytest.mark.parametrize(
    ("content", "point"),
    [
        (place(ZERO, ZERO), None),
        (place(ZERO, ZERO, altitude=(5, ((0, 1),)), stamp=(5, ZERO)), None),
        (place(ZERO, ZERO, day=(2, b"    :  :  \x00")), None),
        (place(ZERO, ZERO, day=(2, b"0000:00:00\x00")), None),
        (place(ZERO, ZERO, altitude=(5, ((12, 1),))), {"lat": 0, "lon": 0}),
        (place(ZERO, ZERO, day=(2, b"2020:01:02\x00")), {"lat": 0, "lon": 0}),
        (place(ZERO, ((9, 1), (27, 1), (0, 1))), {"lat": 0, "lon": 9.45}),
        (place(((51, 1), (30, 1), (0, 1)), ZERO), {"lat": 51.5, "lon": 0}),
        (place(NEAR, NEAR, (b"S\x00", b"W\x00")), {"lat": -0.0011111, "lon": -0.0011111}),
        (place(((52, 1), (30, 1), (0, 0)), ((4, 1), (0, 0), (0, 0))), {"lat": 52.5, "lon": 4}),
        (place(((525, 10), ), ((4, 1), )), {"lat": 52.5, "lon": 4}),
        (place(((0, 0), (0, 0), (0, 0)), ZERO), None),
        (place(((95, 1), (0, 1), (0, 1)), ((5, 1),) * 3), None),
    ],
)  # fmt: skip
def test_places(tmp_path: Path, content: bytes, point: dict[str, float] | None) -> None:
    assert read(tmp_path, "a.jpg", content).gps == point


@pytest.mark.parametrize(
    ("lat", "lon", "point"),
    [
        ("52,22.5N", "4,53,30W", {"lat": 52.375, "lon": -4.8916667}),
        ("52.375", "-4.5", {"lat": 52.375, "lon": -4.5}),
        ("0,0.000000N", "0,0.000000E", None),
        ("0,0.060000N", "0,0.060000W", {"lat": 0.001, "lon": -0.001}),
        ("north", "4,53,30W", None),
        ("95,0N", "4,0E", None),
    ],
)
def test_places_in_xmp(tmp_path: Path, lat: str, lon: str, point: dict[str, float] | None) -> None:
    content = files.webp_with((b"XMP ", packet(f'exif:GPSLatitude="{lat}" exif:GPSLongitude="{lon}"')))
    assert read(tmp_path, "a.webp", content).gps == point


def bag(name: str, *items: str) -> str:
    return f"<{name}><rdf:Bag>{''.join(f'<rdf:li>{item}</rdf:li>' for item in items)}</rdf:Bag></{name}>"


FACE = '<rdf:li><rdf:Description mwg-rs:Name="{}" mwg-rs:Type="{}"><mwg-rs:Area/></rdf:Description></rdf:li>'
ELEMENT = '<rdf:li rdf:parseType="Resource"><mwg-rs:Name>{}</mwg-rs:Name><mwg-rs:Type>{}</mwg-rs:Type></rdf:li>'


def regions(*items: str) -> str:
    return (
        '|<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList><rdf:Bag>'
        f"{''.join(items)}</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
    )


MICROSOFT = (
    '|<MP:RegionInfo><rdf:Description><MPRI:Regions><rdf:Bag><rdf:li MPReg:PersonDisplayName="Cleo" '
    'MPReg:Rectangle="0.1, 0.1, 0.2, 0.2"/><rdf:li MPReg:Rectangle="0, 0, 1, 1"/></rdf:Bag></MPRI:Regions>'
    "</rdf:Description></MP:RegionInfo>"
)
DETAILS = (
    '|<Iptc4xmpExt:PersonInImageWDetails><rdf:Bag><rdf:li rdf:parseType="Resource"><Iptc4xmpExt:PersonName><rdf:Alt>'
    '<rdf:li xml:lang="x-default">Ada</rdf:li></rdf:Alt></Iptc4xmpExt:PersonName></rdf:li></rdf:Bag>'
    "</Iptc4xmpExt:PersonInImageWDetails>"
)
NESTED = (
    '|<mwg-kw:Keywords rdf:parseType="Resource"><mwg-kw:Hierarchy><rdf:Bag><rdf:li rdf:parseType="Resource">'
    "<mwg-kw:Keyword>Nature</mwg-kw:Keyword><mwg-kw:Children><rdf:Bag><rdf:li mwg-kw:Keyword='Cat'/></rdf:Bag>"
    "</mwg-kw:Children></rdf:li></rdf:Bag></mwg-kw:Hierarchy></mwg-kw:Keywords>"
)


@pytest.mark.parametrize(
    ("properties", "fact", "value"),
    [
        (regions(FACE.format("Ada", "Face"), FACE.format("Rex", "Pet")), "people", ("Ada",)),
        (regions(ELEMENT.format("Ada", "Face"), ELEMENT.format("", "Face")), "people", ("Ada",)),
        (MICROSOFT, "people", ("Cleo",)),
        (DETAILS, "people", ("Ada",)),
        ("|" + bag("Iptc4xmpExt:PersonInImage", "Ada", "Ben", "Ada"), "people", ("Ada", "Ben")),
        ("|" + bag("lr:hierarchicalSubject", "Nature|Animals|Cat"), "taxonomy", ("Nature/Animals/Cat",)),
        ("|" + bag("lr:hierarchicalSubject", "Nature|Animals|Cat"), "tags", ("Nature", "Animals", "Cat")),
        ("|" + bag("lr:hierarchicalSubject", "Music|AC/DC"), "taxonomy", ("Music/AC-DC",)),
        ("|" + bag("lr:hierarchicalSubject", "Music|AC/DC"), "tags", ("Music", "AC/DC")),
        ("|" + bag("digiKam:TagsList", "Nature/Dog", "Tree"), "taxonomy", ("Nature/Dog", "Tree")),
        ("|" + bag("dc:subject", "cat") + bag("lr:hierarchicalSubject", "Nature|Cat"), "tags", ("cat", "Nature")),
        (NESTED, "taxonomy", ("Nature/Cat",)),
        ('xmp:Rating="5"', "rating", 5),
        ('xmp:Rating="3.0"', "rating", 3),
        ('xmp:Rating="-1"', "rating", None),
        ('xmp:Rating="50"', "rating", None),
        ('MicrosoftPhoto:Rating="75"', "rating", 4),
        ('MicrosoftPhoto:Rating="1"', "rating", 1),
        ('xmp:Rating="0" MicrosoftPhoto:Rating="99"', "rating", 5),
        ('exif:DateTimeOriginal="2010-07-11" xmp:CreateDate="2020-01-01"', "captured_at", "2010-07-11T00:00:00Z"),
        ('photoshop:DateCreated="2010-07-11" xmp:CreateDate="2009-01-01"', "captured_at", "2010-07-11T00:00:00Z"),
    ],
)
def test_catalogue_facts(tmp_path: Path, properties: str, fact: str, value: object) -> None:
    found = read(tmp_path, "a.webp", files.webp_with((b"XMP ", packet(properties))))
    assert getattr(found, fact) == value


def test_a_camera_that_only_xmp_names(tmp_path: Path) -> None:
    said = packet(
        'tiff:Make="Acme" tiff:Model="Z1" exif:FNumber="28/10" exif:ExposureTime="1/250" exif:FocalLength="50/1" '
        'xmp:CreatorTool="Editor 3" tiff:Orientation="8" exif:GPSAltitude="1234/10" exif:GPSAltitudeRef="1"|'
        "<exif:ISOSpeedRatings><rdf:Seq><rdf:li>400</rdf:li></rdf:Seq></exif:ISOSpeedRatings>"
    )
    found = read(tmp_path, "a.webp", files.webp_with((b"XMP ", said))).metadata
    expected = {
        "camera": "Acme Z1", "f_number": 2.8, "exposure_time": 0.004, "focal_length": 50, "iso": 400,
        "software": "Editor 3", "orientation": 8, "gps_altitude": -123.4,
    }  # fmt: skip
    assert expected.items() <= found.items()


TAKEN = {0x9003: (2, b"2010:07:11 13:53:00\x00")}
ZONED = packet('photoshop:DateCreated="2010-07-11T13:53:00+02:00"')
CHANGED = {306: (2, b"2020:01:01 00:00:00\x00")}
IPTC_DAY = files.resource(0x0404, b"\x1c\x02\x37\x00\x0820100711")


@pytest.mark.parametrize(
    ("segments", "moment"),
    [
        ([tiff_block(CHANGED)], "2020-01-01T00:00:00Z"),
        ([tiff_block(CHANGED, {0x9003: (2, b"2010:07:11 13:53:00\x00")})], "2010-07-11T13:53:00Z"),
        ([tiff_block(CHANGED, {0x9004: (2, b"2015:01:01 00:00:00\x00")})], "2015-01-01T00:00:00Z"),
        ([tiff_block(CHANGED), packet('exif:DateTimeOriginal="2010-07-11"')], "2010-07-11T00:00:00Z"),
        ([tiff_block(CHANGED), IPTC_DAY], "2010-07-11T00:00:00Z"),
        ([tiff_block(CHANGED), packet('xmp:CreateDate="2012-01-01"')], "2012-01-01T00:00:00Z"),
        ([tiff_block({}, {0x9004: (2, b"2015:01:01 00:00:00\x00")}), IPTC_DAY], "2010-07-11T00:00:00Z"),
        (
            [tiff_block({}, {0x9003: (2, b"2010:07:11 13:53:00\x00")}), packet('exif:DateTimeOriginal="1999-01-01"')],
            "2010-07-11T13:53:00Z",
        ),
        ([tiff_block(CHANGED, {0x9003: (2, b"    :  :     :  :  \x00")})], "2020-01-01T00:00:00Z"),
        (
            [tiff_block({}, {0x9003: (2, b"2010:07:11 13:53:00\x00"), 0x9291: (2, b"25\x00")})],
            "2010-07-11T13:53:00.250000Z",
        ),
        # The same time, with the zone that the camera left out
        ([tiff_block({}, TAKEN), ZONED], "2010-07-11T13:53:00+02:00"),
        ([tiff_block({}, TAKEN), packet('photoshop:DateCreated="2010-07-11T11:53:00+02:00"')], "2010-07-11T13:53:00Z"),
        ([tiff_block({}, TAKEN | {0x9011: (2, b"-05:00\x00")}), ZONED], "2010-07-11T13:53:00-05:00"),
    ],
)
def test_when_it_was_taken(tmp_path: Path, segments: list[bytes], moment: str) -> None:
    marks = {
        b"II": (0xE1, b"Exif\x00\x00"),
        b"8B": (0xED, b"Photoshop 3.0\x00"),
        b"<x": (0xE1, b"http://ns.adobe.com/xap/1.0/\x00"),
    }
    parts = [segment(marks[body[:2]][0], marks[body[:2]][1] + body) for body in segments]
    assert read(tmp_path, "a.jpg", files.jpeg_with(*parts)).captured_at == moment


def test_the_time_of_a_png_is_the_last_resort(tmp_path: Path) -> None:
    time = chunk(b"tIME", struct.pack(">HBBBBB", 2021, 3, 4, 5, 6, 7))
    assert read(tmp_path, "a.png", files.png_with(time)).captured_at == "2021-03-04T05:06:07Z"
    said = chunk(b"tEXt", b"Creation Time\x00Sun, 11 Jul 2010 13:53:00 +0200")
    assert read(tmp_path, "b.png", files.png_with(time, said)).captured_at == "2010-07-11T13:53:00+02:00"


def test_a_rating_in_exif(tmp_path: Path) -> None:
    assert read(tmp_path, "a.jpg", exif_jpeg(tiff_block({0x4746: (3, 4)}))).rating == 4
    assert read(tmp_path, "b.jpg", exif_jpeg(tiff_block({0x4749: (3, 99)}))).rating == 5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_tiff_is_turned_once(tmp_path: Path, orientation: int) -> None:
    """The same stored pixels, as TIFF and as JPEG: the same facts, and thumbnails of the same shape."""
    picture = Image.new("RGB", (80, 40), (9, 9, 200))
    picture.save(tmp_path / "a.tif", tiffinfo={274: orientation})
    block = Image.Exif()
    block[274] = orientation
    picture.save(tmp_path / "a.jpg", exif=block)
    shapes = set()
    for name, kind in (("a.tif", "tiff"), ("a.jpg", "jpg")):
        found = extract(tmp_path / name, name).metadata
        assert (found["width"], found["height"], found["orientation"]) == (80, 40, orientation)
        made = thumbnail(tmp_path / name, name, kind, 40)
        shapes.add((made.width, made.height))
    assert shapes == {(20, 40) if orientation >= 5 else (40, 20)}


def raw_picture(preview: tuple[int, int], *pictures: tuple[int, int, int]) -> bytes:
    """A DNG: a preview first, below it pictures of (kind, width, height)."""

    def entries(width: int, height: int, kind: int, more: bytes = b"", count: int = 3) -> bytes:
        rows = [(254, 4, 1, kind), (256, 4, 1, width), (257, 4, 1, height)]
        return struct.pack("<H", count) + b"".join(struct.pack("<HHII", *row) for row in rows) + more + bytes(4)

    size = len(entries(1, 1, 0))
    first, below = 8, 8 + size + 12
    starts = [below + len(pictures) * 4 * (len(pictures) > 1) + number * size for number in range(len(pictures))]
    listed = struct.pack(f"<{len(starts)}I", *starts) if len(starts) > 1 else b""
    pointer = struct.pack("<HHII", 330, 4, len(starts), below if len(starts) > 1 else starts[0])
    out = b"II*\x00" + struct.pack("<I", first) + entries(*preview, 1, pointer, 4) + listed
    return out + b"".join(entries(width, height, kind) for kind, width, height in pictures)


@pytest.mark.parametrize(
    ("pictures", "size"),
    [
        (((0, 400, 300),), (400, 300)),
        (((1, 100, 75), (0, 400, 300)), (400, 300)),
        (((0, 400, 300), (1, 1000, 750)), (400, 300)),
        ((), (40, 30)),
    ],
)
def test_a_raw_picture_has_the_size_of_its_pixels(
    tmp_path: Path, pictures: tuple[tuple[int, int, int], ...], size: tuple[int, int]
) -> None:
    reduced_alone = ((1, 20, 15),)
    found = read(tmp_path, "a.dng", raw_picture((40, 30), *(pictures or reduced_alone)))
    assert (found.metadata["width"], found.metadata["height"]) == size


@pytest.mark.parametrize(
    ("turns", "axis", "orientation"),
    [
        (None, None, 1), (1, None, 8), (2, None, 3), (3, None, 6),
        (None, 0, 4), (None, 1, 2), (1, 0, 5), (1, 1, 7), (3, 0, 7), (3, 1, 5),
    ],
)  # fmt: skip
def test_heic_is_turned_by_its_boxes(tmp_path: Path, turns: int | None, axis: int | None, orientation: int) -> None:
    block = tiff_block({271: (2, b"Apple\x00"), 274: (3, 6)}, {0x9003: (2, b"2023:04:05 06:07:08\x00")})
    found = read(tmp_path, "a.heic", files.heif(4032, 3024, turns=turns, axis=axis, exif=block))
    metadata = found.metadata
    assert (metadata["width"], metadata["height"], metadata["orientation"]) == (4032, 3024, orientation)
    assert (metadata["camera_make"], found.captured_at) == ("Apple", "2023-04-05T06:07:08Z")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("sixteen-bits.psd", files.psd(depth=16), None),
        ("depth.bmp", b"BM" + bytes(12) + struct.pack("<IiiHHI20x", 40, 9, 8, 1, 2, 0) + bytes(64), None),
        ("fourcc.dds", b"DDS \x7c\x00\x00\x00" + struct.pack("<III", 0x1007, 30, 40) + bytes(108), None),
        ("palette.bmp", b"BM" + bytes(12) + struct.pack("<IiiHHI12xI4x", 40, 9, 8, 1, 2, 0, 1 << 20), "malformed"),
        ("planes.bmp", b"BM" + bytes(12) + struct.pack("<IiiHHI20x", 40, 9, 8, 7, 2, 0) + bytes(64), "malformed"),
        ("cut.psd", files.psd()[:30], "malformed"),
    ],
)
def test_damaged_is_not_unsupported(tmp_path: Path, name: str, content: bytes, reason: str | None) -> None:
    """A sound header of a variant without a reader keeps the file, its size and a warning."""
    if reason is None:
        found = read(tmp_path, name, content)
        assert found.metadata["width"] > 0
        assert any("not supported" in warning for warning in found.warnings)
        return
    with pytest.raises(IngestError) as caught:
        read(tmp_path, name, content)
    assert caught.value.reason == reason


def jxl_size(width: int, height: int) -> bytes:
    """A JPEG XL codestream's header with both sides in 13 bits."""
    bits = 0
    at = 1
    for side, between in ((height, 3), (width, 0)):
        bits |= (1 | (side - 1) << 2) << at
        at += 15 + between
    return b"\xff\x0a" + bits.to_bytes(16, "little")


def test_jpeg_xl(tmp_path: Path) -> None:
    bare = read(tmp_path, "a.jxl", jxl_size(800, 600))
    assert (bare.metadata["width"], bare.metadata["height"]) == (800, 600)
    start = box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl \x00\x00\x00\x00jxl ")
    said = box(b"xml ", TITLED) + box(b"Exif", bytes(4), BLOCK)
    boxed = read(tmp_path, "b.jxl", start + box(b"jxlc", jxl_size(800, 600)) + said)
    assert (boxed.metadata["width"], boxed.title, boxed.metadata["camera_make"]) == (800, "Ein Bild", "Acme")
    eighths = b"\xff\x0a" + (1 | 9 << 1 | 5 << 6).to_bytes(16, "little")  # 80 high, 16:9
    assert read(tmp_path, "c.jxl", eighths).metadata["width"] == 142


def test_a_cr2_has_the_size_that_its_exif_names(tmp_path: Path) -> None:
    block = tiff_block({256: (4, 1936), 257: (4, 1288)}, {0xA002: (4, 5616), 0xA003: (4, 3744)})
    # the first directory moves eight bytes on, to make place for Canon's mark
    content = block[:4] + struct.pack("<I", 8) + block[8:]
    marked = _moved(content, 8, b"CR\x02\x00" + bytes(4))
    found = read(tmp_path, "a.cr2", marked).metadata
    assert (found["width"], found["height"]) == (5616, 3744)


def _moved(block: bytes, at: int, inserted: bytes) -> bytes:
    """Insert bytes after the header of a little-endian TIFF stream whose values all fit into their entries."""
    shift = len(inserted)
    body = bytearray(block[at:])
    count = struct.unpack_from("<H", body)[0]
    for number in range(count):
        tag, _, _, value = struct.unpack_from("<HHII", body, 2 + number * 12)
        if tag in (0x8769, 0x8825):
            struct.pack_into("<I", body, 2 + number * 12 + 8, value + shift)
    return block[:4] + struct.pack("<I", at + shift) + inserted + bytes(body)
