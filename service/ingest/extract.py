"""From a file to its facts: detect the type, compare it with the name, then read by format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from service.errors import IngestError
from service.ingest.facts import Extracted, Facts, Sniffed
from service.ingest.formats import EXTENSIONS, MEDIA, SHARED
from service.ingest.guard import guarded
from service.ingest.limits import DEFAULT, IngestLimits
from service.ingest.readers import image, recording, svg
from service.ingest.readers.documents import office, pdf, text
from service.ingest.sniff import sniff
from service.ingest.truncation import check_truncation

Reader = Callable[[Path, Sniffed, str, IngestLimits], Facts]

# The reader of the format, otherwise of the type. A type without a reader (other) has only a size.
_BY_FORMAT: dict[str, Reader] = {
    "svg": lambda path, _, filename, limits: svg.read(path, filename, limits),
    "ole": office.read,
}
_BY_TYPE: dict[str, Reader] = {
    "image": image.read,
    "pdf": pdf.read,
    "audio": recording.read,
    "video": recording.read,
    "text": text.read,
    "link": text.read_link,
    "document": office.read,
}


def extract(path: Path, filename: str, limits: IngestLimits = DEFAULT) -> Extracted:
    """Return the type and the metadata of the file at ``path``; ``filename`` is its original name.

    Blocking, with bounded cost; meant for a worker process. ``metadata`` always has ``format`` and ``file_size``
    (bytes). Raises IngestError: ``mismatch`` (the name says image, audio, video or PDF, but the content is not media),
    ``malformed``, ``bomb``, ``limit``, ``memory``; OSError if the file cannot be opened.
    """
    with guarded("Reading the file", filename):
        sniffed = sniff(path, filename)
        check_claim(sniffed, filename)
        check_truncation(path, sniffed.format, filename)
        reader = _BY_FORMAT.get(sniffed.format) or _BY_TYPE.get(sniffed.type)
        facts = reader(path, sniffed, filename, limits) if reader else Facts()
        metadata = {"format": sniffed.format, "file_size": path.stat().st_size, **facts.metadata}
        return Extracted.of(sniffed, replace(facts, metadata=metadata))


def check_claim(sniffed: Sniffed, filename: str) -> None:
    """Raise IngestError (``mismatch``) if the name says media but the content is not media.

    A JPEG named ``.png`` is accepted as a JPEG; an HTML error page or an EPS named ``.png`` is a broken download.
    """
    extension = Path(filename).suffix.lstrip(".").lower()
    claimed = EXTENSIONS.get(extension)
    if claimed is None or extension in SHARED[claimed.name]:
        return
    if claimed.type in MEDIA and sniffed.type not in MEDIA:
        raise IngestError(
            f"The file name says {claimed.name}, but the content is {sniffed.mime_type}. "
            "The file is damaged or has the wrong extension; rename it if the content is correct.",
            reason="mismatch",
            filename=filename,
        )
