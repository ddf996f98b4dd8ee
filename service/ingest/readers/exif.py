"""EXIF (CIPA DC-008): camera, exposure, time and place."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable, Mapping
from typing import IO, Any

from PIL import ExifTags

from service.ingest import clean, dates
from service.ingest.dates import DateKind
from service.ingest.facts import Facts
from service.ingest.limits import IngestLimits
from service.ingest.readers import places, ratings
from service.ingest.readers.containers.tiff import Directory, Tiff

_TAGS, _GPS_TAGS = ExifTags.TAGS, ExifTags.GPSTAGS
_EXIF_DIRECTORY, _GPS_DIRECTORY = 0x8769, 0x8825
# Offsets, thumbnails and the manufacturer's private data: nothing to search for.
_NOISE = frozenset({
    "ExifOffset", "GPSInfo", "MakerNote", "PrintImageMatching", "StripOffsets", "StripByteCounts", "TileOffsets",
    "TileByteCounts", "JpegIFOffset", "JpegIFByteCount", "XMLPacket", "IPTCNAA", "ImageResources", "InterColorProfile",
    "ExifInteroperabilityOffset", "JPEGTables", "XPTitle", "XPComment", "XPAuthor", "XPKeywords", "XPSubject",
    "SubIFDs",
})  # fmt: skip
_DAMAGE = (OSError, ValueError, TypeError, KeyError, IndexError, struct.error)
_WRITTEN = ("UserComment", "ImageDescription", "Model", "Make")
_CAMERA_DEFAULTS = frozenset({"olympus digital camera", "default", "sony dsc", "samsung", "digital camera", "untitled"})

Tags = Mapping[str, Any]


def read(source: IO[bytes] | bytes, limits: IngestLimits) -> Facts:
    """Return the facts in EXIF, and all tags by name under ``metadata.exif``. A damaged block is a warning.

    ``source`` is a TIFF stream: the block of a JPEG, PNG …, or a TIFF file itself.
    """
    try:
        tags, place = _tags(source)
    except _DAMAGE as error:
        return Facts(warnings=(f"EXIF metadata was ignored: the block is damaged ({type(error).__name__}).",))
    windows = {name: _utf16(tags.get(name)) for name in ("XPTitle", "XPComment", "XPAuthor", "XPKeywords", "XPSubject")}
    kept = {name: value for name, value in (tags | place).items() if name not in _NOISE}
    known = clean.json_object(kept, limits)
    metadata: dict[str, Any] = _camera(tags, limits)
    if known:
        metadata["exif"] = known
    altitude = places.altitude(clean.number(place.get("GPSAltitude")), place.get("GPSAltitudeRef") in (b"\x01", 1))
    if altitude is not None:
        metadata["gps_altitude"] = altitude
    kind, moment = dates.first(_moments(tags))
    return Facts(
        title=clean.text(windows["XPTitle"], limits.title_chars),
        description=_description(tags, windows, limits),
        creator=clean.words(_split(tags.get("Artist") or windows["XPAuthor"]), limits),
        tags=clean.words(_split(windows["XPKeywords"]), limits),
        credit=clean.text(tags.get("Copyright"), limits.title_chars),
        captured_at=moment,
        captured_kind=kind,
        gps=gps(place),
        rating=ratings.stars(tags.get("Rating")) or ratings.percent(tags.get("RatingPercent")),
        metadata=metadata,
    )


def texts(source: IO[bytes] | bytes) -> dict[str, str]:
    """Return the texts, whole, in which generators store their parameters; none if the block is damaged."""
    try:
        tags, _ = _tags(source)
    except _DAMAGE:
        return {}
    return {name: text for name in _WRITTEN if isinstance(text := tags.get(name), str)}


def gps(place: Tags) -> dict[str, float] | None:
    """Return degrees north and east from the GPS tags; None if either is missing or out of range, or for no fix."""
    lat = _degrees(place.get("GPSLatitude"), place.get("GPSLatitudeRef"), "S")
    lon = _degrees(place.get("GPSLongitude"), place.get("GPSLongitudeRef"), "W")
    others = ("GPSAltitude", "GPSTimeStamp", "GPSDateStamp", "GPSSatellites", "GPSSpeed", "GPSImgDirection", "GPSDOP")
    return places.point(lat, lon, is_measured=any(_says(place.get(name)) for name in others))


def _tags(source: IO[bytes] | bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    tiff = Tiff(io.BytesIO(source) if isinstance(source, bytes) else source)
    main = next(tiff.directories(), {})
    tags = _named(tiff, main, _TAGS)
    for directory in tiff.below(main, _EXIF_DIRECTORY):
        # What the picture's own directory says of its pixels stands above a copy for viewers.
        tags = _named(tiff, directory, _TAGS) | tags
        tags["UserComment"] = comment(tiff.raw(directory, ExifTags.Base.UserComment), is_little=tiff.is_little)
    place: dict[str, Any] = {}
    for directory in tiff.below(main, _GPS_DIRECTORY):
        place |= _named(tiff, directory, _GPS_TAGS)
    return tags, place


def _named(tiff: Tiff, directory: Directory, names: Mapping[int, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for tag in directory:
        value = tiff.value(directory, tag) if tag in names else None
        if value is not None:
            found[names[tag]] = _text(names[tag], value) if tiff.is_text(directory, tag) else value
    return found


def _text(name: str, raw: bytes) -> str:
    """Decode a text: UTF-8 as most programs write, else one byte a character; it ends at its first NUL.

    Copyright (§4.6.5.C) is the photographer's notice, a NUL, and the editor's.
    """
    parts = [clean.decode(part).strip() for part in raw.split(b"\x00")]
    return "; ".join(part for part in parts if part) if name == "Copyright" else parts[0]


def _camera(tags: Tags, limits: IngestLimits) -> dict[str, Any]:
    make, model = (clean.text(tags.get(name), 200) for name in ("Make", "Model"))
    return camera(
        orientation=tags.get("Orientation"),
        make=make,
        model=model,
        lens=clean.text(tags.get("LensModel"), 200),
        iso=tags.get("PhotographicSensitivity", tags.get("ISOSpeedRatings")),
        f_number=tags.get("FNumber"),
        exposure_time=tags.get("ExposureTime"),
        focal_length=tags.get("FocalLength"),
        software=clean.text(tags.get("Software"), limits.title_chars),
    )


def camera(
    *,
    orientation: Any,
    make: str | None,
    model: str | None,
    lens: str | None,
    iso: Any,
    f_number: Any,
    exposure_time: Any,
    focal_length: Any,
    software: str | None,
) -> dict[str, Any]:
    """Return the leaves of ``metadata`` about the camera; what is missing or makes no sense is left out."""
    turn = clean.integer(orientation)
    speed = clean.integer(iso[0] if isinstance(iso, tuple | list) and iso else iso)
    found: dict[str, Any] = {
        "orientation": turn if turn is not None and 1 <= turn <= 8 else None,
        "camera_make": make,
        "camera_model": model,
        "camera": _joined(make, model),
        "lens": lens,
        "iso": speed if speed is not None and speed > 0 else None,
        "f_number": _positive(f_number),
        "exposure_time": _positive(exposure_time),
        "focal_length": _positive(focal_length),
        "software": software,
    }
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


def _moments(tags: Tags) -> list[tuple[DateKind, str | None]]:
    return [
        (kind, dates.stamp(_exact(tags.get(name), tags.get(fraction)), tags.get(zone)))
        for kind, name, fraction, zone in (
            (DateKind.ORIGINAL, "DateTimeOriginal", "SubsecTimeOriginal", "OffsetTimeOriginal"),
            (DateKind.DIGITIZED, "DateTimeDigitized", "SubsecTimeDigitized", "OffsetTimeDigitized"),
            (DateKind.MODIFIED, "DateTime", "SubsecTime", "OffsetTime"),
        )
    ]


def _exact(value: Any, fraction: Any) -> Any:
    """Return a time with its fraction of a second, which EXIF keeps apart; pictures of a burst differ in it."""
    digits = fraction.strip() if isinstance(fraction, str) else ""
    return f"{value.strip()}.{digits}" if isinstance(value, str) and digits.isdecimal() else value


def _degrees(parts: Any, reference: Any, negative: str) -> float | None:
    """Return degrees from one to three rationals; missing minutes or seconds (0/0) are none."""
    rows = parts if isinstance(parts, tuple) else (parts,)
    numbers = [clean.number(part) for part in rows]
    if not 1 <= len(numbers) <= 3 or numbers[0] is None:
        return None
    degrees = math.fsum(abs(float(part or 0)) / 60**power for power, part in enumerate(numbers))
    side = clean.text(reference, 8) or ""
    is_negative = side.upper().startswith(negative) or (not side and float(numbers[0]) < 0)
    return -degrees if is_negative else degrees


def _says(value: Any) -> bool:
    """Return whether a GPS tag holds more than blanks and zeros."""
    if isinstance(value, tuple):
        return any(_says(part) for part in value)
    if isinstance(value, str | bytes):
        return bool((clean.text(value, 40) or "").strip(" 0:-/"))
    return bool(clean.number(value))


def _description(tags: Tags, windows: Mapping[str, str | None], limits: IngestLimits) -> str | None:
    found = clean.text(tags.get("ImageDescription"), limits.text_chars)
    if found and found.lower() not in _CAMERA_DEFAULTS:
        return found
    said = (windows["XPComment"], tags.get("UserComment"), windows["XPSubject"])
    return next((text for value in said if (text := clean.text(value, limits.text_chars))), None)


def comment(raw: bytes | None, *, is_little: bool) -> str | None:
    """Decode UserComment by its eight-byte character code (CIPA DC-008 §4.6.5.D), as it is and as it is written.

    Programs write the code in other cases and padded with blanks, none at all, UTF-8 after "ASCII" and "UNICODE", and
    UTF-16 in either byte order whatever the block's own is.
    """
    if not raw:
        return None
    code, body = raw[:8].rstrip(b"\x00 ").upper(), raw[8:]
    decoder = _CODES.get(code)
    if decoder is None:
        # No character code: the comment begins at once.
        code, body, decoder = b"", raw, _undeclared
    return decoder(body, is_little).strip("\ufeff\x00 \r\n\t") or None


def _undeclared(body: bytes, is_little: bool) -> str:
    return _utf16_text(body, is_little) if _is_utf16(body) else clean.decode(body)


def _unicode(body: bytes, is_little: bool) -> str:
    """Decode UTF-16, or UTF-8 where it is that: a dozen bytes of UTF-16 without a NUL are hardly ever valid UTF-8."""
    plain = body.strip(b"\x00 ")
    is_utf8 = len(plain) >= 12 and b"\x00" not in plain and clean.is_utf8(plain)
    return plain.decode("utf-8") if is_utf8 else _utf16_text(body, is_little)


def _japanese(body: bytes, is_little: bool) -> str:
    """Decode JIS X 0208: by its escapes (ISO 2022), else as EUC or Shift JIS, whichever fits."""
    plain = body.rstrip(b"\x00 ")
    for codec in ("iso2022_jp", "euc_jp", "shift_jis") if b"\x1b" in plain else ("euc_jp", "shift_jis"):
        try:
            return plain.decode(codec)
        except UnicodeDecodeError:
            continue
    return clean.decode(plain)


_CODES: dict[bytes, Callable[[bytes, bool], str]] = {
    b"ASCII": _undeclared, b"UNICODE": _unicode, b"JIS": _japanese, b"": _undeclared,
    b"UTF8": lambda body, _: clean.decode(body), b"UTF-8": lambda body, _: clean.decode(body),
}  # fmt: skip


def _is_utf16(body: bytes) -> bool:
    """Return whether a byte order mark comes first or, of Latin text, every other byte is zero."""
    start = body.rstrip(b"\x00")[:200]
    uneven = abs(start[::2].count(0) - start[1::2].count(0))
    return body[:2] in (b"\xff\xfe", b"\xfe\xff") or uneven * 2 > len(start) // 2 > 0


def _utf16_text(body: bytes, is_little: bool) -> str:
    """Decode UTF-16 in the byte order that its mark or its bytes show, else in the block's own."""
    body = body[: len(body) // 2 * 2]
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return body.decode("utf-16", "replace")
    while body.endswith(b"\x00\x00"):
        body = body[:-2]
    # A text stays within few blocks of 256 characters: the byte that says which varies less than the other.
    low_first, high_first = len(set(body[1::2])), len(set(body[::2]))
    zeros_first, zeros_last = body[::2].count(0), body[1::2].count(0)
    if zeros_first != zeros_last:
        little = zeros_last > zeros_first
    else:
        little = low_first < high_first if low_first != high_first else is_little
    return body.decode("utf-16-le" if little else "utf-16-be", "replace")


def _utf16(value: Any) -> str | None:
    """Decode a Windows XP tag, which is UTF-16LE."""
    return value.decode("utf-16-le", "replace").partition("\x00")[0].strip() if isinstance(value, bytes) else None


def _split(value: Any) -> list[str]:
    found = clean.text(value, 10_000)
    return [part.strip() for part in found.split(";")] if found else []
