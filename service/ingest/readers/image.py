"""Raster images with Pillow: size, EXIF, IPTC, XMP and generation parameters, without decoding pixels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pi_heif
from PIL import Image, ImageFile, UnidentifiedImageError

from service.errors import IngestError
from service.ingest import clean, dates
from service.ingest.dates import DateKind
from service.ingest.facts import Facts, Sniffed
from service.ingest.limits import IngestLimits
from service.ingest.readers import exif, iptc, rdf
from service.ingest.readers.containers.embedded import Embedded
from service.ingest.readers.containers.pictures import embedded
from service.ingest.readers.generation import carriers, parameters, stealth

# Detected format → Pillow plugin. No other plugin is ever tried: some (EPS, WMF) start external programs.
READERS: dict[str, str] = {
    "jpg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP", "tiff": "TIFF", "bmp": "BMP", "ico": "ICO",
    "avif": "AVIF", "heic": "HEIF", "jp2": "JPEG2000", "psd": "PSD", "dib": "DIB", "ppm": "PPM", "pgm": "PPM",
    "pbm": "PPM", "pam": "PPM", "pfm": "PPM", "pcx": "PCX", "tga": "TGA", "sgi": "SGI", "qoi": "QOI", "dds": "DDS",
    "icns": "ICNS", "cur": "CUR", "xbm": "XBM", "xpm": "XPM",
}  # fmt: skip

_TIFFS = frozenset({"tiff", "orf", "rw2"})

pi_heif.register_heif_opener()


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

    Raises IngestError: ``unsupported`` (no reader, or a variant that it does not read), ``malformed``, ``bomb`` (more
    than ``image_pixels``).
    """
    reader = READERS.get(name)
    if reader is None:
        raise IngestError(f"Images in {name} format are not supported.", reason="unsupported", filename=filename)
    with path.open("rb") as source, _quiet(limits.image_pixels):
        try:
            image = Image.open(source, formats=[reader])
        except Image.DecompressionBombError as error:
            raise _bomb(filename, limits) from error
        except (
            UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, OverflowError, NotImplementedError
        ) as error:  # fmt: skip
            raise _unreadable(path, name, filename, limits) from error
        with image:
            if image.width * image.height > limits.image_pixels:
                raise _bomb(filename, limits)
            yield image


def read(path: Path, sniffed: Sniffed, filename: str, limits: IngestLimits) -> Facts:
    """Return the facts of an image.

    ``width`` and ``height`` are those of the stored pixels; ``orientation`` (1 to 8, as in EXIF) says how they are
    turned to be shown. Pixels are decoded only where generation parameters may be hidden in them. A variant that
    Pillow does not read keeps what its header and metadata say, with a warning. Raises IngestError like
    :func:`opened`, except ``unsupported``.
    """
    blocks = embedded(path, sniffed.format)
    facts, texts = Facts(), dict(blocks.texts)
    if sniffed.format in READERS:
        try:
            with opened(path, sniffed.format, filename, limits) as image:
                metadata: dict[str, Any] = {"width": image.width, "height": image.height}
                if ppi := _ppi(image):
                    metadata["ppi"] = ppi
                facts = Facts(metadata=metadata)
                texts = _texts(image) | texts
                if not carriers.hold_parameters(texts):
                    texts |= stealth.texts(image)
        except IngestError as error:
            if error.reason != "unsupported":
                raise
            facts = Facts(warnings=(error.message,))
    else:
        facts = Facts(warnings=(f"The pixels were not read: images in {sniffed.format} format are not supported.",))
    if blocks.width and blocks.height:
        # Pillow turns TIFF and HEIC as it opens them, and opens the preview of a raw picture.
        facts = replace(facts, metadata=facts.metadata | {"width": blocks.width, "height": blocks.height})
    return _described(facts, path, sniffed, blocks, texts, filename, limits)


def _described(
    facts: Facts,
    path: Path,
    sniffed: Sniffed,
    blocks: Embedded,
    texts: Mapping[str, str],
    filename: str,
    limits: IngestLimits,
) -> Facts:
    """Add what the metadata blocks say to the facts of the pixels."""
    camera, written = _exif(path, sniffed, blocks, limits)
    embedded_facts = rdf.packet_facts(blocks.xmp, filename, limits)
    captions = iptc.read(blocks.iptc, limits) if blocks.iptc else Facts()
    said = carriers.texts({**written, **texts})
    made = parameters.read(said, limits, Path(filename).stem)
    plain = _plain(texts, limits) if sniffed.format == "png" else Facts()
    camera = _zoned(camera, embedded_facts, captions)
    changed = Facts(captured_at=dates.stamp(blocks.modified), captured_kind=DateKind.MODIFIED)
    if blocks.orientation is not None:
        facts = replace(facts, metadata=facts.metadata | {"orientation": blocks.orientation})
    # XMP is written last, by cataloguing software; EXIF is written first, by the camera, and knows best when and where
    first = Facts(
        captured_at=camera.captured_at,
        captured_kind=camera.captured_kind,
        gps=camera.gps,
        metadata={name: value for name, value in camera.metadata.items() if name not in {"exif", "software"}},
    )
    for part in (first, embedded_facts, captions, camera, made, plain, changed):
        # what was written for programs must not keep out what a later part says to people
        facts = rdf.merged(facts, carriers.without_parameters(part, said))
    return replace(facts, tags=_keywords((embedded_facts, captions, camera), limits))


def _zoned(camera: Facts, *others: Facts) -> Facts:
    """Return the camera's facts with the zone of a program that gives the same time; EXIF's own is often missing."""
    moment, tags = camera.captured_at, camera.metadata.get("exif", {})
    if moment is None or any(name.startswith("OffsetTime") for name in tags):
        return camera
    same = (other.captured_at for other in others if other.captured_at and other.captured_at[:19] == moment[:19])
    zoned = next((other for other in same if not other.endswith("Z")), None)
    return replace(camera, captured_at=zoned) if zoned else camera


def _unreadable(path: Path, name: str, filename: str, limits: IngestLimits) -> IngestError:
    """Return why Pillow did not open a file: a header that makes sense says that the variant is unsupported."""
    try:
        blocks = embedded(path, name)
    except (ValueError, OSError, IndexError, KeyError):
        blocks = Embedded()
    if not blocks.width or not blocks.height or blocks.is_cut:
        return IngestError(
            f"The {name} image is damaged: its header cannot be read.", reason="malformed", filename=filename
        )
    if blocks.width * blocks.height > limits.image_pixels:
        return _bomb(filename, limits)
    return IngestError(
        f"The pixels were not read: the header of the {name} image makes sense, but its variant is not supported.",
        reason="unsupported",
        filename=filename,
    )


def _bomb(filename: str, limits: IngestLimits) -> IngestError:
    return IngestError(
        f"The image has more than {limits.image_pixels} pixels (image_pixels).", reason="bomb", filename=filename
    )


def _exif(path: Path, sniffed: Sniffed, blocks: Embedded, limits: IngestLimits) -> tuple[Facts, dict[str, str]]:
    """Return the facts in EXIF, and its texts where generators write; a TIFF file is its own EXIF block."""
    if sniffed.format in _TIFFS:
        with path.open("rb") as source:
            return exif.read(source, limits), exif.texts(source)
    if blocks.exif is None:
        return Facts(), {}
    return exif.read(blocks.exif, limits), exif.texts(blocks.exif)


def _keywords(parts: tuple[Facts, ...], limits: IngestLimits) -> tuple[str, ...]:
    """Return the keywords of all sources, each spelling once whatever its case."""
    found: dict[str, str] = {}
    for tag in (tag for part in parts for tag in part.tags):
        found.setdefault(tag.casefold(), tag)
    return clean.words(found.values(), limits)


def _ppi(image: Image.Image) -> float | int | None:
    """Return the pixels per inch from the header; 1 and below mean "unknown" in JFIF and TIFF."""
    density = image.info.get("dpi")
    found = clean.number(density[0]) if isinstance(density, tuple) and density else None
    return (round(found, 2) if isinstance(found, float) else found) if found is not None and found > 1 else None


def _texts(image: Image.Image) -> dict[str, str]:
    """Return the texts that Pillow found before the pixels, as the comment of a PPM."""
    return {key: str(value) for key, value in image.info.items() if isinstance(key, str) and isinstance(value, str)}


def _plain(texts: Mapping[str, str], limits: IngestLimits) -> Facts:
    """Return the facts in the registered PNG keywords (PNG 3rd edition §11.3.3.1)."""
    said = {name.casefold(): value for name, value in texts.items()}
    author, software = said.get("author"), clean.text(said.get("software"), limits.title_chars)
    return Facts(
        title=clean.text(said.get("title"), limits.title_chars),
        description=clean.text(said.get("description"), limits.text_chars),
        creator=clean.words([author], limits) if author else (),
        credit=clean.text(said.get("copyright"), limits.title_chars),
        captured_at=dates.stamp(said.get("creation time")),
        captured_kind=DateKind.DIGITIZED,
        metadata={"software": software} if software else {},
    )
