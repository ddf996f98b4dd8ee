from __future__ import annotations

import gzip
import io
import struct
import wave
import zipfile
from pathlib import Path
from uuid import UUID

import pytest
from PIL import Image

from service.ingest.sniff import HEAD, encoding_of, sniff
from tests.support import media_files as builders
from tests.support import recording_files as recordings
from tests.support.compound_files import compound_file


def wav() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\x00\x00" * 80)
    return out.getvalue()


def raster(name: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, name)
    return out.getvalue()


def compound(*names: str, root: str = "00000000-0000-0000-0000-000000000000") -> bytes:
    """An OLE compound file whose directory is 200 KB from its beginning, and names these streams."""
    place = 400
    header = bytearray(512)
    header[:8], header[30:32] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", struct.pack("<H", 9)
    header[48:52] = struct.pack("<I", place)
    tables = 4
    header[76:512] = b"".join(struct.pack("<I", n if n < tables else 0xFFFFFFFF) for n in range(109))
    entries = [entry("Root Entry", 5, root), *(entry(name, 2) for name in names)]
    count = -(-len(entries) // 4)
    chain = [0xFFFFFFFF] * (tables * 128)
    for number in range(count):
        chain[place + number] = place + number + 1 if number + 1 < count else 0xFFFFFFFE
    table = struct.pack(f"<{len(chain)}I", *chain)
    sectors = table + bytes(place * 512 - len(table)) + b"".join(entries).ljust(count * 512, b"\x00")
    return bytes(header) + sectors


def entry(name: str, kind: int, root: str = "00000000-0000-0000-0000-000000000000") -> bytes:
    text = name.encode("utf-16-le") + b"\x00\x00"
    return text.ljust(64, b"\x00") + struct.pack("<HBB12x", len(text), kind, 1) + UUID(root).bytes_le + bytes(32)


def frames(count: int = 4) -> bytes:
    """MPEG-1 layer III frames of 128 kbit/s at 44.1 kHz."""
    return (b"\xff\xfb\x90\x00" + bytes(413)) * count


def adts(count: int = 4) -> bytes:
    """ADTS frames of 16 bytes."""
    return (b"\xff\xf1\x50\x80\x02\x00\xfc" + bytes(9)) * count


ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(14)
SOUND, FILM = bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b"), bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")
MSI = "000c1084-0000-0000-c000-000000000046"
BITMAP = struct.pack("<IiiHHI20x", 40, 8, -8, 1, 24, 0)
ICON = b"\x00\x00\x01\x00\x01\x00" + b"\x10\x10" + b"\x00" * 30
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600
LONG_PROLOG = "<?xml version='1.0'?><!-- " + "note " * 200 + "--><!DOCTYPE svg [ <!ENTITY a 'b'> ]>\n"

CASES: list[tuple[str, bytes, str, str, str, str]] = [
    # name, content, type, mime, format, ext
    ("a.jpg", raster("JPEG"), "image", "image/jpeg", "jpg", "jpg"),
    ("A.JPEG", raster("JPEG"), "image", "image/jpeg", "jpg", "jpeg"),
    ("really-a-jpeg.png", raster("JPEG"), "image", "image/jpeg", "jpg", "jpg"),
    ("no-extension", raster("PNG"), "image", "image/png", "png", "png"),
    ("a.gif", raster("GIF"), "image", "image/gif", "gif", "gif"),
    ("a.webp", raster("WEBP"), "image", "image/webp", "webp", "webp"),
    ("a.tif", raster("TIFF"), "image", "image/tiff", "tiff", "tif"),
    ("a.bmp", raster("BMP"), "image", "image/bmp", "bmp", "bmp"),
    ("a.avif", raster("AVIF"), "image", "image/avif", "avif", "avif"),
    ("a.ico", ICON, "image", "image/vnd.microsoft.icon", "ico", "ico"),
    ("a.heic", b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00heicmif1", "image", "image/heic", "heic", "heic"),
    ("a.svg", builders.svg().encode(), "image", "image/svg+xml", "svg", "svg"),
    ("named.txt", builders.svg(prolog=LONG_PROLOG).encode(), "image", "image/svg+xml", "svg", "svg"),
    ("utf16.svg", builders.svg().encode("utf-16"), "image", "image/svg+xml", "svg", "svg"),
    ("prefixed.svg", b'<s:svg xmlns:s="http://www.w3.org/2000/svg"/>', "image", "image/svg+xml", "svg", "svg"),
    ("a.pdf", b"%PDF-1.4\n%\xe2\xe3", "pdf", "application/pdf", "pdf", "pdf"),
    ("junk-first.pdf", b"mail header\r\n%PDF-1.7\n", "pdf", "application/pdf", "pdf", "pdf"),
    ("a.wav", wav(), "audio", "audio/wav", "wav", "wav"),
    ("a.mp3", b"ID3\x04\x00\x00\x00\x00\x00\x00", "audio", "audio/mpeg", "mp3", "mp3"),
    ("bare.mp3", b"\xff\xfb\x90\x00" + b"\x00" * 64, "audio", "audio/mpeg", "mp3", "mp3"),
    ("a.flac", b"fLaC\x00\x00\x00\x22", "audio", "audio/flac", "flac", "flac"),
    ("a.oga", b"OggS" + b"\x00" * 24 + b"\x01vorbis", "audio", "audio/ogg", "ogg", "oga"),
    ("a.ogv", b"OggS" + b"\x00" * 24 + b"\x80theora", "video", "video/ogg", "ogv", "ogv"),
    ("a.mp4", builders.mp4(64, 48, 2, 50), "video", "video/mp4", "mp4", "mp4"),
    ("a.mov", builders.mp4(64, 48, 2, 50, brand=b"qt  "), "video", "video/quicktime", "mov", "mov"),
    ("a.m4a", builders.mp4(64, 48, 2, 50, brand=b"M4A "), "audio", "audio/mp4", "m4a", "m4a"),
    ("a.webm", builders.matroska(64, 48, 2), "video", "video/webm", "webm", "webm"),
    ("a.avi", builders.avi(64, 48, 50, 40_000), "video", "video/x-msvideo", "avi", "avi"),
    ("a.doc", OLE + "WordDocument".encode("utf-16-le"), "document", "application/msword", "doc", "doc"),
    ("a.msi", OLE, "other", "application/x-ole-storage", "ole", "ole"),
    ("a.rtf", b"{\\rtf1 hello}", "document", "application/rtf", "rtf", "rtf"),
    ("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n", "document", "application/postscript", "ps", "eps"),
    ("a.txt", b"plain words\n", "text", "text/plain", "txt", "txt"),
    ("empty", b"", "text", "text/plain", "txt", "txt"),
    ("readme.md", b"# Heading\n", "text", "text/markdown", "md", "md"),
    ("a.csv", b"a,b\n1,2\n", "text", "text/csv", "csv", "csv"),
    ("a.json", b'{"a": 1}', "text", "application/json", "json", "json"),
    ("page.txt", b"<!DOCTYPE html><title>x</title>", "text", "text/html", "html", "html"),
    ("feed", b"<?xml version='1.0'?><rss/>", "text", "application/xml", "xml", "xml"),
    ("latin.txt", "naïve café".encode("latin-1"), "text", "text/plain", "txt", "txt"),
    ("a.url", b"[InternetShortcut]\r\nURL=https://example.org/\r\n", "link", "application/x-url", "url", "url"),
    ("a.wma", ASF + SOUND, "audio", "audio/x-ms-wma", "wma", "wma"),
    ("a.wmv", ASF + SOUND + FILM, "video", "video/x-ms-wmv", "wmv", "wmv"),
    ("a.ts", recordings.transport_stream(), "video", "video/mp2t", "mpegts", "ts"),
    ("a.m2ts", recordings.transport_stream(192), "video", "video/mp2t", "mpegts", "m2ts"),
    ("a.ts", b"export const answer: number = 42;\n", "text", "text/plain", "txt", "txt"),
    ("a.pbm", b"P1\n# a note\n2 2\n1 0 0 1\n", "image", "image/x-portable-bitmap", "pbm", "pbm"),
    ("a.pnm", b"P5 2 2 255\n\x00\xff\x00\xff", "image", "image/x-portable-graymap", "pgm", "pnm"),
    ("a.ppm", b"P6\n1 1\n255\n\x00\x00\x00", "image", "image/x-portable-pixmap", "ppm", "ppm"),
    ("a.pam", b"P7\nWIDTH 1\nHEIGHT 1\n", "image", "image/x-portable-arbitrarymap", "pam", "pam"),
    ("notes.txt", b"P1 10 20 are the page numbers\n", "text", "text/plain", "txt", "txt"),
    ("a.pcx", raster("PCX"), "image", "image/vnd.zbrush.pcx", "pcx", "pcx"),
    ("a.dib", BITMAP + bytes(192), "image", "image/bmp", "dib", "dib"),
    ("a.bmp", b"BM" + bytes(4) + b"junk" + bytes(4) + BITMAP, "image", "image/bmp", "bmp", "bmp"),
    ("a.tga", raster("TGA"), "image", "image/x-tga", "tga", "tga"),
    ("old.tga", raster("TGA")[:-26], "image", "image/x-tga", "tga", "tga"),
    ("a.svgz", gzip.compress(builders.svg().encode()), "image", "image/svg+xml", "svg", "svgz"),
    ("a.psb", b"8BPS\x00\x02" + bytes(20), "image", "image/vnd.adobe.photoshop", "psd", "psb"),
    ("padded.mp3", bytes(300) + frames(), "audio", "audio/mpeg", "mp3", "mp3"),
    ("padded.aac", bytes(300) + adts(), "audio", "audio/aac", "aac", "aac"),
    ("padding.bin", bytes(300) + b"\xff\xfb\x90\x00" + bytes(20), "other", "application/octet-stream", "bin", "bin"),
    ("tagged.aac", b"ID3\x04\x00\x00\x00\x00\x00\x02ab" + adts(), "audio", "audio/aac", "aac", "aac"),
    ("tagged.flac", b"ID3\x04\x00\x00\x00\x00\x00\x02abfLaC", "audio", "audio/flac", "flac", "flac"),
    ("far.doc", compound("Data", "1Table", "WordDocument"), "document", "application/msword", "doc", "doc"),
    ("far.xls", compound("Workbook"), "document", "application/vnd.ms-excel", "xls", "xls"),
    ("old.xls", compound("Book"), "document", "application/vnd.ms-excel", "xls", "xls"),
    ("far.ppt", compound("PowerPoint Document"), "document", "application/vnd.ms-powerpoint", "ppt", "ppt"),
    ("a.msg", compound("__properties_version1.0"), "document", "application/vnd.ms-outlook", "msg", "msg"),
    ("a.vsd", compound("VisioDocument"), "document", "application/vnd.visio", "vsd", "vsd"),
    ("a.fpx", compound("Data Object 000001"), "image", "image/vnd.fpx", "fpx", "fpx"),
    ("by-class.msi", compound("odd", root=MSI), "other", "application/x-msi", "msi", "msi"),
    ("a.bin", compound("Contents"), "other", "application/x-ole-storage", "ole", "ole"),
    ("a.cr3", b"\x00\x00\x00\x18ftypcrx \x00\x00\x00\x01crx isom", "image", "image/x-canon-cr3", "cr3", "cr3"),
    ("a.avif", b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1avifmiaf", "image", "image/avif", "avif", "avif"),
    ("a.gz", b"\x1f\x8b\x08" + b"\x00" * 20, "other", "application/gzip", "gz", "gz"),
    ("nul.txt", b"words\x00words", "other", "application/octet-stream", "bin", "bin"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "kind", "mime", "format_", "ext"), CASES, ids=[f"{case[0]}-{case[4]}" for case in CASES]
)
def test_content_decides(
    tmp_path: Path, name: str, content: bytes, kind: str, mime: str, format_: str, ext: str
) -> None:
    path = tmp_path / "stored-by-hash"
    path.write_bytes(content)
    found = sniff(path, name)
    assert (found.type, found.mime_type, found.format, found.ext) == (kind, mime, format_, ext)


@pytest.mark.parametrize(
    ("members", "format_"),
    [
        ({"[Content_Types].xml": b"", "word/document.xml": b""}, "docx"),
        ({"[Content_Types].xml": b"", "xl/workbook.xml": b""}, "xlsx"),
        ({"[Content_Types].xml": b"", "ppt/presentation.xml": b""}, "pptx"),
        ({"mimetype": b"application/vnd.oasis.opendocument.text", "meta.xml": b""}, "odt"),
        ({"mimetype": b"application/epub+zip"}, "epub"),
        ({"mimetype": b"application/x-unheard-of"}, "zip"),
        ({"word/notes.txt": b"an archive with a folder named word"}, "zip"),
    ],
)
def test_archives_by_their_members(tmp_path: Path, members: dict[str, bytes], format_: str) -> None:
    assert sniff(builders.archive(tmp_path / "a.zip", members), "a.zip").format == format_


def test_a_broken_archive_is_still_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK\x03\x04" + b"\x00" * 40)
    assert sniff(path, "a.zip").format == "zip"
    assert sniff(path, "a.docx").format == "docx"  # so that its reader says that it is damaged


def test_a_character_cut_at_the_end_of_the_head_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_bytes(b"x" * (HEAD - 1) + "é".encode() + b" more")
    assert sniff(path, "long.txt").mime_type == "text/plain"


def test_rarer_formats_come_from_the_larger_table(tmp_path: Path) -> None:
    path = tmp_path / "font"
    path.write_bytes(b"\x7fELF\x02\x01\x01" + b"\x00" * 64 + struct.pack("<H", 62))
    assert sniff(path, "program").type == "other"


@pytest.mark.parametrize(
    ("head", "codec"),
    [
        (b"abc", "utf-8"),
        (b"\xef\xbb\xbfabc", "utf-8-sig"),
        ("abc".encode("utf-16"), "utf-16"),
        (b"caf\xe9", "cp1252"),
        (b"\x81\x8d", None),
        (b"a\x00b", None),
        (b"\xff\xfe\x00\xd8", None),
    ],
)
def test_encodings(head: bytes, codec: str | None) -> None:
    assert encoding_of(head) == codec


def test_an_unclosed_comment_is_scanned_once(tmp_path: Path) -> None:
    path = tmp_path / "hostile"
    path.write_bytes(b"<!--" * 16_000)
    assert sniff(path, "hostile.txt").format == "txt"


CONTAINER = {"META-INF/container.xml": b"<container/>"}


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({"mimetype": b"application/epub+zip", **CONTAINER}, "epub"),
        ({**CONTAINER, "mimetype": b"application/epub+zip\r\n"}, "epub"),
        (CONTAINER, "epub"),
        ({"mimetype": b"application/vnd.adobe.indesign-idml-package", **CONTAINER}, "zip"),
        ({"content.xml": b"", "mimetype": b"application/vnd.oasis.opendocument.text-template"}, "ott"),
        ({"mimetype": b"application/vnd.sun.xml.writer"}, "sxw"),
        ({"[Content_Types].xml": b"", "visio\\document.xml": b""}, "vsdx"),
        ({"_rels/.rels": b"", "FixedDocSeq.fdseq": b"", "[content_types].xml": b""}, "xps"),
        ({"mimetype": b"x" * 5_000_000}, "zip"),
    ],
)
def test_zipped_documents(tmp_path: Path, members: dict[str, bytes], found: str) -> None:
    path = tmp_path / "upload"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, body in members.items():
            out.writestr(name, body)
    assert sniff(path, "upload").format == found


@pytest.mark.parametrize(("name", "found"), [("a.xlsx", "xlsx"), ("a.docm", "docx"), ("a.bin", "ole")])
def test_a_document_with_a_password_is_what_its_name_says(tmp_path: Path, name: str, found: str) -> None:
    path = compound_file(tmp_path / "upload", {"EncryptionInfo": b"", "EncryptedPackage": b"x"})
    assert sniff(path, name).format == found


@pytest.mark.parametrize("start", [b"\x30\x80", b"\x30\x82\x10\x00"])
def test_a_time_stamped_file_is_not_what_is_in_it(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "upload"
    path.write_bytes(start + b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x1f\xa0\x80%PDF-1.7\n")
    assert sniff(path, "a.pdf.tsd").format == "tsd"
