"""Untrusted XML: constant memory, no external access, no expansion attacks (CWE-611, CWE-776)."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Protocol, cast
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException, EntitiesForbidden  # type: ignore[import-untyped]
from defusedxml.ElementTree import DefusedXMLParser  # type: ignore[import-untyped]

from service.errors import IngestError
from service.ingest.limits import IngestLimits

_CHUNK = 64 * 1024
_MAX_ENTITIES = 64


class Target(Protocol):
    """The target of the parser: the protocol of ``xml.etree.ElementTree.TreeBuilder``."""

    def start(self, tag: str, attrs: dict[str, str]) -> Any:
        """Handle an opening tag."""
        ...

    def end(self, tag: str) -> Any:
        """Handle a closing tag."""
        ...

    def data(self, data: str) -> None:
        """Handle character data."""
        ...

    def close(self) -> Any:
        """Return the result of the parse."""
        ...


class _Parser(DefusedXMLParser):  # type: ignore[misc]
    """defusedxml's parser, but accepting short internal entities, which Illustrator uses for its namespaces.

    Without references inside values nothing multiplies, and expat itself limits the amplification of the rest.
    """

    def __init__(self, target: Target, entity_chars: int) -> None:
        super().__init__(target=target, forbid_dtd=False, forbid_entities=True, forbid_external=True)
        self._entity_chars = entity_chars
        self._entities = 0

    def defused_entity_decl(
        self,
        name: str,
        is_parameter_entity: bool,
        value: str | None,
        base: str | None,
        sysid: str | None,
        pubid: str | None,
        notation_name: str | None,
    ) -> None:
        self._entities += 1
        plain = value is not None and len(value) <= self._entity_chars and not {"&", "%"} & set(value)
        if is_parameter_entity or not plain or self._entities > _MAX_ENTITIES:
            raise EntitiesForbidden(name, value, base, sysid, pubid, notation_name)


class _Bounded:
    """Passes events on to a target and rejects nesting beyond a limit."""

    def __init__(self, target: Target, depth: int, filename: str) -> None:
        self._target, self._left, self._limit, self._filename = target, depth, depth, filename

    def start(self, tag: str, attrs: dict[str, str]) -> None:
        self._left -= 1
        if self._left < 0:
            raise IngestError(
                f"The XML is nested deeper than {self._limit} levels (xml_depth).",
                reason="limit",
                filename=self._filename,
            )
        self._target.start(tag, attrs)

    def end(self, tag: str) -> None:
        self._left += 1
        self._target.end(tag)

    def data(self, data: str) -> None:
        self._target.data(data)

    def close(self) -> Any:
        return self._target.close()


def parse_file(path: Path, filename: str, target: Target, limits: IngestLimits) -> Any:
    """Parse an XML file, compressed by gzip or not, chunk by chunk into ``target``; return its ``close``'s result.

    Raises IngestError: ``malformed`` (not well-formed), ``bomb`` (entities), ``limit`` (too large or deep).
    """
    too_large = IngestError(
        f"The XML is larger than {limits.xml_bytes} bytes (xml_bytes).", reason="limit", filename=filename
    )
    if path.stat().st_size > limits.xml_bytes:
        raise too_large
    parser = _Parser(_Bounded(target, limits.xml_depth, filename), limits.entity_chars)

    def feed() -> None:
        left = limits.xml_bytes
        with _opened(path) as source:
            while chunk := source.read(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise too_large
                parser.feed(chunk)

    return _guarded(feed, parser, filename)


def _opened(path: Path) -> IO[bytes]:
    """Open a file, unpacking it on the way if it is compressed (``.svgz``)."""
    with path.open("rb") as source:
        is_packed = source.read(2) == b"\x1f\x8b"
    return cast("IO[bytes]", gzip.open(path)) if is_packed else path.open("rb")


def parse_bytes(document: bytes, filename: str, limits: IngestLimits) -> Element:
    """Parse a small XML document into a tree. Raises IngestError like :func:`parse_file`."""
    if len(document) > limits.xml_bytes:
        raise IngestError(
            f"The XML is larger than {limits.xml_bytes} bytes (xml_bytes).", reason="limit", filename=filename
        )
    parser = _Parser(_Bounded(TreeBuilder(), limits.xml_depth, filename), limits.entity_chars)
    root: Element = _guarded(lambda: parser.feed(document), parser, filename)
    return root


def _guarded(feed: Callable[[], None], parser: _Parser, filename: str) -> Any:
    try:
        feed()
        return parser.close()
    except DefusedXmlException as error:
        raise IngestError(
            "The XML declares entities that could expand without bound or reach other files.",
            reason="bomb",
            filename=filename,
        ) from error
    except ParseError as error:
        line, column = error.position
        raise IngestError(
            f"The XML is not well-formed at line {line}, column {column}.", reason="malformed", filename=filename
        ) from error
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise IngestError(
            "The compressed XML is damaged and cannot be unpacked.", reason="malformed", filename=filename
        ) from error
    except (LookupError, ValueError) as error:  # an encoding that does not exist or that expat does not support
        raise IngestError("The XML has an unsupported encoding.", reason="malformed", filename=filename) from error


def local(tag: object) -> str:
    """Return the name of a tag or attribute without its namespace; empty for a comment."""
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def namespace(tag: str) -> str:
    """Return the namespace of a tag, or an empty string."""
    return tag[1:].partition("}")[0] if tag.startswith("{") else ""
