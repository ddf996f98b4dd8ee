"""SVG: the drawing's size, its title and its RDF (SVG 1.1 §21, Creative Commons' cc:Work)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder

from service.errors import IngestError
from service.ingest import clean
from service.ingest.facts import Facts
from service.ingest.limits import IngestLimits
from service.ingest.readers import rdf
from service.ingest.readers.markup import local, parse_file

# CSS 2.1 §4.3.2: absolute units at 96 px per inch; em, ex and % have no absolute size.
_PIXELS: dict[str, float] = {
    "": 1.0, "px": 1.0, "pt": 96 / 72, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0, "q": 96 / 101.6,
}  # fmt: skip
_LENGTH = re.compile(r"\s*([+-]?(?:\d{1,12}(?:\.\d{0,12})?|\.\d{1,12})(?:[eE][+-]?\d{1,2})?)\s*([a-zA-Z]*)\s*")


class _Head:
    """Keeps the root attributes of a drawing, its title and desc, and its metadata; drops everything else."""

    def __init__(self) -> None:
        self.root: dict[str, str] | None = None
        self.texts: dict[str, list[str]] = {}
        self.blocks: list[Element] = []
        self._depth = 0
        self._builder: TreeBuilder | None = None
        self._inside = 0
        self._text: list[str] | None = None

    def start(self, tag: str, attrs: dict[str, str]) -> None:
        name = local(tag)
        if self.root is None:
            self.root = dict(attrs) if name == "svg" else {}
            self.texts["root"] = [name]
        elif self._builder is None and (name == "metadata" or tag == f"{{{rdf.RDF}}}RDF"):
            self._builder, self._inside = TreeBuilder(), self._depth
        elif self._depth == 1 and name in {"title", "desc"} and name not in self.texts:
            self._text = self.texts.setdefault(name, [])
        if self._builder is not None:
            self._builder.start(tag, attrs)
        self._depth += 1

    def end(self, tag: str) -> None:
        self._depth -= 1
        if self._builder is not None:
            self._builder.end(tag)
            if self._depth == self._inside:
                self.blocks.append(self._builder.close())
                self._builder = None
        if self._depth == 1:
            self._text = None

    def data(self, data: str) -> None:
        if self._builder is not None:
            self._builder.data(data)
        elif self._text is not None:
            self._text.append(data)

    def close(self) -> _Head:
        return self


def read(path: Path, filename: str, limits: IngestLimits) -> Facts:
    """Return the facts of an SVG drawing; the whole file is parsed, so that damaged files are detected.

    ``width`` and ``height`` are whole pixels at 96 dpi (at least 1), from the attributes or else the view box; absent
    if the drawing has no absolute size. Raises IngestError (``malformed``, ``bomb``, ``limit``).
    """
    head: _Head = parse_file(path, filename, _Head(), limits)
    if head.texts.get("root") != ["svg"]:
        raise IngestError(
            "The file is not an SVG drawing: its root element is not svg.", reason="malformed", filename=filename
        )
    found = rdf.properties(head.blocks, limits)
    facts = rdf.facts(found, limits)
    title, desc = ("".join(head.texts.get(name, [])) for name in ("title", "desc"))
    own = Facts(title=clean.text(title, limits.title_chars), description=clean.text(desc, limits.text_chars))
    metadata: dict[str, Any] = {"xmp": rdf.leaves(found)} if found else {}
    size = size_of(head.root or {})
    if size is not None:
        metadata |= {"width": size[0], "height": size[1]}
    return rdf.merged(facts, Facts(title=own.title, description=own.description, metadata=metadata))


def size_of(root: dict[str, str]) -> tuple[int, int] | None:
    """Return the drawing's width and height in pixels at 96 dpi, rounded; None without any."""
    box = [clean.number(part) for part in re.split(r"[\s,]+", root.get("viewBox", "").strip())]
    across, down = (box[2], box[3]) if len(box) == 4 else (None, None)
    width, height = length(root.get("width")), length(root.get("height"))
    if width is None and height is None:
        width, height = across, down
    elif across and down:  # one side given: the other follows from the ratio of the view box
        width = width if width is not None else (height or 0) * across / down
        height = height if height is not None else (width or 0) * down / across
    if not width or not height or width < 0 or height < 0 or max(width, height) > 2**31:
        return None
    return max(1, round(width)), max(1, round(height))


def length(value: str | None) -> float | None:
    """Return an SVG length in pixels, or None for a relative or unreadable one."""
    found = _LENGTH.fullmatch(value[:64]) if value else None
    if found is None or found[2].lower() not in _PIXELS:
        return None
    return float(found[1]) * _PIXELS[found[2].lower()]
