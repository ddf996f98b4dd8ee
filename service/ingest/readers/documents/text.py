"""Text files: word count, what web pages and Markdown say about themselves, and web shortcuts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from service.ingest import clean
from service.ingest.facts import Facts, Sniffed
from service.ingest.limits import IngestLimits
from service.ingest.readers.documents import frontmatter, html
from service.ingest.sniff import HEAD, encoding_of

_CHUNK = 1024 * 1024
_HEADING = re.compile(r"^#[ \t]+(.{1,500}?)[ \t#]*$", re.MULTILINE)
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_URL = re.compile(r"^URL=(https?://\S{1,2000})\s*$", re.MULTILINE | re.IGNORECASE)


def read(path: Path, sniffed: Sniffed, filename: str, limits: IngestLimits) -> Facts:
    """Return the facts of a text: the number of whitespace-separated words, and what a web page or Markdown says.

    A Markdown title comes from the front matter, or else from the first level-one heading.
    """
    with path.open("rb") as source:
        head = source.read(html.HEAD if sniffed.format == "html" else HEAD)
    codec = _codec(head, sniffed.format)
    start = head.decode(codec, "ignore").replace("\r\n", "\n")
    words, problems = _count(path, codec, limits)
    facts = Facts()
    if sniffed.format == "html":
        facts = html.read(start, limits)
    elif sniffed.format == "md":
        facts = frontmatter.read(start, limits)
        facts = replace(facts, title=facts.title or clean.text(_heading(start), limits.title_chars))
    counted = {} if words is None else {"word_count": words}
    return replace(facts, metadata={**facts.metadata, **counted}, warnings=facts.warnings + problems)


def _codec(head: bytes, name: str) -> str:
    """Return the codec of a text: by its first bytes, or by what a page that has no byte order mark declares."""
    found = encoding_of(head[:HEAD])
    if name == "html" and found in {None, "utf-8", "cp1252"}:
        declared = html.charset(head)
        if declared is not None and not (found == "utf-8" and declared == "cp1252"):
            return declared
    return found or "utf-8"


def read_link(path: Path, sniffed: Sniffed, filename: str, limits: IngestLimits) -> Facts:
    """Return the URL in a Windows shortcut (``[InternetShortcut]`` with ``URL=``); only http and https are accepted."""
    with path.open("rb") as source:
        found = _URL.search(clean.decode(source.read(HEAD)))
    if found is None:
        return Facts(warnings=("The shortcut has no http or https URL.",))
    return Facts(external_url=clean.text(found[1], 2048))


def _heading(start: str) -> str | None:
    found = _HEADING.search(_FENCE.sub("", start))
    return found[1] if found else None


def _count(path: Path, codec: str, limits: IngestLimits) -> tuple[int | None, tuple[str, ...]]:
    """Count words in constant memory; a word that spans two chunks counts once."""
    if path.stat().st_size > limits.text_bytes:
        return None, (f"Words were not counted: the text is larger than {limits.text_bytes} bytes (text_bytes).",)
    words, inside, damaged = 0, False, False
    with path.open("r", encoding=codec, errors="replace") as source:
        while chunk := source.read(_CHUNK):
            parts = len(chunk.split())
            words += parts - (1 if inside and parts and not chunk[0].isspace() else 0)
            inside = not chunk[-1].isspace()
            damaged = damaged or "\ufffd" in chunk
    return words, ("Some characters are not valid in the text's encoding.",) if damaged else ()
