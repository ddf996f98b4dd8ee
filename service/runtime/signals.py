"""SIGINT and SIGTERM: the first asks a process to finish, a later one ends it immediately."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_FIRST = 1
"""The process id of a container's command, to which the kernel delivers only signals that have a handler."""

HANDLED = (signal.SIGINT, signal.SIGTERM)

SAME_SECONDS = 0.5
"""Signals that arrive this soon after the first are treated as duplicates.

Many senders (``timeout``, a terminal) deliver one signal twice: to a process and to its process group.
"""


@contextmanager
def stoppable() -> Iterator[asyncio.Event]:
    """Yield an event that the first signal sets. A later signal ends the process immediately.

    So a second signal skips waiting for running requests and jobs; other processes take over unfinished work, as after
    a crash. Only for the event loop of the main thread.
    """
    asked = asyncio.Event()
    before = {number: signal.getsignal(number) for number in HANDLED}
    end = listen(asked.set, HANDLED)
    try:
        yield asked
    finally:
        end()
        for number, handler in before.items():
            signal.signal(number, handler)


def listen(callback: Callable[[], object], numbers: Collection[signal.Signals]) -> Callable[[], None]:
    """Call ``callback()`` on the first of these signals; return a function that stops listening.

    Signals within :data:`SAME_SECONDS` of the first are ignored; later ones end the process immediately.
    """
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []

    def first() -> None:
        if not timers:
            timers.append(loop.call_later(SAME_SECONDS, restore_default))
            callback()

    def restore_default() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL if os.getpid() != _FIRST else _end)

    def end() -> None:
        for timer in timers:
            timer.cancel()
        with suppress(NotImplementedError):
            for number in numbers:
                loop.remove_signal_handler(number)

    with suppress(NotImplementedError):  # not available on Windows
        for number in numbers:
            loop.add_signal_handler(number, first)
    return end


def _end(number: int, _: FrameType | None) -> None:
    os._exit(128 + number)  # the exit status by which shells report a signal
