"""An object in a folder that is being read."""

from __future__ import annotations

import os
from pathlib import Path

from service.adapters.shared.memory_budget import MemoryBudget
from service.errors import NotFound
from service.ports.files import ByteRange


class ObjectReader:
    """Reads a file, or a part of it, block by block. Every method blocks and may raise OSError.

    The first block is read at once; a file no longer than that is closed by then. ``size`` is the number of bytes to
    come.
    """

    def __init__(self, path: Path, key: str, byte_range: ByteRange | None, budget: MemoryBudget) -> None:
        self._budget = budget
        try:
            self._file = path.open("rb", buffering=0)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFound("file", key) from None
        try:
            if byte_range is None:
                self.size = os.fstat(self._file.fileno()).st_size
            else:
                self.size = byte_range.last - byte_range.first + 1
                self._file.seek(byte_range.first)
            self._left = self.size
            self._first = self.read()
        except OSError:
            self.close()
            raise

    def take_first_block(self) -> bytes:
        """Return the first block, and release it."""
        first, self._first = self._first, b""
        return first

    @property
    def closed(self) -> bool:
        """Whether everything was read, or the file was closed."""
        return self._file.closed

    def read(self) -> bytes:
        """Return the next block; empty at the end."""
        block = self._file.read(min(self._budget.block, self._left)) or b""
        self._left -= len(block)
        if not block or not self._left:
            self.close()
        return block

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        self._file.close()
