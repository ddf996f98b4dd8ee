"""Front matter, the block between two lines of dashes at the top of a Markdown file: plain values and simple lists."""

from __future__ import annotations

import re

from service.ingest import clean, dates
from service.ingest.facts import Facts
from service.ingest.limits import IngestLimits

_BLOCK = re.compile(r"\A\ufeff?---[ \t]*\n(.{0,16384}?)^(?:---|\.\.\.)[ \t]*$", re.MULTILINE | re.DOTALL)
_LINE = re.compile(r"^([A-Za-z_][\w-]{0,40})[ \t]*:[ \t]*(.*)$", re.MULTILINE)
_PART = re.compile(r"""((?:[ \t]*(?:"(?:\\.|[^"\\])*"|'(?:''|[^'])*'))?[^,\]\n]*)(,|\]|\n|\Z)""")
_QUOTED = re.compile(r"""\"((?:\\.|[^"\\])*)\"|'((?:''|[^'])*)'""")
_COMMENT = re.compile(r"(?:^|[ \t])#.*$")
_ESCAPES = {"n": "\n", "t": " ", "r": "\n"}
_ITEM = re.compile(r"^[ \t]*-[ \t]+(.+)$", re.MULTILINE)


def read(start: str, limits: IngestLimits) -> Facts:
    """Return the title, description, authors, tags, licence and date; nested YAML is ignored."""
    block = _BLOCK.match(start)
    if block is None:
        return Facts()
    said = _fields(block[1])

    def one(*names: str) -> str | None:
        return next((said[name][0] for name in names if said.get(name)), None)

    def many(*names: str) -> list[str]:
        return next((said[name] for name in names if said.get(name)), [])

    return Facts(
        title=clean.text(one("title"), limits.title_chars),
        description=clean.text(one("description", "summary"), limits.text_chars),
        creator=clean.words(many("author", "authors", "creator"), limits),
        tags=clean.words(many("tags", "keywords"), limits),
        license=clean.text(one("license", "licence"), limits.title_chars),
        captured_at=dates.stamp(one("date", "created")),
    )


def _fields(block: str) -> dict[str, list[str]]:
    """Return each name with its values: one scalar, ``[a, b]``, or the ``- a`` lines that follow."""
    lines = list(_LINE.finditer(block))
    ends = [*(line.start() for line in lines[1:]), len(block)] if lines else []
    said: dict[str, list[str]] = {}
    for line, end in zip(lines, ends, strict=True):
        name, value = line[1].lower(), line[2].strip()
        if value.startswith("["):
            values = [_scalar(part) for part in _items(block[line.start(2) : end].strip()[1:])]
        elif value and name in {"tags", "keywords", "authors"}:
            values = [_scalar(part) for part in _items(value)]
        elif value:
            values = [_scalar(value)]
        else:
            values = [_scalar(item[1]) for item in _ITEM.finditer(block, line.end(), end)]
        said.setdefault(name, [each for each in values if each])
    return said


def _items(text: str) -> list[str]:
    """Return the items of a list, parted by commas outside quotation marks, up to a closing bracket."""
    found: list[str] = []
    for item in _PART.finditer(text):
        found.append(item[1])
        if item[2] == "]":
            break
    return found


def _scalar(value: str) -> str:
    """Return a plain or quoted scalar without its comment (YAML 1.2.2 §7.3)."""
    value = value.strip()
    quoted = _QUOTED.match(value)
    if quoted is None:
        return _COMMENT.sub("", value)
    if quoted[1] is not None:
        return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), quoted[1])
    return quoted[2].replace("''", "'")
