"""Lists in pages: how a page is asked for, and how a dialect shows one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from service.api.kernel.inputs import Params

MAX_CURSOR = 16_384
"""Characters of a cursor at most: that of a search holds the engine's own id of a point in time, which is long."""


class CursorParams(Params):
    """The page of a list, by a cursor."""

    limit: Annotated[int, Field(ge=1, le=100, description="Number of results, at most 100.")] = 20
    cursor: Annotated[
        str | None,
        Field(description="`next_cursor` of the page before; unset or `*`: the first page.", max_length=MAX_CURSOR),
    ] = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list: its items, how many were asked for, how many there are in all, and where the next one begins.

    ``total`` is None where nobody counts, ``next_cursor`` None on the last page; ``offset`` is for lists by number.
    """

    items: Sequence[Any]
    limit: int
    total: int | None = None
    next_cursor: str | None = None
    offset: int = 0


PageStyle = Callable[[str, Page], tuple[Any, Mapping[str, str]]]
"""Shows a page of things by their name: the body of the answer, and headers."""


def cursor_pages(name: str, page: Page) -> tuple[Any, Mapping[str, str]]:
    """Show a page as an object with ``total_count``, ``limit`` and, until the last one, ``next_cursor``."""
    body: dict[str, Any] = {name: page.items}
    if page.total is not None:
        body["total_count"] = page.total
    body["limit"] = page.limit
    if page.next_cursor is not None:
        body["next_cursor"] = page.next_cursor
    return body, {}
