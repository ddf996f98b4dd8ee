"""RDF/XML as written in XMP (ISO 16684-1) and by Inkscape: a flat table of properties, and the facts in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import Element

from service.ingest import clean, dates
from service.ingest.facts import Facts
from service.ingest.limits import IngestLimits
from service.ingest.readers.markup import local, namespace

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

# Namespace → the prefix used by its specification. The prefix in the file is arbitrary.
PREFIXES: dict[str, str] = {
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://purl.org/dc/terms/": "dcterms",
    "http://web.resource.org/cc/": "cc",
    "http://creativecommons.org/ns#": "cc",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/xap/1.0/rights/": "xmpRights",
    "http://ns.adobe.com/xap/1.0/mm/": "xmpMM",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://cipa.jp/exif/1.0/": "exifEX",
    "http://ns.adobe.com/exif/1.0/aux/": "aux",
    "http://ns.adobe.com/lightroom/1.0/": "lr",
    "http://ns.adobe.com/pdf/1.3/": "pdf",
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": "Iptc4xmpCore",
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": "Iptc4xmpExt",
    "http://ns.useplus.org/ldf/xmp/1.0/": "plus",
    "http://ns.microsoft.com/photo/1.0/": "MicrosoftPhoto",
    "http://www.digikam.org/ns/1.0/": "digiKam",
}
# Edit histories and settings of raw converters: hundreds of entries that nobody searches.
_NOISE_NAMESPACES = ("http://ns.adobe.com/camera-raw-settings/1.0/", "http://www.gimp.org/xmp/")
_NOISE = frozenset({"xmpMM:History", "xmpMM:Ingredients", "photoshop:History", "digiKam:ImageHistory", "xmpMM:Pantry"})
_MAX_DEPTH = 6  # levels of nested structures inside a property


def properties(roots: Iterable[Element], limits: IngestLimits) -> dict[str, Any]:
    """Return every property of the RDF under ``roots`` as ``{"dc:title": text | list | object}``, clean JSON.

    For language alternatives the default is used. A repeated property keeps its first value; a list collects all.
    """
    found: dict[str, Any] = {}
    for node in (node for root in roots for node in _described(root)):
        for name, value in node.attrib.items():
            if namespace(name) not in {RDF, ""} and name != _XML_LANG:
                _add(found, _key(name), value, limits)
        for child in node:
            if namespace(child.tag) != RDF and not namespace(child.tag).startswith(_NOISE_NAMESPACES):
                _add(found, _key(child.tag), _value(child), limits)
    return clean.json_object(found, limits)


def leaves(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties by names that queries can use: ``dc:title`` is ``title``, ``xmp:Rating`` is ``rating``.

    If two namespaces share a name, the first in the file wins.
    """
    named: dict[str, Any] = {}
    for key, value in found.items():
        name = key.rpartition(":")[2]
        plain = (
            [leaves(item) if isinstance(item, dict) else item for item in value] if isinstance(value, list) else value
        )
        named.setdefault(name[:1].lower() + name[1:], leaves(plain) if isinstance(plain, dict) else plain)
    return named


def facts(found: Mapping[str, Any], limits: IngestLimits) -> Facts:
    """Return the title, people, keywords, rights, date, rating and place found in the properties."""
    rating = clean.integer(found.get("xmp:Rating"))
    return Facts(
        title=_text(found, limits.title_chars, "dc:title", "photoshop:Headline", "Iptc4xmpCore:Headline"),
        description=_text(found, limits.text_chars, "dc:description", "tiff:ImageDescription"),
        creator=clean.words(_names(found.get("dc:creator")) or _names(found.get("tiff:Artist")), limits),
        tags=clean.words(_names(found.get("dc:subject")) or _names(found.get("lr:hierarchicalSubject")), limits),
        license=_text(found, limits.title_chars, "cc:license", "xmpRights:WebStatement", "dcterms:license"),
        credit=_text(found, limits.title_chars, "photoshop:Credit", "dc:rights", "xmpRights:Owner"),
        captured_at=_date(found, "exif:DateTimeOriginal", "photoshop:DateCreated", "xmp:CreateDate", "dc:date"),
        rating=rating if rating is not None and 0 <= rating <= 5 else None,
        gps=_gps(found),
    )


def merged(first: Facts, second: Facts) -> Facts:
    """Return the facts of ``first``, completed by those of ``second``; metadata and warnings are combined."""
    gaps: dict[str, Any] = {
        name: getattr(second, name)
        for name in ("title", "description", "creator", "tags", "license", "credit", "captured_at", "gps", "rating")
        if not getattr(first, name)
    }
    return replace(
        first, **gaps, metadata={**second.metadata, **first.metadata}, warnings=first.warnings + second.warnings
    )


def _described(root: Element) -> list[Element]:
    """Return the nodes whose children are properties: rdf:Description and cc:Work at the top of each rdf:RDF."""
    blocks = [root] if root.tag == f"{{{RDF}}}RDF" else root.findall(f".//{{{RDF}}}RDF")
    return [node for block in blocks for node in block if isinstance(node.tag, str) and local(node.tag) != "License"]


def _key(tag: str) -> str:
    space = namespace(tag)
    prefix = PREFIXES.get(space)
    if prefix is None:
        parts = [part for part in space.strip("/#").split("/") if part and not part.replace(".", "").isdigit()]
        prefix = parts[-1] if parts else ""
    return f"{prefix}:{local(tag)}" if prefix else local(tag)


def _add(found: dict[str, Any], key: str, value: Any, limits: IngestLimits) -> None:
    if key in _NOISE or len(found) >= limits.values or value in (None, "", [], {}):
        return
    known = found.get(key)
    if known is None:
        found[key] = value
    elif isinstance(known, list) and isinstance(value, list):
        found[key] = known + [item for item in value if item not in known]


def _value(node: Element, depth: int = 0) -> Any:
    """Return a property's value: a resource URI, a text, a list (Bag, Seq), an alternative (Alt) or a structure."""
    address = node.get(f"{{{RDF}}}resource")
    if address is not None:
        return address.strip()
    children = [child for child in node if isinstance(child.tag, str)]
    if not children or depth > _MAX_DEPTH:
        inline = {
            _key(name): value
            for name, value in node.attrib.items()
            if namespace(name) not in {RDF, ""} and name != _XML_LANG
        }
        return inline or (node.text or "").strip()
    kind = children[0].tag.removeprefix(f"{{{RDF}}}") if len(children) == 1 else ""
    if kind in {"Bag", "Seq"}:
        return [value for item in children[0] if (value := _value(item, depth + 1)) not in ("", [], {})]
    if kind == "Alt":
        return _alternative(children[0], depth)
    if kind == "Description":
        return {
            **{_key(n): v for n, v in children[0].attrib.items() if namespace(n) != RDF},
            **_structure(children[0], depth),
        }
    if local(children[0].tag) in {"Agent", "Person"}:
        return _agent(children[0])
    return _structure(node, depth)


def _structure(node: Element, depth: int) -> dict[str, Any]:
    return {_key(child.tag): _value(child, depth + 1) for child in node if isinstance(child.tag, str)}


def _alternative(choices: Element, depth: int) -> Any:
    by_language = {item.get(_XML_LANG, ""): _value(item, depth + 1) for item in reversed(list(choices))}
    default = by_language.get("x-default")
    # digiKam writes the literal "x-default" as an empty caption
    if default and default != "x-default":
        return default
    return next((value for language, value in reversed(by_language.items()) if value and language != "x-default"), "")


def _agent(node: Element) -> str:
    names = [(child.text or "").strip() for child in node.iter() if local(child.tag) in {"title", "name"}]
    return next((name for name in names if name), "")


def _names(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [item if isinstance(item, str) else None for item in value]
    return [value] if isinstance(value, str) and value else []


def _text(found: Mapping[str, Any], limit: int, *keys: str) -> str | None:
    for key in keys:
        value = found.get(key)
        one = clean.text(value[0] if isinstance(value, list) and value else value, limit)
        if one:
            return one
    return None


def _date(found: Mapping[str, Any], *keys: str) -> str | None:
    for key in keys:
        value = found.get(key)
        moment = dates.stamp(value[0] if isinstance(value, list) and value else value)
        if moment:
            return moment
    return None


def _gps(found: Mapping[str, Any]) -> dict[str, float] | None:
    """Return the place; exif:GPSLatitude is "52,22.2N" or "52,22,12N" (XMP part 2, GPSCoordinate)."""
    lat, lon = (_degrees(found.get(key)) for key in ("exif:GPSLatitude", "exif:GPSLongitude"))
    if lat is None or lon is None or abs(lat) > 90 or abs(lon) > 180:
        return None
    return {"lat": lat, "lon": lon}


def _degrees(value: Any) -> float | None:
    if not isinstance(value, str) or value[-1:] not in {"N", "S", "E", "W"}:
        return None
    parts = [clean.number(part) for part in value[:-1].split(",")]
    if not 1 <= len(parts) <= 3 or None in parts:
        return None
    degrees = sum(float(part or 0) / 60**power for power, part in enumerate(parts))
    return round(float(-degrees if value[-1] in "SW" else degrees), 7)
