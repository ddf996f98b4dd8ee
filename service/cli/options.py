"""Options shared by the commands, and how commands are run."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from service.runtime.signals import HANDLED, listen

T = TypeVar("T")

Data = Annotated[Path | None, typer.Option(help="Data folder. [env: ASSETRY_DATA; default: assetry-data]")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bar.")]
Host = Annotated[str | None, typer.Option(help="Address to listen on. [env: ASSETRY_HOST; default: 127.0.0.1]")]
OpsPort = Annotated[
    int | None,
    typer.Option(
        "--port",
        help="Port for /healthz, /readyz and /metrics; 0 picks a free one. [env: ASSETRY_OPS_PORT; default: none]",
    ),
]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command on uvloop if it is available."""
    try:
        import uvloop
    except ImportError:  # Windows, PyPy
        return asyncio.run(work)
    return uvloop.run(work)


def run_interruptible(work: Coroutine[Any, Any, T]) -> T:
    """Run a command that Ctrl-C or SIGTERM cancels cleanly. Raises KeyboardInterrupt if it was cancelled."""
    before = {number: signal.getsignal(number) for number in HANDLED}
    signals = [
        number for number, handler in before.items() if handler is not signal.SIG_IGN
    ]  # ignored in background jobs of a shell
    try:
        return run(_interruptible(work, signals))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        for number in signals:
            signal.signal(number, before[number])


async def _interruptible(work: Coroutine[Any, Any, T], signals: Sequence[signal.Signals]) -> T:
    """Cancel the work on the first signal; a later signal ends the process immediately.

    Without signal handlers of the event loop, a second signal would raise KeyboardInterrupt in whatever code is
    running: in the bookkeeping of tasks, it would leave tasks waiting forever for one that has ended.
    """
    task = asyncio.current_task()
    assert task is not None
    listen(task.cancel, signals)
    return await work
