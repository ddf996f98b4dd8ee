"""The Range header of RFC 9110 §14, for files."""

from __future__ import annotations

import re

from service.ports.files import ByteRange

_ONE = re.compile(r"^\s*(\d{0,18})\s*-\s*(\d{0,18})\s*$", re.ASCII)
_MOST = 16
"""Ranges that one header may hold; more is an attack (CVE-2025-62727), not a reader."""


class NotSatisfiable(Exception):
    """The range lies outside of the file."""


def read_range(header: str | None, size: int) -> ByteRange | None:
    """Return the part that is asked for; None for the whole.

    A header that is not well formed, or asks for several parts, is answered with the whole, as RFC 9110 allows.
    Raises NotSatisfiable when the range lies outside of the file, or when there are more than 16 of them.
    """
    if header is None or not header.lower().startswith("bytes="):
        return None
    specs = header[6:].split(",", _MOST)
    if len(specs) > _MOST:
        raise NotSatisfiable
    if len(specs) > 1 or not (match := _ONE.match(specs[0])) or match[1] == match[2] == "":
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        if length == 0:
            raise NotSatisfiable
        return ByteRange(size - length, size - 1)
    first = int(match[1])
    last = min(int(match[2]), size - 1) if match[2] else size - 1
    if match[2] and int(match[2]) < first:
        return None
    if first >= size:
        raise NotSatisfiable
    return ByteRange(first, last)
