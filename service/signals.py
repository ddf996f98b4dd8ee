"""SIGINT and SIGTERM: the first asks a process to finish, the second ends it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

_FIRST = 1
"""The process of a container's command: the kernel lets no signal without a handler reach it."""

HANDLED = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stoppable() -> Iterator[asyncio.Event]:
    """Give an event that the first signal sets. From then on a signal does what it does to a process without handlers.

    So whoever will not wait for requests and jobs under way sends it again; what is half done is taken up by others, as
    after a crash. On the main thread's event loop only.
    """
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    before = {number: signal.getsignal(number) for number in HANDLED}

    def told() -> None:
        end_at_once(loop, HANDLED)
        asked.set()

    for number in HANDLED:
        loop.add_signal_handler(number, told)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def end_at_once(loop: asyncio.AbstractEventLoop, numbers: Iterable[signal.Signals]) -> None:
    """Have the next of these signals end the process instead of reaching the loop, also the first of a container."""
    for number in numbers:
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL if os.getpid() != _FIRST else _end)


def _end(number: int, _: FrameType | None) -> None:
    os._exit(128 + number)  # as a shell says that a signal ended a process
