"""Memory shared by all streams of one direction: the more streams there are, the smaller their blocks."""

from __future__ import annotations

from types import TracebackType
from typing import Self

MOST, LEAST = 1024 * 1024, 64 * 1024
"""Bytes per block: larger ones are not faster, and smaller ones cost too many calls into a thread."""

_TOTAL = 64 * 1024 * 1024


class MemoryBudget:
    """How many bytes a stream may hold in one block; it may hold ``blocks`` of them at a time.

    A slow client, or a paused player, holds its blocks for as long as it likes: one megabyte for each of a thousand
    streams would use up all memory. Enter it for each stream, on the event loop; read it from any thread.
    """

    def __init__(self, blocks: int, total: int = _TOTAL) -> None:
        self._blocks = blocks
        self._total = total
        self._open = 0

    def __enter__(self) -> Self:
        self._open += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open -= 1

    @property
    def block(self) -> int:
        """The current size of a block, in bytes."""
        return max(LEAST, min(MOST, self._total // (self._blocks * max(1, self._open))))
