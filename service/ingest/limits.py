"""Resource limits for reading files, as one documented table that every reader takes as an argument."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

KIB = 1024
MIB = 1024 * KIB


def _limit(default: Any, unit: str, doc: str) -> Any:
    return field(default=default, metadata={"unit": unit, "doc": doc})


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestLimits:
    """The limits of one worker; an :class:`service.errors.IngestError` names the limit that was exceeded."""

    task_seconds: float = _limit(
        30.0, "seconds", "Wall-clock time of one extraction, after which its process is killed."
    )
    rendition_seconds: float = _limit(10.0, "seconds", "Wall-clock time of one rendition, likewise.")
    drawing_seconds: float = _limit(
        4.0, "seconds", "Wall-clock time of the rendition of an SVG, a few bytes of which can ask for hours of work."
    )
    memory_bytes: int = _limit(
        1024 * MIB, "bytes", "Address space of a worker process (RLIMIT_AS); less where the container gives less."
    )
    workers: int = _limit(2, "processes", "Worker processes per service.")
    queue: int = _limit(64, "tasks", "Tasks waiting or running; further callers wait in their own coroutine.")
    tasks_per_worker: int = _limit(
        1000, "tasks", "Tasks after which a worker is replaced, which bounds memory leaks in parsers."
    )
    image_pixels: int = _limit(
        200_000_000, "pixels", "Width times height of an image, from its header; larger ones are treated as bombs."
    )
    xml_bytes: int = _limit(64 * MIB, "bytes", "Size of an SVG or XMP document.")
    xml_depth: int = _limit(256, "levels", "Nesting of an SVG or XMP document.")
    entity_chars: int = _limit(
        256, "characters", "Length of an internal XML entity; nested and external entities are rejected."
    )
    pdf_pages: int = _limit(500, "pages", "Pages of a PDF whose words are counted.")
    pdf_seconds: float = _limit(8.0, "seconds", "Time for counting the words of a PDF.")
    text_bytes: int = _limit(64 * MIB, "bytes", "Part of a text in which words are counted.")
    title_chars: int = _limit(500, "characters", "Length of a title; longer ones are truncated.")
    text_chars: int = _limit(10_000, "characters", "Length of a description or prompt; longer ones are truncated.")
    value_chars: int = _limit(
        2_000,
        "characters",
        "Length of an EXIF, IPTC or XMP value; longer ones are truncated (Lucene rejects terms over 32,766 bytes).",
    )
    values: int = _limit(
        400, "entries", "Entries in each of the exif, iptc and xmp objects, and items of a list in them."
    )
    tags: int = _limit(1000, "tags", "Keywords taken from one file.")
    tag_chars: int = _limit(256, "characters", "Length of a keyword; longer ones are truncated.")


DEFAULT = IngestLimits()

LEAST_MEMORY = 256 * MIB
"""Bytes that a worker needs for ordinary files: with less for all of them there are fewer workers."""


def sized(limits: IngestLimits, *, workers: int, memory: int) -> IngestLimits:
    """Return limits whose workers together, at most ``workers``, use at most ``memory`` bytes."""
    count = max(1, min(workers, memory // LEAST_MEMORY))
    return replace(limits, workers=count, memory_bytes=min(limits.memory_bytes, max(LEAST_MEMORY, memory // count)))


def table() -> Iterator[tuple[str, object, str, str]]:
    """Yield each limit as (name, default, unit, doc), in order."""
    for row in fields(IngestLimits):
        yield row.name, row.default, row.metadata["unit"], row.metadata["doc"]
