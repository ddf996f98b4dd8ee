"""SIGINT and SIGTERM: the first asks a process to finish, a later one ends it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_FIRST = 1
"""The process of a container's command: the kernel lets no signal without a handler reach it."""

HANDLED = (signal.SIGINT, signal.SIGTERM)

SAME_SECONDS = 0.5
"""Signals that come so soon after the first are the same one.

Many senders (``timeout``, a terminal and what runs in it) give one signal twice: to a process and to its group.
"""


@contextmanager
def stoppable() -> Iterator[asyncio.Event]:
    """Give an event that the first signal sets. A later one does what it does to a process without handlers.

    So whoever will not wait for requests and jobs under way sends it again; what is half done is taken up by others, as
    after a crash. On the main thread's event loop only.
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


def listen(told: Callable[[], object], numbers: Collection[signal.Signals]) -> Callable[[], None]:
    """Call ``told()`` at the first of these signals, until what is returned is called, or the running loop is closed.

    What comes within :data:`SAME_SECONDS` of it is nothing; from then on a signal ends the process at once.
    """
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []

    def first() -> None:
        if not timers:
            timers.append(loop.call_later(SAME_SECONDS, give_back))
            told()

    def give_back() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL if os.getpid() != _FIRST else _end)

    def end() -> None:
        for timer in timers:
            timer.cancel()
        with suppress(NotImplementedError):
            for number in numbers:
                loop.remove_signal_handler(number)

    with suppress(NotImplementedError):  # Windows has none
        for number in numbers:
            loop.add_signal_handler(number, first)
    return end


def _end(number: int, _: FrameType | None) -> None:
    os._exit(128 + number)  # as a shell says that a signal ended a process
