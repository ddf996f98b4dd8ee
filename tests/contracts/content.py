"""Content for the files suites, and how they read it back."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import pytest

from service.errors import NotFound
from service.ports.files import ByteRange, Files, original_key

MIB = 1024 * 1024
CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


async def stream(content: bytes, size: int = 60_000) -> AsyncIterator[bytes]:
    for first in range(0, len(content), size):
        yield content[first : first + size]


async def read(files: Files, key: str, byte_range: ByteRange | None = None) -> bytes:
    async with files.open(key, byte_range) as content:
        came = b"".join([chunk async for chunk in content])
        assert content.size == len(came)
        return came


async def absent(files: Files, content: bytes) -> None:
    key = original_key("org", hashlib.sha256(content).hexdigest())
    with pytest.raises(NotFound):
        await files.stat(key)
    with pytest.raises(NotFound):
        await read(files, key)
