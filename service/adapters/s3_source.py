"""A local file as a stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from service.adapters.s3_options import MIB
from service.adapters.s3_threads import Threads
from service.errors import InvalidInput


async def pieces(path: Path, threads: Threads) -> AsyncIterator[bytes]:
    """Give the bytes of a regular file, a MiB at a time. Raises InvalidInput when it is none, or can not be read."""
    file = await threads.run(_open, path)
    try:
        while piece := await threads.run(_read, file, path):
            yield piece
    finally:
        file.close()


def _open(path: Path) -> BinaryIO:
    try:
        if path.is_file():
            return path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error
    raise InvalidInput(f"{path} is not a file.", field="path")


def _read(file: BinaryIO, path: Path) -> bytes:
    try:
        return file.read(MIB)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> InvalidInput:
    return InvalidInput(f"{path} can not be read: {error.strerror}.", field="path")
