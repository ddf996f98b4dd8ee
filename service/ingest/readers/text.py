"""Text files: word count, the title of a Markdown or HTML page, front matter, and web shortcuts."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from service.ingest import clean
from service.ingest.facts import Facts, Sniffed
from service.ingest.limits import IngestLimits
from service.ingest.readers import frontmatter
from service.ingest.sniff import HEAD, encoding_of

_CHUNK = 1024 * 1024
_HEADING = re.compile(r"^#[ \t]+(.{1,500}?)[ \t#]*$", re.MULTILINE)
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_HTML_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{1,1000})</title", re.IGNORECASE)
_URL = re.compile(r"^URL=(https?://\S{1,2000})\s*$", re.MULTILINE | re.IGNORECASE)


def read(path: Path, sniffed: Sniffed, filename: str, limits: IngestLimits) -> Facts:
    """Return the facts of a text: the number of whitespace-separated words, and a title if the format has one.

    A Markdown title comes from the front matter, or else from the first level-one heading.
    """
    with path.open("rb") as source:
        head = source.read(HEAD)
    codec = encoding_of(head) or "utf-8"
    start = head.decode(codec, "ignore").replace("\r\n", "\n")
    words, problems = _count(path, codec, limits)
    said = frontmatter.read(start, limits) if sniffed.format == "md" else Facts()
    metadata: dict[str, Any] = {} if words is None else {"word_count": words}
    return Facts(
        title=said.title or clean.text(_title(start, sniffed.format), limits.title_chars),
        description=said.description,
        creator=said.creator,
        tags=said.tags,
        license=said.license,
        captured_at=said.captured_at,
        metadata=metadata,
        warnings=problems,
    )


def read_link(path: Path, sniffed: Sniffed, filename: str, limits: IngestLimits) -> Facts:
    """Return the URL in a Windows shortcut (``[InternetShortcut]`` with ``URL=``); only http and https are accepted."""
    with path.open("rb") as source:
        found = _URL.search(clean.decode(source.read(HEAD)))
    if found is None:
        return Facts(warnings=("The shortcut has no http or https URL.",))
    return Facts(external_url=clean.text(found[1], 2048))


def _title(start: str, name: str) -> str | None:
    if name == "md":
        found = _HEADING.search(_FENCE.sub("", start))
        return found[1] if found else None
    if name == "html":
        page = _HTML_TITLE.search(start)
        return html.unescape(page[1]) if page else None
    return None


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
