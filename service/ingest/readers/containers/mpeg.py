"""MPEG program and transport streams (ISO/IEC 13818-1): frame size and rate, and the length by time stamps."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import IO, Any

_HEAD, _TAIL = 2 * 1024 * 1024, 1024 * 1024
_SYNC, _TICKS, _WRAP = 0x47, 90_000, 1 << 33
# ISO/IEC 13818-2 table 6-4, by frame_rate_code
_RATES = (0.0, 23.976, 24.0, 25.0, 29.97, 30.0, 50.0, 59.94, 60.0)
_PICTURE = re.compile(rb"\x00\x00\x01[\xe0-\xef]")
_HIGH_PROFILES = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 138, 139, 134, 135, 244})


def packet_size(head: bytes) -> tuple[int, int] | None:
    """Return the length of a transport stream's packets and where the first begins; None if it is none.

    188 bytes, 192 on Blu-ray and AVCHD (a time stamp first), 204 in broadcasts (check bytes last).
    """
    for length, start in ((188, 0), (192, 4), (204, 0)):
        marks = head[start : start + length * 8 : length]
        if len(marks) >= 3 and set(marks) == {_SYNC}:
            return length, start
    return None


def read(source: IO[bytes], size: int) -> dict[str, Any]:
    """Return ``width``, ``height``, ``frame_rate`` and ``duration`` as far as the beginning and the end tell."""
    head = source.read(_HEAD)
    source.seek(max(len(head), size - _TAIL))
    tail = source.read(_TAIL)
    packets = packet_size(head)
    if packets is not None:
        length, start = packets
        picture = _pid(head, length, start)
        if picture is None:
            return {}
        shift = (start - max(len(head), size - _TAIL)) % length if tail else 0
        head = _payload(head, length, start, picture)
        tail = _payload(tail, length, shift, picture)
    found = _sequence(head) or _h264(head) or _h265(head)
    stamps = [*_stamps(head), *_stamps(tail)]
    if len(stamps) > 1:
        first = stamps[0]
        span = max((stamp - first) % _WRAP for stamp in stamps if (stamp - first) % _WRAP < _WRAP // 2)
        last = round(_TICKS / found["frame_rate"]) if found.get("frame_rate") else _step(stamps)
        if last:
            found.setdefault("frame_rate", round(_TICKS / last, 3))
        found["duration"] = round((span + last) / _TICKS, 3)
    return found


def has_picture(head: bytes) -> bool:
    """Return whether the beginning of a stream has pictures in it."""
    packets = packet_size(head)
    return _PICTURE.search(head) is not None if packets is None else _pid(head, *packets) is not None


def _pid(head: bytes, length: int, start: int) -> int | None:
    """Return the id of the first packets that begin a picture's elementary stream."""
    for at in range(start, len(head) - 188, length):
        begins, body = head[at + 1] & 0x40, _body(head, at)
        if begins and _PICTURE.match(body):
            return int.from_bytes(head[at + 1 : at + 3], "big") & 0x1FFF
    return None


def _payload(block: bytes, length: int, start: int, pid: int) -> bytes:
    return b"".join(
        _body(block, at)
        for at in range(start, len(block) - 187, length)
        if block[at] == _SYNC and int.from_bytes(block[at + 1 : at + 3], "big") & 0x1FFF == pid
    )


def _body(block: bytes, at: int) -> bytes:
    """Return a packet's payload, after its adaptation field."""
    control = block[at + 3] >> 4 & 3
    skip = 4 + (1 + block[at + 4] if control & 2 else 0)
    return block[at + skip : at + 188] if control & 1 else b""


def _stamps(stream: bytes) -> list[int]:
    """Return the presentation time stamps of the pictures' packets (§2.4.3.7), in ticks of 90 kHz."""
    found = []
    for match in _PICTURE.finditer(stream):
        head = stream[match.end() : match.end() + 10]
        if len(head) == 10 and head[2] >> 6 == 2 and head[3] & 0x80:
            a, b, c = head[5], int.from_bytes(head[6:8], "big"), int.from_bytes(head[8:10], "big")
            found.append((a >> 1 & 7) << 30 | b >> 1 << 15 | c >> 1)
    return found


def _step(stamps: list[int]) -> int:
    ordered = sorted(stamps)
    steps = [later - earlier for earlier, later in pairwise(ordered) if later > earlier]
    return min(steps, default=0)


def _sequence(stream: bytes) -> dict[str, Any]:
    """Read an MPEG-1 or MPEG-2 sequence header (ISO/IEC 13818-2 §6.2.2.1)."""
    at = stream.find(b"\x00\x00\x01\xb3")
    body = stream[at + 4 : at + 8]
    if at < 0 or len(body) < 4:
        return {}
    width, height = int.from_bytes(body[:2], "big") >> 4, int.from_bytes(body[1:3], "big") & 0xFFF
    code = body[3] & 15
    rate = _RATES[code] if code < len(_RATES) else 0.0
    return ({"width": width, "height": height} if width and height else {}) | ({"frame_rate": rate} if rate else {})


class _Bits:
    """Reads bits, and H.264's Exp-Golomb numbers (ISO/IEC 14496-10 §9.1). Raises IndexError at the end."""

    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 0

    def bits(self, count: int) -> int:
        value = 0
        for _ in range(count):
            value = value << 1 | self._body[self._at >> 3] >> (7 - (self._at & 7)) & 1
            self._at += 1
        return value

    def number(self) -> int:
        zeros = 0
        while not self.bits(1):
            zeros += 1
            if zeros > 32:
                raise IndexError("a number is too long")
        return (1 << zeros) - 1 + self.bits(zeros)

    def signed(self) -> int:
        value = self.number()
        return (value + 1) // 2 if value & 1 else -(value // 2)


def _h264(stream: bytes) -> dict[str, Any]:
    """Read an H.264 sequence parameter set (ISO/IEC 14496-10 §7.3.2.1.1): the size without what is cropped."""
    found = re.search(rb"\x00\x00\x01[\x07\x27\x47\x67]", stream)
    if found is None:
        return {}
    body = stream[found.end() : found.end() + 512].replace(b"\x00\x00\x03", b"\x00\x00")
    try:
        width, height = _parameters(_Bits(body), body[0])
    except IndexError:
        return {}
    return {"width": width, "height": height} if 0 < width < 65536 and 0 < height < 65536 else {}


def _h265(stream: bytes) -> dict[str, Any]:
    """Read an H.265 sequence parameter set (ISO/IEC 23008-2 §7.3.2.2.1): the size without what is cropped."""
    found = re.search(rb"\x00\x00\x01\x42\x01", stream)
    if found is None:
        return {}
    bits = _Bits(stream[found.end() : found.end() + 512].replace(b"\x00\x00\x03", b"\x00\x00"))
    try:
        bits.bits(4)
        layers = bits.bits(3)
        bits.bits(1 + 96)
        present = [(bits.bits(1), bits.bits(1)) for _ in range(8 if layers else 0)][:layers]
        for has_profile, has_level in present:
            bits.bits(88 * has_profile + 8 * has_level)
        bits.number()
        chroma = bits.number()
        if chroma == 3:
            bits.bits(1)
        width, height = bits.number(), bits.number()
        if bits.bits(1):
            left, right, top, bottom = (bits.number() for _ in range(4))
            width -= (2 if chroma in {1, 2} else 1) * (left + right)
            height -= (2 if chroma == 1 else 1) * (top + bottom)
    except IndexError:
        return {}
    return {"width": width, "height": height} if 0 < width < 65536 and 0 < height < 65536 else {}


def _parameters(bits: _Bits, profile: int) -> tuple[int, int]:
    bits.bits(24)
    bits.number()
    chroma = 1
    if profile in _HIGH_PROFILES:
        chroma = bits.number()
        if chroma == 3:
            bits.bits(1)
        bits.number()
        bits.number()
        bits.bits(1)
        if bits.bits(1):
            _skip_scaling(bits, 12 if chroma == 3 else 8)
    bits.number()
    order = bits.number()
    if order == 0:
        bits.number()
    elif order == 1:
        bits.bits(1)
        bits.signed()
        bits.signed()
        for _ in range(min(bits.number(), 256)):
            bits.signed()
    bits.number()
    bits.bits(1)
    across, down = bits.number() + 1, bits.number() + 1
    is_frame = bits.bits(1)
    if not is_frame:
        bits.bits(1)
    bits.bits(1)
    width, height = across * 16, down * 16 * (2 - is_frame)
    if bits.bits(1):
        step_x, step_y = (2 if chroma in {1, 2} else 1), (2 if chroma == 1 else 1) * (2 - is_frame)
        left, right, top, bottom = (bits.number() for _ in range(4))
        width, height = width - step_x * (left + right), height - step_y * (top + bottom)
    return width, height


def _skip_scaling(bits: _Bits, lists: int) -> None:
    for number in range(lists):
        if not bits.bits(1):
            continue
        last, following = 8, 8
        for _ in range(16 if number < 6 else 64):
            if following:
                following = (last + bits.signed()) % 256
            last = following or last
