"""Thumbnails: JPEG for opaque images, WebP for images with transparency."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder, tostring

import pypdfium2
import resvg_py
from PIL import Image, ImageOps

from service.errors import IngestError
from service.ingest.guard import guarded
from service.ingest.limits import DEFAULT, IngestLimits
from service.ingest.readers import image
from service.ingest.readers.documents import pdf
from service.ingest.readers.markup import local, parse_file

_JPEG_QUALITY, _WEBP_QUALITY = 82, 80
_SVG = "http://www.w3.org/2000/svg"
_DPI = 96.0  # as in CSS; resvg's default of 0 gives "10mm" no size
_TURNED_BY_PILLOW = frozenset({"tiff", "heic"})
_LINKED_TEXT = ("#", "data:image/")


@dataclass(frozen=True, slots=True)
class Rendition:
    """An image for display: its bytes, media type, and size in pixels."""

    content: bytes
    mime_type: str
    width: int
    height: int


def thumbnail(path: Path, filename: str, name: str, size: int = 512, limits: IngestLimits = DEFAULT) -> Rendition:
    """Return an image of the file that fits into ``size`` × ``size`` pixels; never larger than a raster original.

    ``name`` is the detected format (``jpg``, ``svg``, ``pdf`` …). The EXIF orientation is applied and all metadata is
    removed. Raises IngestError: ``unsupported`` (no rendition for this format), ``malformed``, ``bomb``, ``limit``,
    ``memory``.
    """
    maker = _RENDERERS.get(name)
    if maker is None:
        raise IngestError(f"Renditions of {name} files are not supported.", reason="unsupported", filename=filename)
    with guarded("Creating the rendition", filename):
        return _encoded(maker(path, name, filename, size, limits))


def _raster(path: Path, name: str, filename: str, size: int, limits: IngestLimits) -> Image.Image:
    with image.opened(path, name, filename, limits) as source:
        # Pillow turns these by itself; turned again, they would lie on their side.
        orientation = 1 if name in _TURNED_BY_PILLOW else source.getexif().get(0x0112, 1)
        source.draft(
            "RGB", (size, size)
        )  # JPEG only: decodes at 1/2, 1/4 or 1/8 of the size, for a fraction of the cost
        picture = _displayable(source)
        picture.thumbnail((size, size), Image.Resampling.LANCZOS, reducing_gap=2.0)
        return ImageOps.exif_transpose(_with_orientation(picture, orientation))


def _with_orientation(picture: Image.Image, orientation: Any) -> Image.Image:
    """Restore the orientation tag where Pillow expects it: conversions lose it."""
    if isinstance(orientation, int) and 2 <= orientation <= 8:
        picture.getexif()[0x0112] = orientation
    return picture


def _displayable(source: Image.Image) -> Image.Image:
    """Convert any mode to RGB or RGBA; 16-bit grey is scaled, not clipped."""
    if source.mode in {"I;16", "I;16L", "I;16B", "I", "F"}:
        return _stretched(source.convert("F")).convert("RGB")
    if source.has_transparency_data:
        return source if source.mode == "RGBA" else source.convert("RGBA")
    return source if source.mode == "RGB" else source.convert("RGB")


def _stretched(grey: Image.Image) -> Image.Image:
    """Scale floating-point grey of any range to 0..255."""
    low, high = (float(bound) for bound in grey.getextrema() if not isinstance(bound, tuple))
    factor = 255 / ((high - low) or 1.0)
    return grey.point(lambda value: value * factor - low * factor).convert("L")


def _drawing(path: Path, name: str, filename: str, size: int, limits: IngestLimits) -> Image.Image:
    """Render an SVG with resvg, which runs no scripts; links to anything outside the file are removed first."""
    root: Element = parse_file(path, filename, _LinkRemover(), limits)
    try:
        drawn = resvg_py.svg_to_bytes(
            svg_string=tostring(root, encoding="unicode"), width=size, height=size, dpi=_DPI, font_family="DejaVu Sans"
        )
    except ValueError as error:
        raise IngestError("The drawing cannot be rendered.", reason="malformed", filename=filename) from error
    return Image.open(io.BytesIO(drawn), formats=["PNG"])


class _LinkRemover(TreeBuilder):
    """Builds the tree without links to other files, and puts elements without a namespace into SVG's."""

    def start(self, tag: str, attrs: dict[str, str]) -> Element:
        kept = {key: value for key, value in attrs.items() if local(key) != "href" or _is_inside(value)}
        return super().start(tag if tag.startswith("{") else f"{{{_SVG}}}{tag}", kept)

    def end(self, tag: str) -> Element:
        return super().end(tag if tag.startswith("{") else f"{{{_SVG}}}{tag}")


def _is_inside(link: str) -> bool:
    return link.strip().lower().startswith(_LINKED_TEXT)


def _page(path: Path, name: str, filename: str, size: int, limits: IngestLimits) -> Image.Image:
    """Render the first page of a PDF on white."""
    try:
        with pdf.opened(path, filename) as document, closing(document[0]) as page:
            width, height = page.get_size()
            if width <= 0 or height <= 0:
                raise IngestError("The first page of the PDF has no size.", reason="malformed", filename=filename)
            bitmap = page.render(scale=size / max(width, height), may_draw_forms=False)
            return bitmap.to_pil().convert("RGB")  # type: ignore[no-any-return]
    except pdf.PasswordProtected as error:
        raise IngestError("The PDF is password-protected.", reason="unsupported", filename=filename) from error
    except (pypdfium2.PdfiumError, IndexError) as error:
        raise IngestError(
            "The first page of the PDF cannot be rendered.", reason="malformed", filename=filename
        ) from error


def _encoded(picture: Image.Image) -> Rendition:
    out = io.BytesIO()
    alpha = picture.mode == "RGBA" and picture.getchannel("A").getextrema() != (255, 255)
    if alpha:
        picture.save(out, "WEBP", quality=_WEBP_QUALITY, method=2)
    else:
        picture.convert("RGB").save(out, "JPEG", quality=_JPEG_QUALITY, optimize=True, progressive=True)
    return Rendition(out.getvalue(), "image/webp" if alpha else "image/jpeg", picture.width, picture.height)


_RENDERERS: dict[str, Callable[[Path, str, str, int, IngestLimits], Image.Image]] = {
    **dict.fromkeys(image.READERS, _raster),
    "svg": _drawing,
    "pdf": _page,
}
RENDERED = frozenset(_RENDERERS)
"""The detected formats for which renditions can be created."""
