"""Raster images with Pillow: size, EXIF, IPTC, XMP and generation parameters, without decoding pixels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, ImageFile, UnidentifiedImageError

from service.errors import IngestError
from service.ingest import clean
from service.ingest.facts import Facts, Sniffed
from service.ingest.limits import IngestLimits
from service.ingest.readers import exif, iptc, rdf
from service.ingest.readers.generation import carriers, parameters, stealth
from service.ingest.readers.markup import parse_bytes

# Detected format → Pillow plugin. No other plugin is ever tried: some (EPS, WMF) start external programs.
READERS: dict[str, str] = {
    "jpg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP", "tiff": "TIFF", "bmp": "BMP", "ico": "ICO",
    "avif": "AVIF", "jp2": "JPEG2000", "psd": "PSD",
}  # fmt: skip
_XMP_KEYS = ("xmp", "XML:com.adobe.xmp")


@contextmanager
def _quiet(pixels: int) -> Iterator[None]:
    """Set Pillow's global pixel limit while an image is open; its warnings are ignored, since real problems raise."""
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Image.MAX_IMAGE_PIXELS = pixels
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


@contextmanager
def opened(path: Path, name: str, filename: str, limits: IngestLimits) -> Iterator[ImageFile.ImageFile]:
    """Open an image with the plugin of its detected format; no pixels are decoded.

    Raises IngestError: ``unsupported`` (no reader), ``malformed``, ``bomb`` (more than ``image_pixels``).
    """
    reader = READERS.get(name)
    if reader is None:
        raise IngestError(f"Images in {name} format are not supported.", reason="unsupported", filename=filename)
    with path.open("rb") as source, _quiet(limits.image_pixels):
        try:
            image = Image.open(source, formats=[reader])
        except Image.DecompressionBombError as error:
            raise _bomb(filename, limits) from error
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, OverflowError) as error:
            raise IngestError(
                f"The {name} image is damaged: its header cannot be read.", reason="malformed", filename=filename
            ) from error
        with image:
            if image.width * image.height > limits.image_pixels:
                raise _bomb(filename, limits)
            yield image


def read(path: Path, sniffed: Sniffed, filename: str, limits: IngestLimits) -> Facts:
    """Return the facts of an image.

    ``width`` and ``height`` are those of the stored pixels; ``orientation`` is the EXIF orientation (1 to 8). Raises
    IngestError like :func:`opened`.
    """
    if sniffed.format not in READERS:
        return Facts(warnings=(f"No metadata was read: images in {sniffed.format} format are not supported.",))
    with opened(path, sniffed.format, filename, limits) as image:
        metadata: dict[str, Any] = {"width": image.width, "height": image.height}
        ppi = _ppi(image)
        if ppi:
            metadata["ppi"] = ppi
        camera = exif.read(image, limits)
        said = carriers.texts({**exif.texts(image), **{str(name): text for name, text in image.info.items()}})
        made = parameters.read(said, limits, Path(filename).stem)
        embedded = _xmp(image, filename, limits)
        captions = iptc.read(image, limits)
        plain = _plain(image, limits)
        if not made.metadata:  # last, since it decodes pixels
            made = parameters.read(stealth.texts(image), limits, Path(filename).stem)
    facts = Facts(metadata=metadata)
    # XMP is written last, by cataloguing software; EXIF is written first, by the camera, and has the most exact time
    for part in (Facts(captured_at=camera.captured_at, gps=camera.gps), embedded, captions, camera, made, plain):
        # nothing written for programs may keep out what a later part says to people
        facts = rdf.merged(facts, carriers.without_parameters(part, said))
    return facts


def _bomb(filename: str, limits: IngestLimits) -> IngestError:
    return IngestError(
        f"The image has more than {limits.image_pixels} pixels (image_pixels).", reason="bomb", filename=filename
    )


def _ppi(image: Image.Image) -> float | int | None:
    """Return the pixels per inch from the header; 1 and below mean "unknown" in JFIF and TIFF."""
    density = image.info.get("dpi")
    found = clean.number(density[0]) if isinstance(density, tuple) and density else None
    return (round(found, 2) if isinstance(found, float) else found) if found is not None and found > 1 else None


def _xmp(image: Image.Image, filename: str, limits: IngestLimits) -> Facts:
    packet = next((image.info[key] for key in _XMP_KEYS if image.info.get(key)), None)
    if packet is None and hasattr(image, "tag_v2"):
        packet = image.tag_v2.get(700)  # TIFF's XMP tag
    if isinstance(packet, str):
        packet = packet.encode("utf-8", "replace")
    if not isinstance(packet, bytes) or not packet.strip(b"\x00 \r\n\t"):
        return Facts()
    try:
        found = rdf.properties([parse_bytes(packet.strip(b"\x00 \r\n\t"), filename, limits)], limits)
    except IngestError as error:
        return Facts(warnings=(f"XMP metadata was ignored: {error.message}",))
    facts = rdf.facts(found, limits)
    return rdf.merged(facts, Facts(metadata={"xmp": rdf.leaves(found)} if found else {}))


def _plain(image: Image.Image, limits: IngestLimits) -> Facts:
    """Return the facts in the registered PNG keywords (PNG 3rd edition §11.3.3.1)."""
    info = image.info if image.format == "PNG" else {}
    author = info.get("Author") or info.get("author")
    return Facts(
        title=clean.text(info.get("Title") or info.get("title"), limits.title_chars),
        description=clean.text(info.get("Description") or info.get("description"), limits.text_chars),
        creator=clean.words([author], limits) if author else (),
        credit=clean.text(info.get("Copyright"), limits.title_chars),
        metadata={"software": software} if (software := clean.text(info.get("Software"), limits.title_chars)) else {},
    )
