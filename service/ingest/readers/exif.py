"""EXIF (CIPA DC-008): camera, exposure, time and place."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from PIL import ExifTags, Image

from service.ingest import clean, dates
from service.ingest.facts import Facts
from service.ingest.limits import IngestLimits

_TAGS, _GPS_TAGS = ExifTags.TAGS, ExifTags.GPSTAGS
# Offsets, thumbnails and the manufacturer's private data: nothing to search for.
_NOISE = frozenset({
    "ExifOffset", "GPSInfo", "MakerNote", "PrintImageMatching", "StripOffsets", "StripByteCounts", "TileOffsets",
    "TileByteCounts", "JpegIFOffset", "JpegIFByteCount", "XMLPacket", "IPTCNAA", "ImageResources", "InterColorProfile",
    "ExifInteroperabilityOffset", "JPEGTables", "XPTitle", "XPComment", "XPAuthor", "XPKeywords", "XPSubject",
})  # fmt: skip
_DAMAGE = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, struct.error)
_WRITTEN = (ExifTags.Base.ImageDescription, ExifTags.Base.Model, ExifTags.Base.Make)
_UNICODE, _ASCII = b"UNICODE\x00", b"ASCII\x00\x00\x00"
_CAMERA_DEFAULTS = frozenset({"olympus digital camera", "default", "sony dsc", "samsung", "digital camera", "untitled"})


def read(image: Image.Image, limits: IngestLimits) -> Facts:
    """Return the facts in EXIF, and all tags by name under ``metadata.exif``. A damaged block is a warning."""
    try:
        block = _block(image)
        tags = _named(block, _TAGS) | _named(block.get_ifd(ExifTags.IFD.Exif), _TAGS)
        place = _named(block.get_ifd(ExifTags.IFD.GPSInfo), _GPS_TAGS)
    except _DAMAGE as error:
        return Facts(warnings=(f"EXIF metadata was ignored: the block is damaged ({type(error).__name__}).",))
    tags["UserComment"] = _comment(tags.get("UserComment"))
    windows = {name: _utf16(tags.get(name)) for name in ("XPTitle", "XPComment", "XPAuthor", "XPKeywords")}
    kept = {name: value for name, value in (tags | place).items() if name not in _NOISE}
    known = clean.json_object(kept, limits)
    metadata: dict[str, Any] = _camera(tags, limits)
    if known:
        metadata["exif"] = known
    altitude = _altitude(place)
    if altitude is not None:
        metadata["gps_altitude"] = altitude
    return Facts(
        title=clean.text(windows["XPTitle"], limits.title_chars),
        description=_description(tags, windows["XPComment"], limits),
        creator=clean.words(_split(tags.get("Artist") or windows["XPAuthor"]), limits),
        tags=clean.words(_split(windows["XPKeywords"]), limits),
        credit=clean.text(tags.get("Copyright"), limits.title_chars),
        captured_at=_moment(tags),
        gps=gps(place),
        metadata=metadata,
    )


def user_comment(image: Image.Image) -> str | None:
    """Return the full UserComment, where generators store their parameters; None if it is missing or damaged."""
    try:
        return _comment(_block(image).get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment))
    except _DAMAGE:
        return None


def texts(image: Image.Image) -> dict[str, Any]:
    """Return the texts in which generators write beside UserComment, whole; none if the block is damaged."""
    found: dict[str, Any] = {"UserComment": user_comment(image)}
    try:
        block = _block(image)
        return found | {tag.name: block.get(tag) for tag in _WRITTEN}
    except _DAMAGE:
        return found


def gps(place: Mapping[str, Any]) -> dict[str, float] | None:
    """Return degrees north and east from the GPS tags; None if either is missing or out of range."""
    lat = _degrees(place.get("GPSLatitude"), place.get("GPSLatitudeRef"), "S", 90)
    lon = _degrees(place.get("GPSLongitude"), place.get("GPSLongitudeRef"), "W", 180)
    return None if lat is None or lon is None else {"lat": lat, "lon": lon}


def _block(image: Image.Image) -> Image.Exif:
    """Return the EXIF block of the header. Pillow's method for PNG would decode all pixels to find one after them."""
    return Image.Image.getexif(image)


def _named(values: Mapping[int, Any], names: Mapping[int, str]) -> dict[str, Any]:
    return {names[tag]: value for tag, value in values.items() if tag in names}


def _camera(tags: Mapping[str, Any], limits: IngestLimits) -> dict[str, Any]:
    make, model = (clean.text(tags.get(name), 200) for name in ("Make", "Model"))
    speed = tags.get("PhotographicSensitivity", tags.get("ISOSpeedRatings"))
    turn = clean.integer(tags.get("Orientation"))
    found: dict[str, Any] = {
        "orientation": turn if turn is not None and 1 <= turn <= 8 else None,
        "camera_make": make,
        "camera_model": model,
        "camera": _joined(make, model),
        "lens": clean.text(tags.get("LensModel"), 200),
        "iso": clean.integer(speed[0] if isinstance(speed, tuple) and speed else speed),
        "f_number": _positive(tags.get("FNumber")),
        "exposure_time": _positive(tags.get("ExposureTime")),
        "focal_length": _positive(tags.get("FocalLength")),
        "software": clean.text(tags.get("Software"), limits.title_chars),
    }
    if found["iso"] is not None and found["iso"] <= 0:
        found["iso"] = None
    return {name: value for name, value in found.items() if value is not None}


def _joined(make: str | None, model: str | None) -> str | None:
    """Join make and model without repeating the make: "Canon" and "Canon EOS 5D" give "Canon EOS 5D"."""
    if not make or not model:
        return model or make
    first = make.split()[0].lower()
    return model if model.lower().startswith(first) else f"{make} {model}"


def _positive(value: Any) -> float | int | None:
    found = clean.number(value)
    return round(found, 9) if found is not None and found > 0 else None


def _moment(tags: Mapping[str, Any]) -> str | None:
    for name, zone in (
        ("DateTimeOriginal", "OffsetTimeOriginal"),
        ("DateTimeDigitized", "OffsetTimeDigitized"),
        ("DateTime", "OffsetTime"),
    ):
        moment = dates.stamp(tags.get(name), tags.get(zone))
        if moment:
            return moment
    return None


def _degrees(parts: Any, reference: Any, negative: str, limit: int) -> float | None:
    if not isinstance(parts, tuple) or not 1 <= len(parts) <= 3:
        return None
    numbers = [clean.number(part) for part in parts]
    if None in numbers:
        return None
    degrees = sum(float(part or 0) / 60**power for power, part in enumerate(numbers))
    side = clean.text(reference, 8) or ""
    return None if abs(degrees) > limit else round(-degrees if side.upper().startswith(negative) else degrees, 7)


def _altitude(place: Mapping[str, Any]) -> float | None:
    """Return the metres above sea level; the reference byte 1 means below."""
    metres = clean.number(place.get("GPSAltitude"))
    if metres is None:
        return None
    return round(float(-metres if place.get("GPSAltitudeRef") in (b"\x01", 1) else metres), 2)


def _description(tags: Mapping[str, Any], comment: str | None, limits: IngestLimits) -> str | None:
    found = clean.text(tags.get("ImageDescription"), limits.text_chars)
    if found and found.lower() not in _CAMERA_DEFAULTS:
        return found
    return clean.text(comment, limits.text_chars)


def _comment(value: Any) -> str | None:
    """Decode UserComment by its eight-byte character code (CIPA DC-008 §4.6.5.D); both UTF-16 byte orders occur."""
    if isinstance(value, str):
        return value
    if not isinstance(value, bytes):
        return None
    body = value[8:] if value[:8] in (_UNICODE, _ASCII, b"\x00" * 8) else value
    if value[:8] == _UNICODE:
        little = body[1:2] == b"\x00" or body[:2] == b"\xff\xfe"
        return body.decode("utf-16-le" if little else "utf-16-be", "replace").strip("\ufeff\x00 ")
    return clean.decode(body).strip("\x00 ")


def _utf16(value: Any) -> str | None:
    """Decode a Windows XP tag, which is UTF-16LE."""
    if isinstance(value, tuple) and all(isinstance(item, int) and 0 <= item < 256 for item in value):
        value = bytes(value)
    return value.decode("utf-16-le", "replace").strip("\x00 ") if isinstance(value, bytes) else None


def _split(value: Any) -> list[str]:
    found = clean.text(value, 10_000)
    return [part.strip() for part in found.split(";")] if found else []
