"""Virtual time, and processes that can be killed and stopped between any two steps of any of their tasks.

The code under test runs as it is: its tasks, timers and locks are asyncio's. Only time is not real (a wait costs
nothing), and every callback belongs to the process that made it, by a context variable that tasks inherit.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from indexer.crash_points import CrashPoint

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_OWNER: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)
_LAST_WORDS = 200
"""Rounds of cancelling within which the tasks of a killed process must have ended."""


class ProcessDied(asyncio.CancelledError):
    """What every call of a killed process to the world outside ends with: nothing of it has an effect any more."""


@dataclass(eq=False)
class _Call:
    """A callback on its way; ``handle`` is how it is cancelled, also while its process is stopped."""

    process: Process | None
    callback: Callable[..., object]
    args: tuple[Any, ...]
    handle: asyncio.Handle | None = None
    context: contextvars.Context | None = None


@dataclass(eq=False)
class Process:
    """One process: dead ones have no effect on the world, stopped ones (SIGSTOP) do nothing until they go on.

    ``fuse`` is after how many of its callbacks it dies, ``doom`` at which step and how many times that is survived;
    ``nap`` is at which step it is stopped, and for how many seconds;
    ``skew`` is how far its wall clock is off.
    """

    name: str
    alive: bool = True
    stopped: bool = False
    fuse: int | None = None
    doom: tuple[CrashPoint, int] | None = None
    nap: tuple[CrashPoint, float] | None = None
    skew: timedelta = timedelta()
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    held: list[_Call] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether it runs no more, killed or by itself."""
        return not self.alive or not self.tasks


class _Skipper:
    """In place of a selector: waiting for the next timer moves the clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        assert timeout is not None, "nothing will ever happen again"
        self._loop.now += timeout
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop whose time is virtual, and whose callbacks belong to processes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.handles = 0
        self._selector = _Skipper(self)
        self._halted = False
        self._outside = contextvars.Context()
        self.set_task_factory(self._task)
        self.failed: list[BaseException | str] = []
        self.set_exception_handler(self._note)

    # --- what asyncio asks for

    def time(self) -> float:
        return self.now

    def _process_events(self, event_list: list[Any]) -> None:
        assert not event_list

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        call = _Call(_owner(context), callback, args)
        call.handle = super().call_soon(self._gate, call, context=context)
        return call.handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        call = _Call(_owner(context), callback, args)
        call.handle = handle = super().call_at(when, self._gate, call, context=context)
        return handle

    def _gate(self, call: _Call) -> None:
        """Let a callback of a running process through."""
        self.handles += 1
        process = call.process
        if process is not None:
            if process.stopped:
                call.context = contextvars.copy_context()
                process.held.append(call)
                return
            if process.fuse is not None and process.alive:
                process.fuse -= 1
                if process.fuse <= 0:
                    self.kill(process)
        call.callback(*call.args)

    def _task(self, loop: asyncio.AbstractEventLoop, coro: Any, context: Any = None) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, context=context)
        process = _owner(context)
        if process is not None:
            process.tasks.add(task)
            task.add_done_callback(process.tasks.discard)
            if not process.alive:
                task.cancel()
        return task

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, ProcessDied):
            self.failed.append(error or str(context.get("message")))

    # --- for the world

    def outside(self, delay: float, callback: Callable[[], object]) -> None:
        """Have something happen in the world, whatever becomes of the process that caused it."""
        self.call_at(self.now + delay, callback, context=self._outside)

    def spawn(self, process: Process, main: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin the main task of a process."""
        context = contextvars.Context()
        context.run(_OWNER.set, process)
        task: asyncio.Task[None] = self.create_task(main, context=context)
        return task

    def advance(self, seconds: float) -> None:
        """Let so much time pass, or less if :meth:`halt` is called."""
        end, self._halted = self.now + seconds, False
        self.outside(seconds, self.stop)
        while self.now < end - 1e-9 and not self._halted:  # an earlier call's end may come in between
            self.run_forever()

    def halt(self) -> None:
        """End :meth:`advance` after the present callbacks."""
        self._halted = True
        self.stop()

    def kill(self, process: Process) -> None:
        """End a process at once (SIGKILL)."""
        process.alive = False
        self.resume(process)
        self._bury(process, _LAST_WORDS)

    def _bury(self, process: Process, rounds: int) -> None:
        """Take the tasks of a dead process down; what they do on their way has no effect."""
        if not process.tasks:
            return
        if rounds == 0:
            self.failed.append(f"tasks cannot be cancelled: {process.tasks}")
            return
        for task in list(process.tasks):
            task.cancel()
        self.outside(0.01, lambda: self._bury(process, rounds - 1))

    def resume(self, process: Process) -> None:
        """Let a stopped process go on (SIGCONT)."""
        process.stopped = False
        held, process.held = process.held, []
        for call in held:
            super().call_soon(self._again, call, context=call.context)

    def _again(self, call: _Call) -> None:
        if call.handle is None or not call.handle.cancelled():  # it may have been, by one that was held before it
            self._gate(call)


def current() -> Process | None:
    """Return the process that the running callback belongs to."""
    return _OWNER.get()


def _owner(context: contextvars.Context | None) -> Process | None:
    return _OWNER.get() if context is None else context.get(_OWNER, None)


class VirtualClock:
    """The clock of one process."""

    def __init__(self, loop: VirtualLoop, process: Process) -> None:
        self._loop = loop
        self._process = process
        self._ids = 0

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self._loop.now) + self._process.skew

    def monotonic(self) -> float:
        return self._loop.now

    def guid(self) -> str:
        self._ids += 1
        return f"{self._process.name}-{self._ids}"

    def sid(self) -> str:
        return self.guid()
