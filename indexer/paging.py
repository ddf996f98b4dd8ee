"""How many records to read at once, so that a page fits in memory whatever the records weigh."""

from __future__ import annotations

FIRST = 50
"""Records in the first page at most: how heavy they are is not known before."""


class PageSize:
    """A count for the next page: at most ``count``, and fewer where the records seen last were heavy.

    A store pages by count alone. The average of the last page decides, and a page at most doubles the one before, so
    that a few light records among heavy ones do not open the flood.
    """

    def __init__(self, count: int, size: int) -> None:
        self._count = count
        self._size = size
        self._next = min(count, FIRST)

    @property
    def next(self) -> int:
        """Records to read with the next page."""
        return self._next

    def seen(self, records: int, size: int) -> None:
        """Note that a page of so many records made so many bytes of documents."""
        if records == 0:
            return
        fitting = max(1, self._size * records // max(size, 1))
        self._next = min(self._count, fitting, self._next * 2)
