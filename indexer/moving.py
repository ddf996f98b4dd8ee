"""A value that moves on, and those who wait for it to come far enough."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Moving:
    """The token up to which something is done. None: nothing is known."""

    def __init__(self) -> None:
        self._token: str | None = None
        self._moved = asyncio.Event()
        self.waiting = 0

    @property
    def token(self) -> str | None:
        """Where it stands."""
        return self._token

    def move(self, token: str | None) -> None:
        """Put it somewhere else, and wake those who wait."""
        self._token = token
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def reach(self, passed: Callable[[str], bool]) -> None:
        """Return once ``passed(token)``. Raises what that raises."""
        self.waiting += 1
        try:
            while self._token is None or not passed(self._token):
                await self._moved.wait()
        finally:
            self.waiting -= 1
