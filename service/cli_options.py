"""What the commands share: options, and how their work is run."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

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
    """Run a command that a scheduler's SIGTERM ends in order, as Ctrl-C does: raises KeyboardInterrupt then."""
    try:
        return run(_cancelled_by_sigterm(work))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _cancelled_by_sigterm(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work
