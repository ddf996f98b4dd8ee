"""The files port: content by its hash, whole or nothing."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from service.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Stat:
    """An object: its key, its size in bytes and when it was written (seconds since 1970, UTC)."""

    key: str
    size: int
    modified: float


@dataclass(frozen=True, slots=True)
class Put:
    """What a put stored: the content's sha256 (64 lower-case hex digits), md5, and size in bytes."""

    key: str
    sha256: str
    md5: str
    size: int


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes ``first`` to ``last``, both included, as in RFC 9110 §14; the caller has made it satisfiable."""

    first: int
    last: int


class Files(Protocol):
    """Content-addressed objects.

    Originals live under a name space an organization (``space``) by their sha256, so that equal content of an
    organization is stored once and no organization can learn of another's; derived objects (renditions) live under a
    key that the caller builds with :func:`derived_key`. A space and each part of a key hold letters, digits and ``_ .
    -`` and start with a letter, digit or ``_``; anything else raises InvalidInput.

    Whole or nothing: a broken put leaves no readable object, and a put that returned is durable. Every method raises
    Unavailable when the engine does not answer, or its disk is full or broken.
    """

    async def put(
        self, space: str, stream: AsyncIterator[bytes], *, expected_sha256: str | None = None, limit: int | None = None
    ) -> Put:
        """Store the stream in flat memory.

        Raises InvalidInput (the hash differs), TooLarge (past ``limit`` bytes) and whatever the stream raises; then
        nothing is kept.
        """
        ...

    async def put_path(self, space: str, path: Path, *, limit: int | None = None) -> Put:
        """Store a local file, streaming it: what an import of a folder calls. The file stays where it is.

        Raises InvalidInput (there is no readable regular file at ``path``), TooLarge (past ``limit`` bytes).
        """
        ...

    async def put_derived(self, key: str, content: bytes) -> Stat:
        """Store a derived object, replacing an older one in one step."""
        ...

    def open(self, key: str, byte_range: ByteRange | None = None) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Stream an object or a part of it in chunks of at most 256 KiB. Raises NotFound on entry."""
        ...

    def local_path(self, key: str) -> AbstractAsyncContextManager[str]:
        """Give a readable local path to the object while the context lasts (a worker process reads it).

        Raises NotFound on entry. Nobody writes to the path.
        """
        ...

    async def stat(self, key: str) -> Stat:
        """Return the object's size and time. Raises NotFound."""
        ...

    async def delete(self, key: str) -> bool:
        """Delete the object; True if there was one. What was derived from it is deleted with it."""
        ...

    async def ping(self) -> Mapping[str, Any]:
        """Return {"engine", "free_bytes" (or None)} after a real round trip. Raises Unavailable."""
        ...

    async def close(self) -> None:
        """Let go of the engine. Safe to call twice."""
        ...


_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


def check_key(key: str) -> str:
    """Return ``key``, or a space. Raises InvalidInput when it is not of the form that :class:`Files` says."""
    if len(key) > 512 or not all(_PART.fullmatch(part) for part in key.split("/")):
        raise InvalidInput("A file's key is names of letters, digits and _ . - with / between.", provided=key[:80])
    return key


def original_key(space: str, sha256: str) -> str:
    """Return the key of an original: ``<space>/<ab>/<sha256>``."""
    return f"{space}/{sha256[:2]}/{sha256}"


def derived_key(original: str, name: str) -> str:
    """Return the key of what is derived from an original: ``<original>.d/<name>``."""
    return f"{original}.d/{name}"
