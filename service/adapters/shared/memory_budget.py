"""Memory that all streams of one direction share: the more there are, the smaller their blocks."""

from __future__ import annotations

from types import TracebackType
from typing import Self

MOST, LEAST = 1024 * 1024, 64 * 1024
"""Bytes of a block: more is not faster, and with less a thread has little to do for each turn."""

_TOTAL = 64 * 1024 * 1024


class MemoryBudget:
    """How many bytes a stream may hold in one block, of which it may hold ``blocks`` at once.

    A client that is slow, or a player that is paused, holds its blocks for as long as it likes: a megabyte of each of a
    thousand would be all the memory there is. Enter it for each stream, on the event loop; read it from anywhere.
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
        """The bytes of a block now."""
        return max(LEAST, min(MOST, self._total // (self._blocks * max(1, self._open))))
