"""Rich Text Format: the document's information group (RTF 1.9.1, "Information Group")."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Any, Final

from service.ingest import clean, dates
from service.ingest.facts import Facts
from service.ingest.limits import MIB, IngestLimits

HEAD: Final = 4 * MIB
"""Bytes in which the group is looked for; fonts, colours and styles come before it."""

_MAX_GROUP = 256 * 1024
_MAX_DEPTH = 100
_INFO = re.compile(rb"\{\s*(?:\\\*\s*)?\\info(?![a-z])")
_PAGE = re.compile(rb"\\ansicpg(\d{1,5})")
_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|([^\\{}]+)", re.DOTALL
)
_MAC, _DEFAULT = re.compile(rb"\\mac(?![a-z])"), "cp1252"
_TEXTS = frozenset({"title", "subject", "author", "keywords", "doccomm", "company", "category"})
_SIGNS = {b"~": b" ", b"-": b"", b"_": b"-", b"\n": b" ", b"\r": b" ", b"*": b""}
_TIME = ("yr", "mo", "dy", "hr", "min", "sec")


def read(path: Path, limits: IngestLimits) -> Facts:
    """Return the facts in the information group, none if there is no such group."""
    with path.open("rb") as source:
        head = source.read(HEAD)
    begin = _INFO.search(head)
    if begin is None:
        return Facts()
    codec = _codec(head[: begin.start()])
    said = _Group(codec).read(head[begin.end() : begin.end() + _MAX_GROUP])
    counts = {"page_count": _count(said.get("nofpages")), "word_count": _count(said.get("nofwords"))}
    text = {name: clean.text(said.get(name), limits.text_chars) for name in _TEXTS}
    return Facts(
        title=clean.text(text["title"], limits.title_chars),
        description=text["doccomm"] or text["subject"],
        creator=clean.words((text["author"] or "").split(";"), limits),
        tags=clean.words(re.split("[,;]", text["keywords"] or ""), limits),
        captured_at=_moment(said.get("creatim")),
        metadata={name: count for name, count in counts.items() if count},
    )


def _codec(prolog: bytes) -> str:
    found = _PAGE.search(prolog)
    if found is None:
        return "mac_roman" if _MAC.search(prolog[:200]) else _DEFAULT
    name = {"10000": "mac_roman", "65001": "utf-8"}.get(found[1].decode(), f"cp{int(found[1])}")
    try:
        return codecs.lookup(name).name
    except LookupError:
        return _DEFAULT


class _Text:
    """A text in UTF-16 units: RTF writes a character beyond the first plane as two. Runs of bytes have a code page."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._units = bytearray()
        self._run = bytearray()

    def add(self, run: bytes) -> None:
        self._run += run

    def add_unit(self, unit: int) -> None:
        self._flush()
        self._units += (unit % 0x10000).to_bytes(2, "little")

    def __str__(self) -> str:
        self._flush()
        return self._units.decode("utf-16-le", "replace")

    def _flush(self) -> None:
        self._units += self._run.decode(self._codec, "replace").encode("utf-16-le", "replace")
        self._run.clear()


class _Group:
    """Reads the information group: ``said`` has its texts, its numbers and, by their parts, its times."""

    def __init__(self, codec: str) -> None:
        self.said: dict[str, Any] = {}
        self._codec = codec
        self._name, self._text = "", _Text(codec)
        self._skip = 0  # characters after a \\u that stand for it in programs without Unicode
        self._stand_ins = [1]  # how many they are, by group

    def read(self, group: bytes) -> dict[str, Any]:
        """Read up to the brace that closes the group."""
        for found in _TOKEN.finditer(group):
            word, number, code, sign, brace, run = (part or b"" for part in found.groups())
            if brace:
                self._brace(brace == b"{")
                if not 0 < len(self._stand_ins) <= _MAX_DEPTH:
                    break
            elif word:
                self._word(word.decode("ascii"), int(number) if number else None)
            elif self._skip:
                taken = min(self._skip, len(run)) if run else 1
                self._skip -= taken
                self._text.add(run[taken:])
            elif code:
                self._text.add(bytes([int(code, 16)]))
            else:
                self._text.add(run.translate(None, b"\r\n") or _SIGNS.get(sign, sign))
        return self.said

    def _brace(self, opens: bool) -> None:
        self._skip = 0
        if opens:
            self._stand_ins.append(self._stand_ins[-1])
            return
        self._stand_ins.pop()
        if len(self._stand_ins) == 1:
            if self._name in _TEXTS:
                self.said.setdefault(self._name, str(self._text))
            self._name, self._text = "", _Text(self._codec)

    def _word(self, word: str, number: int | None) -> None:
        if word == "u" and number is not None:
            self._text.add_unit(number)
            self._skip = self._stand_ins[-1]
        elif word == "uc" and number is not None:
            self._stand_ins[-1] = max(0, min(number, 16))
        elif word == "ud":  # the same again, in Unicode
            self._text = _Text(self._codec)
        else:
            self._name = self._name or word
            if word in _TIME and number is not None:
                self.said.setdefault(self._name, {}).setdefault(word, number)
            elif number is not None:
                self.said.setdefault(word, number)


def _moment(parts: Any) -> str | None:
    if not isinstance(parts, dict) or "yr" not in parts:
        return None
    year, month, day, *clock = (
        parts.get(name, default) for name, default in zip(_TIME, (0, 1, 1, 0, 0, 0), strict=True)
    )
    return dates.stamp(f"{year:04}-{month:02}-{day:02} {clock[0]:02}:{clock[1]:02}:{clock[2]:02}")


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
