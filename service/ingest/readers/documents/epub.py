"""EPUB: the metadata of the package document (EPUB 3.3 §5.5, OPF 2.0.1 §2.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from service.ingest import clean, dates
from service.ingest.facts import Facts
from service.ingest.limits import IngestLimits
from service.ingest.readers.documents.archive import Archive
from service.ingest.readers.documents.html import plain_text
from service.ingest.readers.markup import local

_CONTAINER = "META-INF/container.xml"
_WRITERS = frozenset({"aut", "cre"})  # MARC relators of people who wrote it and did not edit, translate or print it


def read(content: Archive, limits: IngestLimits) -> Facts:
    """Return the facts of a book; one without a package document has none and a warning.

    Raises UnreadableMember, and IngestError (``bomb``, ``limit``).
    """
    package = _package(content, limits)
    if package is None:
        missing = "No properties were read: the book has no package document."
        return Facts(warnings=tuple(content.problems) or (missing,))
    nodes = list(_properties(package))
    refined = _refinements(nodes)

    def texts(name: str) -> list[str]:
        return [
            text for node in nodes if local(node.tag) == name and (text := clean.text(node.text, limits.text_chars))
        ]

    titles = [node for node in nodes if local(node.tag) == "title" and (node.text or "").strip()]
    main = [node for node in titles if refined.get((node.get("id"), "title-type")) == "main"]
    rights = next(iter(texts("rights")), None)
    is_link = rights is not None and re.match(r"https?://\S+$", rights) is not None
    metadata: dict[str, Any] = {
        name: clean.text(next(iter(texts(tag)), None), limits.title_chars)
        for name, tag in (("language", "language"), ("publisher", "publisher"), ("identifier", "identifier"))
    }
    return Facts(
        title=clean.text(" ".join(((main or titles)[0].text or "").split()), limits.title_chars) if titles else None,
        description=clean.text(plain_text(next(iter(texts("description")), "")), limits.text_chars),
        creator=clean.words(_writers(nodes, refined), limits),
        tags=clean.words(texts("subject"), limits),
        license=clean.text(rights, limits.title_chars) if is_link else None,
        credit=None if is_link else clean.text(rights, limits.title_chars),
        captured_at=_date(nodes),
        metadata={name: value for name, value in metadata.items() if value},
        warnings=tuple(content.problems),
    )


def _package(content: Archive, limits: IngestLimits) -> Element | None:
    """Return the root of the package document that the container names, or of the only one there is."""
    container = content.tree(_CONTAINER, limits)
    nodes = container.iter() if container is not None else ()
    found = [node.get("full-path") or "" for node in nodes if local(node.tag) == "rootfile"]
    found += [name for name in content.names if name.endswith(".opf")]
    packages = (content.tree(name, limits) for name in dict.fromkeys(found[:3]))
    return next((package for package in packages if package is not None), None)


def _properties(package: Element) -> Iterator[Element]:
    for block in package:
        if local(block.tag) == "metadata":
            for node in block:
                # OPF 1 has a level more: dc-metadata and x-metadata
                yield from node if local(node.tag) in {"dc-metadata", "x-metadata"} else (node,)


def _refinements(nodes: list[Element]) -> dict[tuple[str | None, str], str]:
    """Return what EPUB 3 says about other properties: (id, property) → value."""
    return {
        ((node.get("refines") or "").removeprefix("#"), node.get("property") or ""): (node.text or "").strip()
        for node in nodes
        if local(node.tag) == "meta" and node.get("refines")
    }


def _writers(nodes: list[Element], refined: dict[tuple[str | None, str], str]) -> list[str]:
    """Return the creators whose role is that of a writer, or all of them if none has it."""
    people: list[tuple[str, str]] = []
    for node in nodes:
        if local(node.tag) == "creator" and (node.text or "").strip():
            said = next((value for name, value in node.attrib.items() if local(name) == "role"), "")
            people.append(((node.text or "").strip(), said or refined.get((node.get("id"), "role"), "aut")))
    return [name for name, role in people if role in _WRITERS] or [name for name, _ in people]


def _date(nodes: list[Element]) -> str | None:
    """Return when it was published, or else the first date that is no modification."""
    found: list[tuple[str, str]] = []
    for node in nodes:
        if local(node.tag) == "date":
            event = next((value for name, value in node.attrib.items() if local(name) == "event"), "publication")
            found.append((event, (node.text or "").strip()))
    ranked = sorted((each for each in found if each[0] != "modification"), key=lambda each: each[0] != "publication")
    return next((moment for _, text in ranked if (moment := dates.stamp(text))), None)
