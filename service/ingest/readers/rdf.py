"""RDF/XML as written in XMP (ISO 16684-1) and by Inkscape: a flat table of properties, and the facts in it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import Element

from service.errors import IngestError
from service.ingest import clean, dates
from service.ingest.dates import DateKind
from service.ingest.facts import Facts
from service.ingest.limits import IngestLimits
from service.ingest.readers import exif, places, ratings
from service.ingest.readers.markup import local, namespace, parse_bytes

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
    "http://cipa.jp/exif/1.0/": "exifEX",
    "http://ns.adobe.com/exif/1.0/aux/": "aux",
    "http://ns.adobe.com/lightroom/1.0/": "lr",
    "http://ns.adobe.com/pdf/1.3/": "pdf",
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": "Iptc4xmpCore",
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": "Iptc4xmpExt",
    "http://ns.useplus.org/ldf/xmp/1.0/": "plus",
    "http://ns.microsoft.com/photo/1.0/": "MicrosoftPhoto",
    "http://ns.microsoft.com/photo/1.0": "MicrosoftPhoto",
    "http://www.digikam.org/ns/1.0/": "digiKam",
    "http://www.metadataworkinggroup.com/schemas/regions/": "mwg-rs",
    "http://www.metadataworkinggroup.com/schemas/keywords/": "mwg-kw",
    "http://ns.microsoft.com/photo/1.2/": "MP",
    "http://ns.microsoft.com/photo/1.2/t/RegionInfo#": "MPRI",
    "http://ns.microsoft.com/photo/1.2/t/Region#": "MPReg",
    "http://ns.acdsee.com/iptc/1.0/": "acdsee",
    "http://ns.adobe.com/xmp/1.0/DynamicMedia/": "xmpDM",
    "http://ns.adobe.com/xmp/note/": "xmpNote",
    "http://ns.adobe.com/exif/1.0/": "exif",
}
# Edit histories and settings of raw converters: hundreds of entries that nobody searches.
_NOISE_NAMESPACES = ("http://ns.adobe.com/camera-raw-settings/1.0/", "http://www.gimp.org/xmp/")
_NOISE = frozenset({"xmpMM:History", "xmpMM:Ingredients", "photoshop:History", "digiKam:ImageHistory", "xmpMM:Pantry"})
_MAX_DEPTH = 6  # levels of nested structures inside a property
# Facts that a second source fills in where the first says nothing
_FILLED = "title description creator tags people taxonomy license credit gps rating".split()
_DATES: dict[DateKind, tuple[str, ...]] = {
    DateKind.ORIGINAL: ("exif:DateTimeOriginal", "photoshop:DateCreated", "acdsee:datetime", "xmpDM:shotDate"),
    DateKind.DIGITIZED: ("exif:DateTimeDigitized", "xmp:CreateDate"),
    DateKind.PUBLISHED: ("dc:date",),
    DateKind.MODIFIED: ("tiff:DateTime",),
}
# Property → what separates the levels in it
_HIERARCHIES = {"lr:hierarchicalSubject": "|", "digiKam:TagsList": "/", "MicrosoftPhoto:LastKeywordXMP": "/"}


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
    """Return the title, people, keywords, rights, date, rating, place and camera found in the properties."""
    paths = _paths(found)
    altitude = places.altitude(_ratio(found.get("exif:GPSAltitude")), found.get("exif:GPSAltitudeRef") == "1")
    kind, moment = dates.first((kind, _date(found, *keys)) for kind, keys in _DATES.items())
    subjects = _names(found.get("dc:subject"))
    return Facts(
        title=_text(found, limits.title_chars, "dc:title", "photoshop:Headline", "Iptc4xmpCore:Headline"),
        description=_text(
            found, limits.text_chars, "dc:description", "tiff:ImageDescription", "acdsee:caption", "exif:UserComment"
        ),
        creator=clean.words(_names(found.get("dc:creator")) or _names(found.get("tiff:Artist")), limits),
        # Every level of a hierarchy is a keyword too: programs that write both do it like that.
        tags=clean.words(dict.fromkeys([*subjects, *(level for path in paths for level in path)]), limits),
        # A path is separated by "/", which a level of Lightroom's may hold.
        taxonomy=clean.words(("/".join(level.replace("/", "-") for level in path) for path in paths), limits),
        people=clean.words(_people(found), limits),
        license=_text(found, limits.title_chars, "cc:license", "xmpRights:WebStatement", "dcterms:license"),
        credit=_text(found, limits.title_chars, "photoshop:Credit", "dc:rights", "tiff:Copyright", "xmpRights:Owner"),
        captured_at=moment,
        captured_kind=kind,
        rating=_rating(found),
        gps=_gps(found),
        metadata=_camera(found, limits) | ({"gps_altitude": altitude} if altitude is not None else {}),
    )


def merged(first: Facts, second: Facts) -> Facts:
    """Return the facts of ``first``, completed by those of ``second``; metadata and warnings are combined.

    Of two dates, the one of the more wanted kind counts (see :class:`DateKind`), of the same kind that of ``first``.
    """
    gaps: dict[str, Any] = {name: getattr(second, name) for name in _FILLED if not getattr(first, name)}
    if second.captured_at and (not first.captured_at or second.captured_kind < first.captured_kind):
        gaps |= {"captured_at": second.captured_at, "captured_kind": second.captured_kind}
    return replace(
        first, **gaps, metadata={**second.metadata, **first.metadata}, warnings=first.warnings + second.warnings
    )


def packet_facts(packets: Iterable[bytes], filename: str, limits: IngestLimits) -> Facts:
    """Return the facts in a file's XMP packets, and all of them under ``metadata.xmp``. A damaged one is a warning.

    Of a property that several packets have, the first counts.
    """
    found: dict[str, Any] = {}
    problems: list[str] = []
    for packet in packets:
        try:
            found = properties([parse_bytes(_document(packet), filename, limits)], limits) | found
        except IngestError as error:
            problems.append(f"XMP metadata was ignored: {error.message}")
    said = Facts(metadata={"xmp": leaves(found)} if found else {}, warnings=tuple(problems))
    return merged(facts(found, limits), said)


def _document(packet: bytes) -> bytes:
    """Return the XML of a packet, without the padding and the NULs that writers leave around it."""
    start = packet.strip(b"\x00 \r\n\t")
    if start[1:2] == b"\x00" or start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return packet  # UTF-16: its NULs belong to it
    end = start.rfind(b">")
    return start[: end + 1] if end >= 0 else start


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
        return _attributes(node) or (node.text or "").strip()
    kind = children[0].tag.removeprefix(f"{{{RDF}}}") if len(children) == 1 else ""
    if kind in {"Bag", "Seq"}:
        return [value for item in children[0] if (value := _value(item, depth + 1)) not in ("", [], {})]
    if kind == "Alt":
        return _alternative(children[0], depth)
    if kind == "Description":
        return _structure(children[0], depth)
    if local(children[0].tag) in {"Agent", "Person"}:
        return _agent(children[0])
    return _structure(node, depth)


def _structure(node: Element, depth: int) -> dict[str, Any]:
    """Return a structure's fields; RDF writes each as an element or as an attribute."""
    fields = {_key(child.tag): _value(child, depth + 1) for child in node if isinstance(child.tag, str)}
    return _attributes(node) | fields


def _attributes(node: Element) -> dict[str, str]:
    return {
        _key(name): value
        for name, value in node.attrib.items()
        if namespace(name) not in {RDF, ""} and name != _XML_LANG
    }


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
    """Return the place; exif:GPSLatitude is "52,22.2N" or "52,22,12N" (XMP part 2, GPSCoordinate), or degrees."""
    lat, lon = (_degrees(found.get(key)) for key in ("exif:GPSLatitude", "exif:GPSLongitude"))
    is_measured = bool(_ratio(found.get("exif:GPSAltitude"))) or bool(found.get("exif:GPSTimeStamp"))
    return places.point(lat, lon, is_measured=is_measured)


def _degrees(value: Any) -> float | None:
    said = value.strip().upper() if isinstance(value, str) else ""
    side = said[-1:] if said[-1:] in {"N", "S", "E", "W"} else ""
    parts = [clean.number(part) for part in said.removesuffix(side).split(",")]
    first = parts[0]
    if not 1 <= len(parts) <= 3 or first is None or None in parts:
        return None
    degrees = math.fsum(abs(float(part or 0)) / 60**power for power, part in enumerate(parts))
    return -degrees if side in {"S", "W"} or (not side and first < 0) else degrees


def _ratio(value: Any) -> float | None:
    """Return a number that XMP writes as a fraction ("28/10") or a decimal."""
    said = value[0] if isinstance(value, list) and value else value
    above, mark, below = str(said).partition("/") if said is not None else ("", "", "")
    number, divisor = clean.number(above), clean.number(below) if mark else 1
    return float(number) / float(divisor) if number is not None and divisor else None


def _camera(found: Mapping[str, Any], limits: IngestLimits) -> dict[str, Any]:
    iso = found.get("exifEX:PhotographicSensitivity") or found.get("exif:ISOSpeedRatings")
    return exif.camera(
        orientation=found.get("tiff:Orientation"),
        make=_text(found, 200, "tiff:Make"),
        model=_text(found, 200, "tiff:Model"),
        lens=_text(found, 200, "exifEX:LensModel", "aux:Lens"),
        iso=_ratio(iso),
        f_number=_ratio(found.get("exif:FNumber")),
        exposure_time=_ratio(found.get("exif:ExposureTime")),
        focal_length=_ratio(found.get("exif:FocalLength")),
        software=_text(found, limits.title_chars, "xmp:CreatorTool", "tiff:Software"),
    )


def _rating(found: Mapping[str, Any]) -> int | None:
    """Return the stars: those of XMP, else Microsoft's percent, else ACDSee's stars. -1 is "rejected": no stars."""
    return (
        ratings.stars(found.get("xmp:Rating"))
        or ratings.percent(found.get("MicrosoftPhoto:Rating"))
        or ratings.stars(found.get("acdsee:rating"))
    )


def _paths(found: Mapping[str, Any]) -> list[list[str]]:
    """Return the keywords of hierarchies as lists of levels, each once (whatever program wrote it)."""
    paths: dict[tuple[str, ...], None] = {}
    for key, mark in _HIERARCHIES.items():
        for said in _names(found.get(key)):
            levels = tuple(level.strip() for level in str(said or "").split(mark) if level.strip())
            if levels:
                paths.setdefault(levels)
    for keyword in _listed(_inside(found, "mwg-kw:Keywords", "mwg-kw:Hierarchy")):
        for levels in _keyword_paths(keyword, ()):
            paths.setdefault(levels)
    return [list(path) for path in paths]


def _keyword_paths(keyword: Any, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the paths of the Metadata Working Group's nested keywords."""
    name = keyword.get("mwg-kw:Keyword") if isinstance(keyword, dict) else None
    if not isinstance(name, str) or not name.strip():
        return
    path = (*above, name.strip())
    below = [each for child in _listed(keyword.get("mwg-kw:Children")) for each in _keyword_paths(child, path)]
    yield from below or [path]


def _people(found: Mapping[str, Any]) -> list[Any]:
    """Return who is shown: by IPTC's lists, and by the names of face regions (MWG's and Microsoft's)."""
    names = _names(found.get("Iptc4xmpExt:PersonInImage"))
    for person in _listed(found.get("Iptc4xmpExt:PersonInImageWDetails")):
        names += _names(person.get("Iptc4xmpExt:PersonName") if isinstance(person, dict) else None)
    for region in _listed(_inside(found, "mwg-rs:Regions", "mwg-rs:RegionList")):
        if isinstance(region, dict) and str(region.get("mwg-rs:Type", "Face")).casefold() == "face":
            names += _names(region.get("mwg-rs:Name"))
    for region in _listed(_inside(found, "MP:RegionInfo", "MPRI:Regions")):
        names += _names(region.get("MPReg:PersonDisplayName") if isinstance(region, dict) else None)
    return names


def _inside(found: Mapping[str, Any], *path: str) -> Any:
    value: Any = found
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
