from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image
from pypdf import PdfWriter

from service.demo.files import save_pdf
from service.errors import IngestError
from service.ingest.limits import IngestLimits
from service.ingest.renditions import RENDERED, Rendition, thumbnail
from tests.support import media_files as builders
from tests.support.picture_files import HEIC

RED, BLUE = (255, 0, 0), (0, 0, 255)


def shown(rendition: Rendition) -> Image.Image:
    picture = Image.open(io.BytesIO(rendition.content))
    picture.load()
    assert picture.size == (rendition.width, rendition.height)
    assert Image.MIME[picture.format or ""] == rendition.mime_type
    return picture


def near(found: object, wanted: tuple[int, ...]) -> bool:
    assert isinstance(found, tuple)
    return all(abs(one - other) < 40 for one, other in zip(found, wanted, strict=True))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((2000, 1000), (512, 256)),
        ((1000, 2000), (256, 512)),
        ((512, 512), (512, 512)),
        ((60, 40), (60, 40)),
        ((5000, 3), (512, 1)),
    ],
)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_fits_and_never_grows(tmp_path: Path, suffix: str, size: tuple[int, int], expected: tuple[int, int]) -> None:
    made = thumbnail(builders.picture(tmp_path / f"a.{suffix}", size), "a", suffix)
    assert shown(made).size == expected
    assert made.mime_type == "image/jpeg"


def test_heic(tmp_path: Path) -> None:
    """It is shown as its boxes say; EXIF's orientation is not theirs."""
    path = tmp_path / "a.heic"
    path.write_bytes(HEIC)
    made = shown(thumbnail(path, "a.heic", "heic", 80))
    assert made.size == (80, 45)
    assert near(made.getpixel((10, 10)), RED)
    assert near(made.getpixel((70, 40)), (0, 0, 0))


@pytest.mark.parametrize("turn", range(1, 9))
def test_orientation_is_applied(tmp_path: Path, turn: int) -> None:
    upright = Image.new("RGB", (80, 60), BLUE)
    upright.paste(RED, (0, 0, 40, 30))  # the top left quarter
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    block = Image.Exif()
    block[0x0112] = turn
    stored = upright.transpose(undo[turn]) if turn in undo else upright
    stored.save(tmp_path / "a.jpg", quality=95, exif=block)
    picture = shown(thumbnail(tmp_path / "a.jpg", "a.jpg", "jpg"))
    assert picture.size == (80, 60)
    assert near(picture.getpixel((10, 10)), RED)
    assert near(picture.getpixel((70, 50)), BLUE)
    assert not picture.getexif()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "I;16", "F"])
@pytest.mark.parametrize("suffix", ["tiff", "png"])
def test_every_mode_becomes_a_picture(tmp_path: Path, mode: str, suffix: str) -> None:
    if (mode, suffix) in {("CMYK", "png"), ("F", "png")}:
        return
    path = tmp_path / f"a.{suffix}"
    Image.linear_gradient("L").convert(mode if mode != "I;16" else "I").convert(mode).save(path)
    picture = shown(thumbnail(path, "a", suffix)).convert("L")
    top, bottom = picture.getpixel((5, 2)), picture.getpixel((250, 253))
    assert isinstance(top, int | float)
    assert isinstance(bottom, int | float)
    assert (top, bottom) == (0, 255) if mode == "1" else top < 40 and bottom > 200


def test_transparency_is_kept(tmp_path: Path) -> None:
    Image.new("RGBA", (100, 80), (255, 0, 0, 0)).save(tmp_path / "a.png")
    made = thumbnail(tmp_path / "a.png", "a.png", "png")
    assert made.mime_type == "image/webp"
    pixel = shown(made).getpixel((5, 5))
    assert isinstance(pixel, tuple)
    assert pixel[3] == 0


def test_a_palette_with_a_transparent_colour(tmp_path: Path) -> None:
    Image.new("P", (20, 20), 3).save(tmp_path / "a.gif", transparency=3)
    assert thumbnail(tmp_path / "a.gif", "a.gif", "gif").mime_type == "image/webp"


def test_an_opaque_alpha_channel_costs_nothing(tmp_path: Path) -> None:
    Image.new("RGBA", (20, 20), (9, 9, 9, 255)).save(tmp_path / "a.png")
    assert thumbnail(tmp_path / "a.png", "a.png", "png").mime_type == "image/jpeg"


def draw(tmp_path: Path, inner: str, root: str = 'viewBox="0 0 40 20"', size: int = 512) -> Image.Image:
    path = tmp_path / "a.svg"
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {root}>{inner}</svg>'
    )
    return shown(thumbnail(path, "a.svg", "svg", size))


FILL = '<rect width="100%" height="100%" fill="#f00"/>'


@pytest.mark.parametrize(
    ("root", "size"),
    [
        ('viewBox="0 0 40 20"', (512, 256)),
        ('width="10mm" height="10mm"', (512, 512)),
        ('width="9pt" height="36pt"', (128, 512)),
        ('width="1000000" height="500000" viewBox="0 0 2 1"', (512, 256)),
        ('width="1" height="100000"', (1, 512)),
    ],
)
def test_drawings_fill_the_box(tmp_path: Path, root: str, size: tuple[int, int]) -> None:
    picture = draw(tmp_path, FILL, root)
    assert picture.size == size
    assert near(picture.convert("RGB").getpixel((0, size[1] // 2)), RED)


def test_a_drawing_without_a_namespace_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "a.svg"
    path.write_text('<svg width="20" height="20"><rect width="20" height="20" fill="#f00"/></svg>')
    assert near(shown(thumbnail(path, "a.svg", "svg")).getpixel((9, 9)), RED)


SECRET = "secret.png"
USE = '<defs><rect id="r" width="40" height="20" fill="#00f"/></defs>{}<use {}="#r"/>'


@pytest.mark.parametrize(
    "link",
    [
        'xlink:href="{path}"',
        'href="{path}"',
        'xlink:href="file://{path}"',
        'href="&#x2f;{bare}"',
        'href=" {path}"',
    ],
)
def test_no_file_outside_is_shown(tmp_path: Path, link: str) -> None:
    """A drawing that links to a picture on the server's disk must not carry it out."""
    secret = builders.picture(tmp_path / SECRET)
    reference = link.format(path=secret, bare=str(secret)[1:])
    picture = draw(tmp_path, f'{FILL}<image width="40" height="20" {reference}/>')
    assert near(picture.convert("RGB").getpixel((250, 120)), RED)


@pytest.mark.parametrize("name", ["href", "xlink:href"])
def test_links_inside_the_drawing_work(tmp_path: Path, name: str) -> None:
    assert near(draw(tmp_path, USE.format(FILL, name)).convert("RGB").getpixel((250, 120)), BLUE)


def test_a_page(tmp_path: Path) -> None:
    facts = {"title": "T", "creator": "A", "description": "D", "tags": ("t",)}
    save_pdf(tmp_path / "a.pdf", ["words " * 200, "two"], facts, datetime(2024, 1, 1, tzinfo=UTC))
    picture = shown(thumbnail(tmp_path / "a.pdf", "a.pdf", "pdf"))
    assert max(picture.size) == 512
    extrema = picture.convert("L").getextrema()
    assert isinstance(extrema[0], int | float)
    assert extrema[0] < 120 < 250 < extrema[1]


def locked(path: Path) -> Path:
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("password", algorithm="RC4-128")
    writer.write(path)
    return path


def test_a_locked_page_has_no_rendition(tmp_path: Path) -> None:
    with pytest.raises(IngestError) as caught:
        thumbnail(locked(tmp_path / "a.pdf"), "a.pdf", "pdf")
    assert caught.value.reason == "unsupported"


JPEG = builders.jpeg((200, 150))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("jpg", JPEG[: len(JPEG) // 2], "malformed"),
        ("png", builders.png(400, 400), "malformed"),
        ("png", builders.png(50_000, 50_000), "bomb"),
        ("svg", b"<svg", "malformed"),
        ("svg", b"<svg xmlns='http://www.w3.org/2000/svg' width='0' height='0'/>", "malformed"),
        ("pdf", b"%PDF-1.4", "malformed"),
        ("ps", b"%!PS-Adobe-3.0 EPSF-3.0", "unsupported"),
        ("wav", b"RIFF", "unsupported"),
    ],
)
def test_what_can_not_be_shown_says_why(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    path = tmp_path / "upload"
    path.write_bytes(content)
    with pytest.raises(IngestError) as caught:
        thumbnail(path, "a name", name)
    assert (caught.value.reason, caught.value.filename) == (reason, "a name")
    assert str(tmp_path) not in caught.value.message


def test_the_pixel_limit_holds_for_renditions(tmp_path: Path) -> None:
    with pytest.raises(IngestError) as caught:
        thumbnail(builders.picture(tmp_path / "a.png"), "a.png", "png", limits=IngestLimits(image_pixels=100))
    assert caught.value.reason == "bomb"


def test_postscript_has_no_reader() -> None:
    assert not RENDERED & {"ps", "eps", "wmf"}
