"""What the commands share: options, and how their work is run."""

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
Host = Annotated[str | None, typer.Option(help="Address to listen on. [env: ASSETRY_HOST; default: 127.0.0.1]")]
OpsPort = Annotated[
    int | None,
    typer.Option(
        "--port",
        help="Port for /healthz, /readyz and /metrics; 0 takes a free one. [env: ASSETRY_OPS_PORT; default: none]",
    ),
]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command on uvloop where there is one."""
    try:
        import uvloop
    except ImportError:  # Windows, PyPy
        return asyncio.run(work)
    return uvloop.run(work)


def run_interruptible(work: Coroutine[Any, Any, T]) -> T:
    """Run a command that Ctrl-C and a scheduler's SIGTERM end in order: raises KeyboardInterrupt then."""
    before = {number: signal.getsignal(number) for number in HANDLED}
    heard = [number for number, handler in before.items() if handler is not signal.SIG_IGN]  # a shell's background job
    try:
        return run(_interruptible(work, heard))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        for number in heard:
            signal.signal(number, before[number])


async def _interruptible(work: Coroutine[Any, Any, T], heard: Sequence[signal.Signals]) -> T:
    """Cancel the work at the first signal; a later one ends the process at once.

    Without handlers of the loop's own, the second would raise KeyboardInterrupt in whatever runs at that moment: where
    that is the bookkeeping of tasks, those wait for ever for one that ended.
    """
    task = asyncio.current_task()
    assert task is not None
    listen(task.cancel, heard)
    return await work
