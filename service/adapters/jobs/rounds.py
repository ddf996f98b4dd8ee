"""A step that is done again and again: at once when there is news, else after a pause."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from service.broadcast_event import BroadcastEvent, wait
from service.errors import Unavailable

log = logging.getLogger(__name__)


class PollingLoop:
    """Repeats ``step``, which returns the seconds until it may have more to do. It outlives whatever goes wrong."""

    def __init__(self, step: Callable[[], Awaitable[float]], pause: float) -> None:
        self._step = step
        self._pause = pause  # after a step that failed, in seconds
        self._news = BroadcastEvent()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._task is not None

    @property
    def stopping(self) -> bool:
        """Whether a step under way should come to its end."""
        return self._stopping

    def wake(self) -> None:
        """Do a round now, or once more after the one under way."""
        self._news.set()

    def start(self) -> None:
        """Begin. Safe to call twice."""
        if self._task is None:
            self._stopping = False
            self._task = asyncio.create_task(self._run(), name="assetry-jobs")

    async def stop(self) -> None:
        """Return when the step under way has ended: cancelled, it could leave a claim without its run."""
        if self._task is not None:
            task, self._task = self._task, None
            self._stopping = True
            self._news.set()
            await task

    async def _run(self) -> None:
        while not self._stopping:
            news = self._news.next()
            pause = self._pause
            try:
                pause = await self._step()
            except Unavailable as error:
                log.warning("the queue cannot be read: %s", error.message)
            except Exception:  # a fault in one round must not stop all work for good
                log.exception("the queue cannot be worked on")
            await wait(news, pause)
