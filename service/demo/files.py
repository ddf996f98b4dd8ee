"""Writers for the files of the sample library: each embeds metadata the way cameras and programs do."""

from __future__ import annotations

import array
import math
import wave
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any
from xml.sax.saxutils import escape

from mutagen import id3
from mutagen.wave import WAVE
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from service.demo.paint import RGB
from service.demo.tables import Camera, Place

_XMP_TAG = 700
_TEXT_LINES = 46
_LINE_CHARS = 88


def exif(camera: Camera, taken: datetime, place: Place | None, shot: dict[str, Any]) -> Image.Exif:
    """Return an EXIF block; ``shot`` has iso, f_number, exposure_time (s), focal_length (mm); ``taken`` has a zone."""
    block = Image.Exif()
    base, detail = ExifTags.Base, block.get_ifd(ExifTags.IFD.Exif)
    moment = taken.strftime("%Y:%m:%d %H:%M:%S")
    block[base.Make], block[base.Model], block[base.DateTime] = camera.make, camera.model, moment
    detail[base.DateTimeOriginal] = moment
    detail[base.OffsetTimeOriginal] = f"{taken:%z}"[:3] + ":" + f"{taken:%z}"[3:]
    detail[base.ISOSpeedRatings] = shot["iso"]
    detail[base.FNumber] = IFDRational(round(shot["f_number"] * 10), 10)
    detail[base.ExposureTime] = IFDRational(1, round(1 / shot["exposure_time"]))
    detail[base.FocalLength] = IFDRational(shot["focal_length"], 1)
    detail[base.LensModel] = camera.lens
    if place is not None:
        where = block.get_ifd(ExifTags.IFD.GPSInfo)
        names = ExifTags.GPS
        where[names.GPSLatitudeRef], where[names.GPSLatitude] = "N" if place.lat >= 0 else "S", _sexagesimal(place.lat)
        where[names.GPSLongitudeRef], where[names.GPSLongitude] = (
            "E" if place.lon >= 0 else "W",
            _sexagesimal(place.lon),
        )
        where[names.GPSAltitudeRef] = b"\x00" if place.altitude >= 0 else b"\x01"
        where[names.GPSAltitude] = IFDRational(abs(place.altitude), 1)
    return block


def xmp(title: str, description: str, creator: str, tags: tuple[str, ...], rating: int, license_url: str) -> bytes:
    """Return an XMP packet with Dublin Core, a rating and the URL of the licence."""
    words = "".join(f"<rdf:li>{escape(tag)}</rdf:li>" for tag in tags)
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        f'xmlns:cc="http://creativecommons.org/ns#" xmp:Rating="{rating}">'
        f'<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{escape(title)}</rdf:li></rdf:Alt></dc:title>'
        '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">'
        f"{escape(description)}</rdf:li></rdf:Alt></dc:description>"
        f"<dc:creator><rdf:Seq><rdf:li>{escape(creator)}</rdf:li></rdf:Seq></dc:creator>"
        f'<dc:subject><rdf:Bag>{words}</rdf:Bag></dc:subject><cc:license rdf:resource="{escape(license_url)}"/>'
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def parameters(made: dict[str, Any]) -> str:
    """Return generation parameters in Automatic1111's format."""
    return (
        f"{made['prompt']}\nNegative prompt: {made['negative_prompt']}\n"
        f"Steps: {made['steps']}, Sampler: {made['sampler']}, CFG scale: {made['guidance_scale']}, "
        f"Seed: {made['seed']}, Size: {made['width']}x{made['height']}, Model: {made['model']}"
    )


def save_jpeg(picture: Image.Image, path: Path, block: Image.Exif, packet: bytes) -> None:
    """Write a JPEG at 300 dpi with EXIF and XMP."""
    picture.save(path, "JPEG", quality=84, dpi=(300, 300), exif=block, xmp=packet)


def save_png(picture: Image.Image, path: Path, texts: dict[str, str], packet: bytes) -> None:
    """Write a PNG with text chunks and XMP."""
    info = PngInfo()
    for key, value in texts.items():
        info.add_text(key, value)
    info.add_itxt("XML:com.adobe.xmp", packet.decode())
    picture.save(path, "PNG", compress_level=3, pnginfo=info)


def save_webp(picture: Image.Image, path: Path, block: Image.Exif, packet: bytes) -> None:
    """Write a WebP with EXIF and XMP."""
    picture.save(path, "WEBP", quality=80, method=2, exif=block, xmp=packet)


def save_tiff(picture: Image.Image, path: Path, packet: bytes) -> None:
    """Write a TIFF with XMP."""
    tags = ImageFileDirectory_v2()
    tags.tagtype[_XMP_TAG] = 1  # BYTE
    tags[_XMP_TAG] = packet
    picture.save(path, "TIFF", compression="tiff_lzw", tiffinfo=tags)


def save_gif(frames: list[Image.Image], path: Path) -> None:
    """Write an animated GIF that loops."""
    still = [frame.quantize(64) for frame in frames]
    still[0].save(path, "GIF", save_all=True, append_images=still[1:], duration=400, loop=0)


def save_svg(path: Path, size: tuple[int, int], colours: list[RGB], facts: dict[str, Any], rng: Random) -> None:
    """Write a drawing of coloured shapes with Creative Commons RDF."""
    width, height = size
    shapes = "".join(_shape(width, height, colour, rng) for colour in colours for _ in range(4))
    words = "".join(f"<rdf:li>{escape(tag)}</rdf:li>" for tag in facts["tags"])
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">\n'
        '<metadata><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
        'xmlns:cc="http://creativecommons.org/ns#" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><cc:Work rdf:about="">\n'
        f"<dc:title>{escape(facts['title'])}</dc:title><dc:description>{escape(facts['description'])}</dc:description>\n"
        f"<dc:creator><cc:Agent><dc:title>{escape(facts['creator'])}</dc:title></cc:Agent></dc:creator>\n"
        f"<dc:date>{facts['date']}</dc:date><dc:subject><rdf:Bag>{words}</rdf:Bag></dc:subject>\n"
        f'<cc:license rdf:resource="{escape(facts["license"])}"/></cc:Work></rdf:RDF></metadata>\n'
        f'<rect width="{width}" height="{height}" fill="#f6f4ee"/>\n{shapes}</svg>\n',
        encoding="utf-8",
    )


def save_pdf(path: Path, pages: list[str], facts: dict[str, Any], made: datetime) -> None:
    """Write a PDF with one text per page, set in Helvetica, and an information dictionary."""
    writer = PdfWriter()
    name = NameObject
    font = DictionaryObject(
        {name("/Type"): name("/Font"), name("/Subtype"): name("/Type1"), name("/BaseFont"): name("/Helvetica")}
    )
    fonts = DictionaryObject({name("/Font"): DictionaryObject({name("/F1"): font})})
    for number, text in enumerate(pages):
        page = writer.add_blank_page(595, 842)
        page[name("/Resources")] = fonts
        stream = DecodedStreamObject()
        stream.set_data(_typeset(facts["title"] if number == 0 else "", text))
        page[name("/Contents")] = writer._add_object(stream)
    writer.add_metadata({
        "/Title": facts["title"], "/Author": facts["creator"], "/Subject": facts["description"],
        "/Keywords": ", ".join(facts["tags"]), "/CreationDate": f"D:{made:%Y%m%d%H%M%S}Z",
    })  # fmt: skip
    writer.write(path)


def save_markdown(path: Path, facts: dict[str, Any], body: str) -> None:
    """Write a Markdown page with front matter."""
    path.write_text(
        f"---\ntitle: {facts['title']}\nauthor: {facts['creator']}\ntags: [{', '.join(facts['tags'])}]\n"
        f"description: {facts['description']}\ndate: {facts['date']}\n---\n\n# {facts['title']}\n\n{body}\n",
        encoding="utf-8",
    )


def save_wav(path: Path, seconds: int, rate: int, pitches: list[int], facts: dict[str, Any]) -> None:
    """Write 16-bit mono tones at whole hertz (so that each second repeats without a click) with ID3 tags."""
    second = array.array(
        "h",
        [
            round(sum(8000 / len(pitches) * math.sin(math.tau * pitch * at / rate) for pitch in pitches))
            for at in range(rate)
        ],
    )
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(second.tobytes() * seconds)
    reader: Any = WAVE  # Mutagen's annotations do not cover its methods
    frames: Any = id3
    tagged = reader(path)
    tagged.add_tags()
    for frame in (
        frames.TIT2(encoding=3, text=facts["title"]),
        frames.TPE1(encoding=3, text=facts["creator"]),
        frames.TCON(encoding=3, text=facts["tags"][0]),
        frames.TDRC(encoding=3, text=facts["date"]),
        frames.COMM(encoding=3, lang="eng", desc="", text=facts["description"]),
    ):
        tagged.tags.add(frame)
    tagged.save()


def _sexagesimal(degrees: float) -> tuple[IFDRational, IFDRational, IFDRational]:
    """Return degrees, minutes and seconds; seconds to a thousandth."""
    whole = round(abs(degrees) * 3_600_000)
    return IFDRational(whole // 3_600_000, 1), IFDRational(whole // 60_000 % 60, 1), IFDRational(whole % 60_000, 1000)


def _shape(width: int, height: int, colour: RGB, rng: Random) -> str:
    fill = f'fill="#{colour[0]:02x}{colour[1]:02x}{colour[2]:02x}" fill-opacity="{rng.uniform(0.4, 0.95):.2f}"'
    x, y, extent = rng.randrange(width), rng.randrange(height), rng.randint(height // 12, height // 4)
    if rng.random() < 0.5:
        return f'<circle cx="{x}" cy="{y}" r="{extent}" {fill}/>\n'
    return f'<rect x="{x}" y="{y}" width="{extent * 2}" height="{extent}" rx="{extent // 5}" {fill}/>\n'


def _typeset(title: str, text: str) -> bytes:
    """Return the text operators of a page (ISO 32000-1 §9.4): a heading and word-wrapped lines. Latin-1 only."""
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + len(word) >= _LINE_CHARS:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    lines.append(line)
    shown = "".join(f"({_escaped(each)}) Tj T*\n" for each in lines[:_TEXT_LINES])
    heading = f"/F1 20 Tf 60 780 Td ({_escaped(title)}) Tj 0 -36 Td" if title else "60 780 Td"
    return f"BT {heading} /F1 11 Tf 15 TL\n{shown}ET".encode("latin-1")


def _escaped(text: str) -> str:
    plain = text.encode("latin-1", "replace").decode("latin-1")
    return plain.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
