"""HTML: what the head of a page says, in HTML's own words, Dublin Core's, Open Graph's and schema.org's."""

from __future__ import annotations

import codecs
import html
import json
import re
from collections.abc import Iterator
from typing import Any, Final

from service.ingest import clean, dates
from service.ingest.facts import Facts
from service.ingest.limits import KIB, IngestLimits

HEAD: Final = 256 * KIB
"""Bytes of a page that are searched for its head."""

_MAX_TAGS = 5000
_MAX_ATTRIBUTES = 50
_MAX_VALUES = 200
_MAX_THINGS = 200  # of JSON-LD
_CHARSET = re.compile(
    rb"<(?:meta\b[^>]{0,200}?charset\s*=|\?xml\b[^>]{0,100}?encoding\s*=)\s*[\"']?\s*([\w.:-]{2,40})", re.I
)
_NAME = re.compile(r"<([a-zA-Z][^\s/>]{0,40})")
# A name, then a plain value or the mark that opens a quoted one.
_ATTRIBUTE = re.compile(r"[\s/]*([^\s/>=][^\s/>=]{0,100})(?:\s{0,20}=\s{0,20}(?:([^\s>\"'][^\s>]{0,4000})|([\"'])))?")
# Elements whose content is no markup, and what closes them.
_RAW = {tag: re.compile(f"</{tag}", re.IGNORECASE) for tag in ("title", "script", "style", "textarea")}
_TAG = re.compile(r"<[^>]{0,2000}>")

# The fact → the names that say it, the most exact first; "ld:" is a property in JSON-LD.
_NAMES: dict[str, tuple[str, ...]] = {
    "title": (
        "<title>",
        "og:title",
        "dc.title",
        "dcterms.title",
        "citation_title",
        "twitter:title",
        "ld:headline",
        "ld:name",
    ),
    "description": (
        "description",
        "dc.description",
        "dcterms.description",
        "og:description",
        "dcterms.abstract",
        "twitter:description",
        "ld:description",
    ),
    "creator": (
        "author",
        "dc.creator",
        "dcterms.creator",
        "citation_author",
        "article:author",
        "ld:author",
        "ld:creator",
        "byl",
    ),
    "tags": (
        "keywords",
        "dc.subject",
        "dcterms.subject",
        "article:tag",
        "citation_keywords",
        "news_keywords",
        "ld:keywords",
    ),
    "date": (
        "article:published_time",
        "datepublished",
        "dcterms.created",
        "dc.date.created",
        "dcterms.issued",
        "dc.date.issued",
        "dc.date",
        "dcterms.date",
        "citation_publication_date",
        "ld:datepublished",
        "ld:datecreated",
        "date",
        "created",
    ),
    "language": (
        "<html lang>",
        "content-language",
        "dc.language",
        "dcterms.language",
        "language",
        "ld:inlanguage",
        "og:locale",
    ),
    "license": ("<license>", "dcterms.license", "dc.rights.license", "ld:license"),
    "credit": ("dc.rights", "dcterms.rights", "copyright", "rights"),
    "software": ("generator",),
    "publisher": ("dc.publisher", "dcterms.publisher", "citation_publisher", "og:site_name", "ld:publisher"),
}


def charset(head: bytes) -> str | None:
    """Return the codec that a page declares in its head, None if it declares none that Python knows."""
    found = _CHARSET.search(head[:HEAD])
    if found is None:
        return None
    try:
        known = codecs.lookup(found[1].decode("ascii"))
    except LookupError:
        return None
    # WHATWG Encoding §4.2: what calls itself Latin-1 or ASCII is read as Windows-1252
    name = "cp1252" if known.name in {"iso8859-1", "ascii"} else known.name
    return name if known._is_text_encoding and not name.startswith("utf-16") else None


def plain_text(markup: str) -> str:
    """Return a text without its tags, for descriptions that hold a little HTML."""
    if "<" not in markup and "&" not in markup:
        return markup
    return html.unescape(_TAG.sub(" ", re.sub(r"(?i)<(?:br|/p|/div|/li)\b[^>]{0,200}>", "\n", markup))).strip()


def read(page: str, limits: IngestLimits) -> Facts:
    """Return the facts in the head of a page."""
    said = _Head(page[:HEAD]).said

    def texts(fact: str) -> list[str]:
        return next((said[name] for name in _NAMES[fact] if said.get(name)), [])

    def one(fact: str, limit: int) -> str | None:
        return clean.text(" ".join(next(iter(texts(fact)), "").split()), limit)

    # Open Graph's authors are often addresses of their pages.
    people = ([text for text in said.get(name, ()) if not re.match("https?:", text)] for name in _NAMES["creator"])
    authors = next((names for names in people if names), [])
    moments = (dates.stamp(text) for name in _NAMES["date"] for text in said.get(name, ()))
    language = one("language", 35)
    metadata: dict[str, Any] = {
        "language": language.replace("_", "-") if language else None,
        "software": one("software", limits.title_chars),
        "publisher": one("publisher", limits.title_chars),
    }
    return Facts(
        title=one("title", limits.title_chars),
        description=one("description", limits.text_chars),
        creator=clean.words(authors, limits),
        tags=clean.words([part for text in texts("tags") for part in re.split("[,;]", text)], limits),
        license=one("license", limits.title_chars),
        credit=one("credit", limits.title_chars),
        captured_at=next((moment for moment in moments if moment), None),
        metadata={name: value for name, value in metadata.items() if value},
    )


class _Head:
    """Gathers ``{name: [text]}`` from the tags of a page, in one pass: what is never closed ends the search.

    (The standard library's parser goes back to what is not closed, at a cost of the square of the page's length.)
    """

    def __init__(self, page: str) -> None:
        self.said: dict[str, list[str]] = {}
        self._page = page
        self._in_head = True
        at: int | None = 0
        for _ in range(_MAX_TAGS):
            at = page.find("<", at)
            if at < 0:
                break
            at = self._markup(at)
            if at is None:
                break

    def _markup(self, at: int) -> int | None:
        """Take the markup that begins here, and return where it ends; None if it does not."""
        page = self._page
        if page.startswith("<!--", at):
            return self._after("-->", at + 4)
        name = _NAME.match(page, at)
        if name is None:
            return self._after(">", at) if page.startswith(("<!", "<?", "</"), at) else at + 1
        tag = name[1].lower()
        attributes, end = self._attributes(name.end())
        self._start(tag, attributes)
        if end is None or tag not in _RAW:
            return end
        close = _RAW[tag].search(page, end)
        self._raw(tag, attributes, page[end : close.start() if close else len(page)])
        return close.end() if close else None

    def _attributes(self, at: int) -> tuple[dict[str, str], int | None]:
        """Return the attributes of a tag and where it ends; of a name that is given twice, the first counts."""
        page, found = self._page, dict[str, str]()
        for _ in range(_MAX_ATTRIBUTES):
            part = _ATTRIBUTE.match(page, at)
            if part is None:
                break
            at, value = part.end(), part[2] or ""
            if part[3]:  # a quotation mark
                close = page.find(part[3], at)
                if close < 0:
                    return found, None
                at, value = close + 1, page[at:close]
            found.setdefault(part[1].lower(), html.unescape(value))
        return found, self._after(">", at)

    def _start(self, tag: str, given: dict[str, str]) -> None:
        if tag == "meta":
            for name in (given.get("name"), given.get("property"), given.get("itemprop"), given.get("http-equiv")):
                if name:
                    self._say(name.strip().lower(), given.get("content", ""))
        elif tag == "html":
            self._say("<html lang>", given.get("lang") or given.get("xml:lang", ""))
        elif tag in {"link", "a"} and "license" in given.get("rel", "").lower().split():
            self._say("<license>", given.get("href", ""))
        elif tag in {"body", "svg"}:  # the titles of drawings are not the page's
            self._in_head = False

    def _raw(self, tag: str, given: dict[str, str], text: str) -> None:
        if tag == "title" and self._in_head:
            self._say("<title>", html.unescape(text.partition("<")[0]))
            self._in_head = "<title>" not in self.said
        elif tag == "script" and given.get("type", "").strip().lower() == "application/ld+json":
            for name, value in _things(text):
                self._say(name, value)

    def _after(self, mark: str, at: int) -> int | None:
        end = self._page.find(mark, at)
        return end + len(mark) if end >= 0 else None

    def _say(self, name: str, value: str) -> None:
        if value.strip() and (name in self.said or len(self.said) < _MAX_VALUES):
            known = self.said.setdefault(name, [])
            if len(known) < _MAX_VALUES:
                known.append(value.strip()[:10_000])


def _things(text: str) -> Iterator[tuple[str, str]]:
    """Yield the plain properties of the first thing of JSON-LD that is a work, and the names of its people."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return
    pending, seen = [data], 0
    while pending and seen < _MAX_THINGS:
        thing = pending.pop(0)
        seen += 1
        if isinstance(thing, list):
            pending[:0] = thing[:_MAX_THINGS]
        elif isinstance(thing, dict):
            if "headline" in thing or "datePublished" in thing or "author" in thing:
                for name, value in list(thing.items())[:100]:
                    for each in value[:100] if isinstance(value, list) else [value]:
                        said = each.get("name") if isinstance(each, dict) else each
                        if isinstance(said, str):
                            yield f"ld:{str(name).lower()}", said
                return
            pending.extend(value for value in (thing.get("@graph"), thing.get("mainEntity")) if value)
