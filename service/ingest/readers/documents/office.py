"""Office documents: the core properties of OOXML (ECMA-376 part 2) and the metadata of OpenDocument (part 1, §4)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from service.ingest import clean, dates
from service.ingest.compound import MAGIC
from service.ingest.facts import Facts, Sniffed
from service.ingest.formats import ZIPPED
from service.ingest.limits import IngestLimits
from service.ingest.readers.documents import archive, epub, ole, rtf
from service.ingest.readers.documents.archive import Archive, UnreadableMember
from service.ingest.readers.markup import local

_COUNTS: dict[str, tuple[str, ...]] = {
    "page_count": ("Pages", "Slides", "page-count"),
    "word_count": ("Words", "word-count"),
}
_BOOKS = frozenset({"epub", "ibooks"})
_PASSWORD = "The document is password-protected: its properties were not read."  # noqa: S105
# Where properties are in OOXML by the relations of the package, with the places that everybody uses.
_RELATIONS = {"core-properties": "docProps/core.xml", "extended-properties": "docProps/app.xml"}


def read(path: Path, sniffed: Sniffed, filename: str, limits: IngestLimits) -> Facts:
    """Return the properties of a document; a format without a reader, or a password, is a warning.

    Raises IngestError: ``malformed``, ``bomb``, ``limit``.
    """
    if _is_compound(path):
        return ole.read(path, filename, limits)
    if sniffed.format == "rtf":
        return rtf.read(path, limits)
    if sniffed.format not in ZIPPED:
        return Facts(warnings=(f"No properties were read: the format {sniffed.format} is not supported.",))
    try:
        with archive.opened(path, filename) as content:
            return epub.read(content, limits) if sniffed.format in _BOOKS else _facts(content, limits)
    except UnreadableMember as error:
        return Facts(warnings=(f"No properties were read: {error}.",))


def _is_compound(path: Path) -> bool:
    """Return whether a document is an OLE compound file, as old ones are, and new ones with a password."""
    with path.open("rb") as source:
        return source.read(len(MAGIC)) == MAGIC


def _facts(content: Archive, limits: IngestLimits) -> Facts:
    if _is_encrypted(content, limits):
        return Facts(warnings=(_PASSWORD,))
    said: dict[str, list[str]] = {}
    for member in _members(content, limits):
        root = content.tree(member, limits)
        if root is not None:
            _gather(root, said)
    first = {name: values[0] for name, values in said.items()}
    counts: dict[str, Any] = {
        leaf: count(first[name] for name in names if name in first) for leaf, names in _COUNTS.items()
    }
    # In OpenDocument "creator" is who edited last; in OOXML there is no other.
    authors = said.get("initial-creator") or said.get("creator") or []
    metadata = {
        **counts,
        "software": clean.text(first.get("Application") or first.get("generator"), limits.title_chars),
        "language": clean.text(first.get("language"), 35),
    }
    return Facts(
        title=clean.text(first.get("title"), limits.title_chars),
        description=clean.text(first.get("description") or first.get("subject"), limits.text_chars),
        creator=names(authors, limits),
        tags=keywords([*said.get("keywords", []), *said.get("keyword", [])], limits),
        captured_at=dates.stamp(first.get("created") or first.get("creation-date")),
        metadata={leaf: value for leaf, value in metadata.items() if value is not None},
        warnings=tuple(content.problems),
    )


def names(values: Iterable[str], limits: IngestLimits) -> tuple[str, ...]:
    """Return the people in a field of authors, which office programs part by semicolons."""
    return clean.words([part for each in values for part in each.split(";")], limits)


def keywords(values: Iterable[str], limits: IngestLimits) -> tuple[str, ...]:
    """Return the keywords in fields that part them by commas or semicolons."""
    return clean.words([part for each in values for part in re.split("[,;]", each)], limits)


def count(values: Iterable[object]) -> int | None:
    """Return the first value as a count, None unless it is a positive number."""
    found = next((clean.integer(value) for value in values), None)
    return found if found is not None and 0 <= found < 2**31 else None


def _members(content: Archive, limits: IngestLimits) -> list[str]:
    """Return the names of the members with properties: those that the package names, and the usual ones."""
    found: list[str] = []
    relations = content.tree("_rels/.rels", limits)
    if relations is not None:
        for node in relations.iter():
            kind = (node.get("Type") or "").rpartition("/")[2]
            if kind in _RELATIONS and node.get("Target"):
                found.append(node.get("Target") or "")
    usual = [*_RELATIONS.values(), "meta.xml"]
    return list(dict.fromkeys([*found[:4], *(name for name in usual if name not in found)]))


def _is_encrypted(content: Archive, limits: IngestLimits) -> bool:
    """Return whether OpenDocument's manifest says that the metadata has a password (part 2, §4.4)."""
    manifest = content.tree("META-INF/manifest.xml", limits) if "mimetype" in content.names else None
    return any(
        local(name) == "full-path" and value in {"meta.xml", "encrypted-package"}
        for entry in (manifest if manifest is not None else ())
        if any(local(child.tag) == "encryption-data" for child in entry)
        for name, value in entry.attrib.items()
    )


def _gather(root: Element, said: dict[str, list[str]]) -> None:
    for node in root.iter():
        text = clean.text(node.text, 10_000)
        if text:
            said.setdefault(local(node.tag), []).append(text)
        for name, value in node.attrib.items():  # OpenDocument's document-statistic
            if local(name).endswith("-count"):
                said.setdefault(local(name), []).append(value)
