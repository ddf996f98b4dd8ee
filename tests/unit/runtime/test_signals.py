from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, os, signal, sys
from service.cli.options import run
from service.runtime.signals import SAME_SECONDS, stoppable

os.getpid = lambda: {pid}

async def main():
    loop, due = asyncio.get_running_loop(), []
    call_later = loop.call_later
    loop.call_later = lambda seconds, call: due.append(call) or call_later(3600, call)
    with stoppable() as asked:
        print("ready", flush=True)
        await asked.wait()
        print("asked", flush=True)
        await asyncio.to_thread(sys.stdin.readline)  # the time in which a signal is the same one goes by
        [over] = due
        over()
        print("busy", flush=True)
        await asyncio.Event().wait()

run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("first", [False, True], ids=["a process", "the first of a container"])
def test_a_later_signal_ends_a_process(number: signal.Signals, first: bool) -> None:
    program = PROGRAM.format(pid=1 if first else 4711)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == "asked\n"
        process.send_signal(number)  # the same one: `timeout` gives it to a process and to its group
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "busy\n"
        process.send_signal(number)
        # The kernel drops what the first process has no handler for, so it must end by one of its own.
        assert process.wait(30) == (128 + number if first else -number)
