"""Office documents: the core properties of OOXML (ECMA-376 part 2) and the metadata of OpenDocument and EPUB."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from service.errors import IngestError
from service.ingest import clean, dates
from service.ingest.facts import Facts, Sniffed
from service.ingest.limits import MIB, IngestLimits
from service.ingest.readers.markup import local, parse_bytes

# Members with properties; all are small in legitimate files.
_MEMBERS = ("docProps/core.xml", "docProps/app.xml", "meta.xml")
_MAX_MEMBER = 2 * MIB
_COUNTS: dict[str, tuple[str, ...]] = {
    "page_count": ("Pages", "Slides", "page-count"),
    "word_count": ("Words", "word-count"),
}
_ZIPPED = frozenset({"docx", "xlsx", "pptx", "odt", "ods", "odp", "epub"})


def read(path: Path, sniffed: Sniffed, filename: str, limits: IngestLimits) -> Facts:
    """Return the properties of a zipped office document; for older formats only the type is known.

    Only the property members are unpacked, each to at most 2 MiB. Raises IngestError (``malformed``, ``bomb``).
    """
    if sniffed.format not in _ZIPPED:
        return Facts(warnings=(f"No properties were read: the format {sniffed.format} is not supported.",))
    said: dict[str, list[str]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            for member in _MEMBERS:
                if member in names:
                    _gather(parse_bytes(_member(archive, member, filename), filename, limits), said)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
        raise IngestError(
            "The document is damaged: its archive cannot be read.", reason="malformed", filename=filename
        ) from error
    first = {name: values[0] for name, values in said.items()}
    counts: dict[str, Any] = {leaf: _count(first, names) for leaf, names in _COUNTS.items()}
    software = clean.text(first.get("Application") or first.get("generator"), limits.title_chars)
    return Facts(
        title=clean.text(first.get("title"), limits.title_chars),
        description=clean.text(first.get("description") or first.get("subject"), limits.text_chars),
        creator=clean.words(said.get("creator") or said.get("initial-creator") or (), limits),
        tags=clean.words([part for each in _keywords(said) for part in re.split("[,;]", each)], limits),
        captured_at=dates.stamp(first.get("created") or first.get("creation-date")),
        metadata={leaf: value for leaf, value in {**counts, "software": software}.items() if value is not None},
    )


def _member(archive: zipfile.ZipFile, name: str, filename: str) -> bytes:
    with archive.open(name) as source:
        content = source.read(_MAX_MEMBER + 1)
    if len(content) > _MAX_MEMBER:
        raise IngestError(
            f"The document was rejected: {name} unpacks to more than {_MAX_MEMBER} bytes.",
            reason="bomb",
            filename=filename,
        )
    return content


def _gather(root: Element, said: dict[str, list[str]]) -> None:
    for node in root.iter():
        text = clean.text(node.text, 10_000)
        if text:
            said.setdefault(local(node.tag), []).append(text)
        for name, value in node.attrib.items():  # OpenDocument's document-statistic
            if local(name).endswith("-count"):
                said.setdefault(local(name), []).append(value)


def _keywords(said: dict[str, list[str]]) -> list[str]:
    return said.get("keywords", []) + said.get("keyword", [])


def _count(first: dict[str, str], names: tuple[str, ...]) -> int | None:
    found = next((clean.integer(first[name]) for name in names if name in first), None)
    return found if found is not None and found >= 0 else None
