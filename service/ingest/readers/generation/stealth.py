"""Parameters in the lowest bits of a picture's alpha channel, where they outlive websites that drop all metadata.

NovelAI and the web UI's extension "stealth pnginfo" write them: down each column, from the left, the signature, the
number of bits that follow (32 bits, big-endian), then the text, gzipped after the signature ``stealth_pngcomp``.
"""

from __future__ import annotations

import zlib

from PIL import Image

from service.ingest import clean
from service.ingest.readers.generation.json_text import parsed

_PACKED, _PLAIN = b"stealth_pngcomp", b"stealth_pnginfo"
_MAX_PIXELS = 4_194_304  # 2048 × 2048; pixels have to be decoded to look
_MAX_TEXT = 1024 * 1024
_FORMATS = frozenset({"PNG", "WEBP"})  # those that keep the lowest bit
_LOWEST_BIT = [255 * (value & 1) for value in range(256)]


def texts(image: Image.Image) -> dict[str, str]:
    """Return the hidden texts by keyword, empty if there are none; decodes the pixels of a picture that may have some.

    Only a PNG or WebP with an alpha channel is decoded, of at most ``_MAX_PIXELS`` and with sides that generators make,
    multiples of eight.
    """
    width, height = image.size
    if image.format not in _FORMATS or image.mode != "RGBA" or width * height > _MAX_PIXELS or width % 8 or height % 8:
        return {}
    try:
        columns = image.getchannel("A").transpose(Image.Transpose.TRANSPOSE).tobytes()
    except (OSError, SyntaxError, ValueError):  # damaged pixels hide nothing that could be read
        return {}
    # one row, so that the bits are packed without padding
    bits = Image.frombytes("L", (len(columns), 1), columns).point(_LOWEST_BIT, "1").tobytes()
    signature, body = bits[: len(_PACKED)], bits[len(_PACKED) + 4 :]
    if signature not in {_PACKED, _PLAIN}:
        return {}
    body = body[: int.from_bytes(bits[len(_PACKED) : len(_PACKED) + 4], "big") // 8]
    try:
        raw = zlib.decompressobj(wbits=31).decompress(body, _MAX_TEXT) if signature == _PACKED else body[:_MAX_TEXT]
    except zlib.error:
        return {}
    text = clean.decode(raw)
    said = parsed(text)
    if isinstance(said, dict) and isinstance(said.get("Comment"), str):  # NovelAI: all of its keywords in one object
        return {key: value for key, value in said.items() if isinstance(value, str)}
    return {"parameters": text}
