"""The ingest port: the metadata of a file, and thumbnails of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol


class Facts(Protocol):
    """What was read from a file's content. Texts are clean (no NUL, no lone surrogates); times are RFC 3339."""

    @property
    def type(self) -> str:
        """The asset type: image, video, audio, text, pdf, document or other."""
        ...

    @property
    def mime_type(self) -> str:
        """The media type, detected from the content."""
        ...

    @property
    def ext(self) -> str:
        """The usual file name extension of that type, without the dot."""
        ...

    @property
    def title(self) -> str | None:
        """The title stored in the file."""
        ...

    @property
    def description(self) -> str | None:
        """The description stored in the file."""
        ...

    @property
    def creator(self) -> Sequence[str]:
        """The people who created it."""
        ...

    @property
    def tags(self) -> Sequence[str]:
        """Its keywords."""
        ...

    @property
    def people(self) -> Sequence[str]:
        """The names of those who are shown."""
        ...

    @property
    def taxonomy(self) -> Sequence[str]:
        """Its keywords that are part of a hierarchy, each a path of levels separated by ``/``."""
        ...

    @property
    def license(self) -> str | None:
        """Its licence, as a name or a URL."""
        ...

    @property
    def credit(self) -> str | None:
        """Its credit line."""
        ...

    @property
    def captured_at(self) -> str | None:
        """When it was taken or recorded."""
        ...

    @property
    def rating(self) -> int | None:
        """Its rating, 0 to 5."""
        ...

    @property
    def gps(self) -> dict[str, float] | None:
        """Where it was captured: {lat, lon} in degrees."""
        ...

    @property
    def metadata(self) -> dict[str, Any]:
        """The fields of ``metadata`` (see ``mappings``), including ``exif``, ``iptc`` and ``xmp``."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """Messages about what could not be read."""
        ...


class Picture(Protocol):
    """An encoded picture."""

    @property
    def content(self) -> bytes:
        """The file's bytes."""
        ...

    @property
    def mime_type(self) -> str:
        """image/jpeg or image/webp."""
        ...


class MetadataExtractor(Protocol):
    """Reads files in worker processes, with limits on time, memory and pixels.

    ``org_id`` says whose work it is: organizations have their turns at the workers.
    """

    async def extract(self, path: Path, filename: str, *, org_id: str = "") -> Facts:
        """Return the file's metadata. Raises IngestError (malformed, too large …), OSError and TooManyRequests."""
        ...

    async def thumbnail(self, path: Path, filename: str, name: str, size: int = 512, *, org_id: str = "") -> Picture:
        """Return a picture of a file of the format ``name``, at most ``size`` pixels a side. Raises as extract."""
        ...
