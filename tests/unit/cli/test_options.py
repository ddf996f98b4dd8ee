"""How a command is run, and how signals end it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from service.cli.options import run_interruptible


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_is_given_twice_ends_a_command_in_order(number: signal.Signals) -> None:
    """As `timeout` gives it: to the process and to its group. Only the first is an interruption."""
    ended: list[str] = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), number)
            await asyncio.sleep(0)
            ended.append("in order")

    with pytest.raises(KeyboardInterrupt):
        run_interruptible(work())
    assert ended == ["in order"]


_STUCK = """
import asyncio, os, signal
from service.cli.options import run_interruptible
from service.runtime import signals

os.getpid = lambda: {pid}
signals.SAME_SECONDS = 0

async def work():
    handled = signal.getsignal(signal.SIGINT)
    try:
        print("begun", flush=True)
        await asyncio.Event().wait()
    finally:
        while signal.getsignal(signal.SIGINT) == handled:
            await asyncio.sleep(0)
        print("stuck", flush=True)
        await asyncio.Event().wait()

run_interruptible(work())
"""


@pytest.mark.parametrize(("pid", "code"), [(4711, -2), (1, 130)], ids=["a process", "the first of a container"])
def test_a_later_signal_ends_it_at_once(pid: int, code: int) -> None:
    """The kernel drops what the first process has no handler for, so that must end by one of its own."""
    with subprocess.Popen([sys.executable, "-c", _STUCK.format(pid=pid)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in ("begun", "stuck"):
            assert process.stdout.readline().strip() == line
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == code


def test_a_command_returns_what_its_work_returns() -> None:
    async def work() -> int:
        return 7

    assert run_interruptible(work()) == 7
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
