"""Members of a zipped document: found by any spelling of their names, unpacked in bounded memory."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element

from service.errors import IngestError
from service.ingest.limits import MIB, IngestLimits
from service.ingest.readers.markup import parse_bytes

MAX_MEMBER: Final = 2 * MIB
"""Bytes that a member with properties may unpack to; legitimate ones are far smaller."""

MAX_DIRECTORY: Final = 16 * MIB
"""Bytes of an archive's directory, which is read as a whole: ten times as many when it is objects."""

_ENCRYPTED = 0x1  # general purpose bit 0 (APPNOTE 4.4.4)
_END = b"PK\x05\x06"  # end of central directory record (APPNOTE 4.3.16)


class UnreadableMember(Exception):
    """A member cannot be unpacked although the archive is whole: it has a password, or an unknown compression."""


@dataclass(frozen=True, slots=True)
class Archive:
    """An open archive. Names are compared with forward slashes and without case, as office programs do."""

    zip: zipfile.ZipFile
    filename: str
    names: Mapping[str, zipfile.ZipInfo]
    problems: list[str] = field(default_factory=list)
    """Sentences about members that were ignored."""

    def tree(self, name: str, limits: IngestLimits) -> Element | None:
        """Return the root of a member that is XML, None if there is none.

        Since a document is more than its properties, one that is not well-formed is a problem and no error. Raises
        UnreadableMember, and IngestError (``bomb``, ``limit``).
        """
        content = self.read(name)
        if content is None or not content.strip():
            return None
        try:
            return parse_bytes(content, self.filename, limits)
        except IngestError as error:
            if error.reason != "malformed":
                raise
            self.problems.append(f"{name} was ignored: {error.message}")
            return None

    def read(self, name: str) -> bytes | None:
        """Return a member, None if there is none.

        Raises UnreadableMember, and IngestError (``bomb``) if it unpacks to more than ``MAX_MEMBER`` bytes.
        """
        entry = self.names.get(_plain(name))
        if entry is None:
            return None
        if entry.flag_bits & _ENCRYPTED:
            raise UnreadableMember(f"{name} is password-protected")
        try:
            with self.zip.open(entry) as source:
                content = source.read(MAX_MEMBER + 1)
        except NotImplementedError as error:
            raise UnreadableMember(f"{name} is compressed by a method that is not supported") from error
        if len(content) > MAX_MEMBER:
            raise IngestError(
                f"The document was rejected: {name} unpacks to more than {MAX_MEMBER} bytes.",
                reason="bomb",
                filename=self.filename,
            )
        return content


@contextmanager
def opened(path: Path, filename: str) -> Iterator[Archive]:
    """Open a zipped document. Raises IngestError: ``malformed``; ``limit`` (more than ``MAX_DIRECTORY``)."""
    _check_directory(path, filename)
    try:
        with zipfile.ZipFile(path) as archive:
            yield Archive(archive, filename, {_plain(entry.filename): entry for entry in archive.infolist()})
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, EOFError) as error:
        raise IngestError(
            "The document is damaged: its archive cannot be read.", reason="malformed", filename=filename
        ) from error


def _check_directory(path: Path, filename: str) -> None:
    """Read the size of the directory at the end of the file; Zip64's is the distance that is left for it."""
    size = path.stat().st_size
    with path.open("rb") as source:
        source.seek(max(0, size - 65_557))  # the record, and a comment of the greatest length
        tail = source.read()
    at = tail.rfind(_END)
    if at < 0:
        return  # zipfile says what is wrong
    length = int.from_bytes(tail[at + 12 : at + 16], "little")
    if length == 0xFFFFFFFF:
        length = size
    if length > MAX_DIRECTORY:
        raise IngestError(
            f"The document was rejected: the directory of its archive has more than {MAX_DIRECTORY} bytes.",
            reason="limit",
            filename=filename,
        )


def _plain(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()
