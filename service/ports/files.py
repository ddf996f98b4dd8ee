"""The files port: content-addressed objects, written atomically."""

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
"""The age at which the remains of a failed put, or an upload that was never adopted, may be removed."""


FRESH_SECONDS = 900.0
"""The greatest age that an object may show after a put of content that already existed."""


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
    """Bytes ``first`` to ``last``, both inclusive, as in RFC 9110 §14; the caller checks that it is satisfiable."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Content:
    """An object, or a part of it, opened for reading: the number of bytes to come, and the bytes in chunks."""

    size: int
    chunks: AsyncIterator[bytes]

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return the chunks."""
        return self.chunks


class Incoming(Protocol):
    """Content being received: counted and hashed as it is written, and invisible to others until it is kept.

    There is one writer. After a read (:meth:`sha256`, :meth:`path`) or :meth:`keep`, nothing more may be written. Every
    method raises Unavailable.
    """

    async def write(self, chunk: bytes) -> None:
        """Append a chunk. Exceeding the limit raises TooLarge, from this call or from a later call of any method."""
        ...

    async def sha256(self) -> str:
        """Return the hash of everything written so far, as 64 lower-case hex digits."""
        ...

    async def path(self) -> Path:
        """Return a local file with the whole content, valid until it is kept or discarded. It must not be modified."""
        ...

    async def keep(self, space: str, *, expected_sha256: str | None = None) -> Put:
        """Store the content once, as :meth:`Files.put`. Raises InvalidInput (hash mismatch), then keeps nothing."""
        ...


class Files(Protocol):
    """Content-addressed objects.

    Originals live in one name space per organization (``space``), under their sha256: equal content is stored once per
    organization, and no organization can find out what another one holds. Derived objects (renditions) live under a key
    that the caller builds with :func:`derived_key`. A space, and each part of a key, consists of letters, digits and
    ``_ . -`` and starts with a letter, digit or ``_``; anything else raises InvalidInput.

    What clients upload directly to the engine is *staged* first, under a space and name that nothing else can read, and
    then adopted: the hash is computed from the very bytes that are kept.

    Writes are atomic and durable: a failed put leaves no readable object, and a put that returned survives a crash.
    Content that already exists may not be sent again, but it counts as new: after a put, its ``modified`` time is at
    most :data:`FRESH_SECONDS` ago, so that garbage collection does not remove what is about to be referenced. Every
    method raises Unavailable when the engine does not answer or its disk fails, and StorageFull when the disk is full.
    """

    def receive(self, *, limit: int | None = None) -> AbstractAsyncContextManager[Incoming]:
        """Receive content of at most ``limit`` bytes, in constant memory, before it is known whether it will be kept.

        Content that was not kept is discarded when the context ends.
        """
        ...

    async def put(
        self, space: str, stream: AsyncIterator[bytes], *, expected_sha256: str | None = None, limit: int | None = None
    ) -> Put:
        """Store the stream, in constant memory.

        Raises InvalidInput (hash mismatch), TooLarge (more than ``limit`` bytes) and whatever the stream raises; then
        nothing is kept.
        """
        ...

    async def put_path(self, space: str, path: Path, *, limit: int | None = None) -> Put:
        """Store a local file by streaming it; used to import a folder. The file itself is left in place.

        Raises InvalidInput (no readable regular file at ``path``) and TooLarge (more than ``limit`` bytes).
        """
        ...

    async def put_derived(self, key: str, content: bytes) -> Stat:
        """Store a derived object, atomically replacing an older one."""
        ...

    def open(self, key: str, byte_range: ByteRange | None = None) -> AbstractAsyncContextManager[Content]:
        """Stream an object or a part of it in chunks of at most 1 MiB. Raises NotFound on entry."""
        ...

    def local_path(self, key: str) -> AbstractAsyncContextManager[str]:
        """Provide a readable local path to the object while the context lasts (for a worker process to read).

        Raises NotFound on entry. The file must not be modified.
        """
        ...

    async def stat(self, key: str) -> Stat:
        """Return the object's size and modification time. Raises NotFound."""
        ...

    async def delete(self, key: str) -> bool:
        """Delete the object and everything derived from it; return True if it existed."""
        ...

    async def stage(self, space: str, upload: str, stream: AsyncIterator[bytes], *, limit: int | None = None) -> int:
        """Store the stream as the staged upload of this name, replacing an older one; return its size in bytes.

        The service calls this when :meth:`signed_put` returned None and the client uploads to the service instead.
        Raises TooLarge (more than ``limit`` bytes) and whatever the stream raises; then the previous stage is kept.
        """
        ...

    async def signed_put(self, space: str, upload: str, *, seconds: int) -> str | None:
        """Return a presigned URL to which a client without an API key may PUT the staged upload of this name.

        The URL is valid for ``seconds``, at most seven days. None means that clients cannot reach the engine: receive
        the bytes and :meth:`stage` them. The engine limits neither the size nor the number of these PUTs: :meth:`adopt`
        checks what arrived.
        """
        ...

    async def signed_get(
        self, key: str, *, seconds: int, filename: str, mime_type: str, attachment: bool
    ) -> str | None:
        """Return a presigned URL from which a client without an API key may GET an object under this name and type.

        The URL is valid for ``seconds``, at most seven days. None means that clients cannot reach the engine:
        :meth:`open` the object and serve it. The engine sends no Content-Security-Policy, so anything that can contain
        a script (SVG, HTML, XML …) must be an ``attachment``. Whether the object exists is not checked.
        """
        ...

    async def adopt(
        self, space: str, upload: str, *, expected_sha256: str | None = None, limit: int | None = None
    ) -> Put:
        """Store a staged upload by its content, as :meth:`put` does, and drop the stage.

        Raises NotFound (nothing is staged under this name), InvalidInput (hash mismatch) and TooLarge; the last two
        drop the stage too. After Unavailable the stage is still there, and the call may be repeated.
        """
        ...

    async def sweep(self, older_than: float = STALE_SECONDS) -> int:
        """Remove the remains of failed puts, and staged uploads, older than ``older_than`` seconds; return how many.

        The service calls it at startup and every few hours; several processes may do so at the same time.
        """
        ...

    async def ping(self) -> Mapping[str, Any]:
        """Return {"engine", "free_bytes" (or None)} after a real round trip. Raises Unavailable."""
        ...

    async def close(self) -> None:
        """Release the engine. Safe to call twice."""
        ...


_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


def check_key(key: str) -> str:
    """Return the key or space unchanged. Raises InvalidInput when it is not valid (see :class:`Files`)."""
    if len(key) > 512 or not all(_PART.fullmatch(part) for part in key.split("/")):
        raise InvalidInput(
            "Use only letters, digits, _, . and - in the parts of a file key, separated by /.", provided=key[:80]
        )
    return key


def space_of(org_id: str) -> str:
    """Return the name space of an organization: its id if that is a valid key part, else one derived from its hash."""
    return org_id if _PART.fullmatch(org_id) else f"org.{hashlib.sha256(org_id.encode()).hexdigest()}"


def original_key(space: str, sha256: str) -> str:
    """Return the key of an original: ``<space>/<ab>/<sha256>``."""
    return f"{space}/{sha256[:2]}/{sha256}"


def derived_key(original: str, name: str) -> str:
    """Return the key of an object derived from an original: ``<original>.d/<name>``."""
    return f"{original}.d/{name}"


def staged_name(space: str, upload: str) -> str:
    """Return ``<space>/<upload>``. Raises InvalidInput, also when ``upload`` has more than one part."""
    if "/" in upload:
        raise InvalidInput("An upload's name must not contain a slash (/).", provided=upload[:80])
    return f"{check_key(space)}/{check_key(upload)}"


def check_sha256(sha256: str, expected: str | None) -> None:
    """Raise InvalidInput unless the content's hash is the expected one, ignoring case; None accepts any hash."""
    if expected is not None and expected.lower() != sha256:
        raise InvalidInput(
            f"The content's sha256 is {sha256}, but {expected[:64]} was expected. Send the content again.",
            field="sha256",
            provided=expected[:64],
        )


_DECEPTIVE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Controls, among them those that turn text round: ``photo<U+202E>gpj.exe`` shows as ``photoexe.jpg`` (UTR 36)."""


def disposition(filename: str, *, inline: bool) -> str:
    """Return a Content-Disposition value (RFC 6266): an ASCII name for old clients, and the real one for all others."""
    kind = "inline" if inline else "attachment"
    filename = _DECEPTIVE.sub("_", filename)
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in filename)
    extended = "" if plain == filename else f"; filename*=UTF-8''{quote(filename, safe='')}"
    return f'{kind}; filename="{plain}"{extended}'
