"""Films and sound: sizes, turn, rates and tags from the container's headers, and what Mutagen reads of its tags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from service.errors import IngestError
from service.ingest.facts import Facts, Sniffed
from service.ingest.limits import IngestLimits
from service.ingest.readers import audio, rdf, tagging
from service.ingest.readers.containers import asf, chunked, flv, matroska, mp4, mpeg, ogg
from service.ingest.readers.rdf import merged

_MEASURES = frozenset({"duration", "width", "sample_rate"})
Parsed = tuple[dict[str, Any], dict[str, list[str]], list[bytes]]
"""Leaves of ``metadata``, texts by fact (see ``tagging``), XMP packets."""


def read(path: Path, sniffed: Sniffed, filename: str, limits: IngestLimits) -> Facts:
    """Return the facts of a film or a sound.

    ``width`` and ``height`` are those of the stored frames (pixels), ``orientation`` (1 to 8, as in EXIF) says how they
    are turned to be shown; ``frame_rate`` and ``sample_rate`` in hertz, ``duration`` in seconds. A file whose container
    makes sense is kept if Mutagen does not read it, with a warning. Raises IngestError (``malformed``).
    """
    facts = container(path, sniffed.format, filename, limits)
    if sniffed.format in audio.READERS:
        try:
            return _known(merged(facts, audio.tags(path, sniffed, filename, limits)))
        except IngestError as error:
            if error.reason != "unsupported" and not any(map(facts.metadata.get, _MEASURES)):
                raise
    elif facts.metadata:
        return facts
    facts = _known(facts)
    missing = "Not all of its tags were read" if facts.metadata else "No metadata was read"
    return replace(facts, warnings=(*facts.warnings, f"{missing}: {sniffed.format} files like this are not supported."))


def _known(facts: Facts) -> Facts:
    """Return the facts without leaves of ``metadata`` that a container says there are none of."""
    return replace(facts, metadata={name: value for name, value in facts.metadata.items() if value is not None})


def container(path: Path, name: str, filename: str, limits: IngestLimits) -> Facts:
    """Return the facts in the container of a recording of the format ``name``; none for one that has no parser."""
    parse = _PARSERS.get(name)
    if parse is None:
        return Facts()
    with path.open("rb") as source:
        size = source.seek(0, 2)
        source.seek(0)
        metadata, said, packets = parse(source, size)
    facts = merged(Facts(metadata=metadata), rdf.packet_facts(packets, filename, limits))
    # The device's own tags know best when and where; XMP is written later.
    told = tagging.facts(said, limits)
    return merged(
        merged(Facts(captured_at=told.captured_at, captured_kind=told.captured_kind, gps=told.gps), facts), told
    )


def _mp4(source: IO[bytes], size: int) -> Parsed:
    movie = mp4.read(source, size)
    return movie.metadata, movie.said, movie.xmp


def _matroska(source: IO[bytes], size: int) -> Parsed:
    film = matroska.read(source, size)
    return film.metadata, film.said, []


def _chunked(read: Callable[[IO[bytes], int], chunked.Chunks]) -> Callable[[IO[bytes], int], Parsed]:
    def parsed(source: IO[bytes], size: int) -> Parsed:
        found = read(source, size)
        return found.metadata, found.said, found.xmp

    return parsed


def _flv(source: IO[bytes], size: int) -> Parsed:
    metadata, said = flv.read(source, size)
    return metadata, said, []


def _asf(source: IO[bytes], size: int) -> Parsed:
    metadata, created = asf.read(source, size)
    return metadata, {"created": [created]} if created else {}, []


def _plain(parse: Callable[[IO[bytes], int], dict[str, Any]]) -> Callable[[IO[bytes], int], Parsed]:
    return lambda source, size: (parse(source, size), {}, [])


_PARSERS: dict[str, Callable[[IO[bytes], int], Parsed]] = {
    **dict.fromkeys(("mp4", "mov", "3gp", "m4a"), _mp4),
    **dict.fromkeys(("mkv", "webm", "mka", "weba"), _matroska),
    **dict.fromkeys(("avi", "wav"), _chunked(chunked.read)),
    "aiff": _chunked(chunked.read_aiff),
    **dict.fromkeys(("wmv", "wma"), _asf),
    "flv": _flv,
    "ogv": _plain(ogg.read),
    **dict.fromkeys(("mpg", "mpegts"), _plain(mpeg.read)),
}
