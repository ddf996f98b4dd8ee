"""What a file may cost, as one described table: docs are generated from it, every reader takes it as an argument."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

KIB = 1024
MIB = 1024 * KIB


def _limit(default: Any, unit: str, doc: str) -> Any:
    return field(default=default, metadata={"unit": unit, "doc": doc})


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestLimits:
    """The limits of one worker; past one, :class:`service.errors.IngestError` names it."""

    task_seconds: float = _limit(
        30.0, "seconds", "Wall clock of one extraction or rendition; then its process is killed."
    )
    memory_bytes: int = _limit(2048 * MIB, "bytes", "Address space of a worker process (RLIMIT_AS).")
    workers: int = _limit(2, "processes", "Worker processes of one service.")
    queue: int = _limit(64, "tasks", "Tasks that wait or run; further callers wait in their own coroutine.")
    tasks_per_worker: int = _limit(
        1000, "tasks", "Tasks after which a worker is replaced, so that a leak in a parser ends."
    )
    image_pixels: int = _limit(
        200_000_000, "pixels", "Width times height of a picture, from its header: a larger one is a bomb."
    )
    xml_bytes: int = _limit(64 * MIB, "bytes", "An SVG or XMP document.")
    xml_depth: int = _limit(256, "levels", "Nesting of an SVG or XMP document.")
    entity_chars: int = _limit(
        256, "characters", "The value of an internal XML entity; nested and external ones are refused."
    )
    pdf_pages: int = _limit(500, "pages", "Pages of a PDF whose words are counted.")
    pdf_seconds: float = _limit(8.0, "seconds", "Time for counting the words of a PDF.")
    text_bytes: int = _limit(64 * MIB, "bytes", "The part of a text whose words are counted.")
    title_chars: int = _limit(500, "characters", "A title; a longer one is cut.")
    text_chars: int = _limit(10_000, "characters", "A description, a prompt; a longer one is cut.")
    value_chars: int = _limit(
        2_000,
        "characters",
        "One EXIF, IPTC or XMP value; a longer one is cut (the index refuses terms over 32,766 bytes).",
    )
    values: int = _limit(
        400, "entries", "Entries of one of the exif, iptc and xmp objects, and items of a list in them."
    )
    tags: int = _limit(1000, "tags", "Keywords taken from one file.")
    tag_chars: int = _limit(256, "characters", "One keyword; a longer one is cut.")


DEFAULT = IngestLimits()


def table() -> Iterator[tuple[str, object, str, str]]:
    """Each limit as (name, default, unit, doc), in order."""
    for row in fields(IngestLimits):
        yield row.name, row.default, row.metadata["unit"], row.metadata["doc"]
