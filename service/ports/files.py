"""The files port: content by its hash, whole or nothing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from service.errors import InvalidInput

STALE_SECONDS = 86_400.0
"""The age at which what a broken put left, or an upload that nobody adopted, is a leftover."""


FRESH_SECONDS = 900.0
"""How old an object that was just put may seem, because equal content was there."""


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


@dataclass(frozen=True, slots=True)
class Content:
    """An object or a part of it that is being read: the bytes that will come, and they themselves in chunks."""

    size: int
    chunks: AsyncIterator[bytes]

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return the chunks."""
        return self.chunks


class Incoming(Protocol):
    """Content on its way in: counted and hashed while it is written, seen by nobody else until it is kept.

    One writer; nothing is written once it was read (:meth:`sha256`, :meth:`path`) or kept. Every method raises
    Unavailable.
    """

    async def write(self, chunk: bytes) -> None:
        """Append. Raises TooLarge past the limit, at this call or a later one of any method."""
        ...

    async def sha256(self) -> str:
        """Return the hash of everything that was written, 64 lower-case hex digits."""
        ...

    async def path(self) -> Path:
        """Return a local file that holds everything, until it is kept or let go. Nobody writes to it."""
        ...

    async def keep(self, space: str, *, expected_sha256: str | None = None) -> Put:
        """Store it, once, as :meth:`Files.put` does. Raises InvalidInput (the hash differs); then nothing is kept."""
        ...


class Files(Protocol):
    """Content-addressed objects.

    Originals live under a name space an organization (``space``) by their sha256, so that equal content of an
    organization is stored once and no organization can learn of another's; derived objects (renditions) live under a
    key that the caller builds with :func:`derived_key`. A space and each part of a key hold letters, digits and ``_ .
    -`` and start with a letter, digit or ``_``; anything else raises InvalidInput.

    What clients send past the service is *staged* first, under a space and a name that nothing else can read, and then
    adopted: its hash is of the very bytes that are kept.

    Whole or nothing: a broken put leaves no readable object, and a put that returned is durable. Content that is there
    already may not be sent again, but it counts as new: after a put it was ``modified`` at most :data:`FRESH_SECONDS`
    ago, by which who collects garbage knows that somebody is about to need it. Every method raises Unavailable when the
    engine does not answer or its disk is broken, and StorageFull when that is full.
    """

    def receive(self, *, limit: int | None = None) -> AbstractAsyncContextManager[Incoming]:
        """Take content of at most ``limit`` bytes, in flat memory, of which is not known yet whether it will be kept.

        What was not kept when the context ends is gone.
        """
        ...

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

    def open(self, key: str, byte_range: ByteRange | None = None) -> AbstractAsyncContextManager[Content]:
        """Stream an object or a part of it in chunks of at most 1 MiB. Raises NotFound on entry."""
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

    async def stage(self, space: str, upload: str, stream: AsyncIterator[bytes], *, limit: int | None = None) -> int:
        """Keep the stream as the staged upload of this name, in place of an older one; return its size in bytes.

        This is what the service calls when :meth:`signed_put` gave None and the client sends to the service instead.
        Raises TooLarge (past ``limit`` bytes) and whatever the stream raises; then what was staged before stays.
        """
        ...

    async def signed_put(self, space: str, upload: str, *, seconds: int) -> str | None:
        """Return a URL to which a client may PUT, without a key, what becomes the staged upload of this name.

        It is good for ``seconds``, seven days at most. None: clients cannot reach the engine; take the bytes and
        :meth:`stage` them. The engine bounds neither size nor number of such PUTs: :meth:`adopt` checks what came.
        """
        ...

    async def signed_get(
        self, key: str, *, seconds: int, filename: str, mime_type: str, attachment: bool
    ) -> str | None:
        """Return a URL from which a client may GET an object, without a key, under this name and media type.

        It is good for ``seconds``, seven days at most. None: clients cannot reach the engine; :meth:`open` the object
        and serve it. The engine sends no Content-Security-Policy: whatever can hold a script (SVG, HTML, XML …) must be
        an ``attachment``. That the object is there is not checked.
        """
        ...

    async def adopt(
        self, space: str, upload: str, *, expected_sha256: str | None = None, limit: int | None = None
    ) -> Put:
        """Store a staged upload by its content, as :meth:`put` does, and drop the stage.

        Raises NotFound (nothing is staged under the name), InvalidInput (the hash differs) and TooLarge; the last two
        drop the stage, too. After Unavailable it is there still, and the call may be repeated.
        """
        ...

    async def sweep(self, older_than: float = STALE_SECONDS) -> int:
        """Remove what broken puts and staged uploads left more than ``older_than`` seconds ago; return how many.

        Whoever serves calls it at start and every few hours; any number of processes may do so at once.
        """
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


def space_of(org_id: str) -> str:
    """Return the name space of an organization: its id where that is fit for a key, else one made of its hash."""
    return org_id if _PART.fullmatch(org_id) else f"org.{hashlib.sha256(org_id.encode()).hexdigest()}"


def original_key(space: str, sha256: str) -> str:
    """Return the key of an original: ``<space>/<ab>/<sha256>``."""
    return f"{space}/{sha256[:2]}/{sha256}"


def derived_key(original: str, name: str) -> str:
    """Return the key of what is derived from an original: ``<original>.d/<name>``."""
    return f"{original}.d/{name}"


def staged_name(space: str, upload: str) -> str:
    """Return ``<space>/<upload>``. Raises InvalidInput, also when ``upload`` is more than one part of a key."""
    if "/" in upload:
        raise InvalidInput("An upload's name holds no /.", provided=upload[:80])
    return f"{check_key(space)}/{check_key(upload)}"


def check_sha256(sha256: str, expected: str | None) -> None:
    """Raise InvalidInput unless the content's hash is the expected one, in either case; None expects nothing."""
    if expected is not None and expected.lower() != sha256:
        raise InvalidInput(
            f"The content's sha256 is {sha256}, not {expected[:64]}: send it again.",
            field="sha256",
            provided=expected[:64],
        )


def disposition(filename: str, *, inline: bool) -> str:
    """Return the Content-Disposition of RFC 6266: an ASCII name for old clients, the real one for the rest."""
    kind = "inline" if inline else "attachment"
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in filename)
    extended = "" if plain == filename else f"; filename*=UTF-8''{quote(filename, safe='')}"
    return f'{kind}; filename="{plain}"{extended}'
