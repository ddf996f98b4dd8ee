"""Worker processes for untrusted files: tasks have a time limit, processes a memory limit; a crash affects one file."""

from __future__ import annotations

import asyncio
import logging
import math
import multiprocessing
import os
import resource
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractAsyncContextManager, nullcontext
from multiprocessing import forkserver, util
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

from pebble import ProcessExpired, ProcessPool

from service.child_environment import child_environment
from service.errors import IngestError
from service.ingest.extract import extract
from service.ingest.facts import Extracted
from service.ingest.limits import DEFAULT, IngestLimits
from service.ingest.renditions import Rendition, thumbnail

Share = Callable[[str], AbstractAsyncContextManager[None]]
"""Holds a place among the workers for an organization, by its id."""

P = ParamSpec("P")
R = TypeVar("R")

_GRACE: Final = 5  # seconds after the pool's own limit at which a task whose pool is gone ends itself
_ATTEMPTS: Final = 2  # if the pool breaks on another file, it is replaced and the task is retried


class IngestWorkers:
    """A pool of processes that is started by the first task, so it costs nothing while no files are read.

    At most ``limits.queue`` tasks wait or run at once; further callers wait in :meth:`extract` or :meth:`thumbnail`.
    ``share`` gives each organization its turn; without it, first come is first served.
    Cancelling a caller kills its task. Use it from one event loop only.
    """

    def __init__(self, limits: IngestLimits = DEFAULT, share: Share | None = None) -> None:
        self.limits = limits
        self._pool: ProcessPool | None = None
        self._starting = threading.Lock()
        self._places = asyncio.Semaphore(limits.queue)
        self._share = share
        self._closed = False

    async def extract(self, path: Path, filename: str, *, org_id: str = "") -> Extracted:
        """Return the facts of the file at ``path``, whose original name is ``filename``.

        Raises IngestError (see :func:`service.ingest.extract.extract`; also ``timeout``, ``memory`` and ``crash``),
        OSError if the file cannot be opened, and TooManyRequests. A failure does not affect later calls.
        """
        async with self._turn(org_id):
            return await self.run(extract, filename, path, filename, self.limits)

    async def thumbnail(self, path: Path, filename: str, name: str, size: int = 512, *, org_id: str = "") -> Rendition:
        """Return an image of the file, see :func:`service.ingest.renditions.thumbnail`. Raises like :meth:`extract`."""
        limit = "drawing_seconds" if name == "svg" else "rendition_seconds"
        async with self._turn(org_id):
            return await self._run(limit, thumbnail, filename, (path, filename, name, size, self.limits), {})

    async def run(self, function: Callable[P, R], filename: str, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a module-level function in a worker; errors name ``filename``."""
        return await self._run("task_seconds", function, filename, args, kwargs)

    def _turn(self, org_id: str) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self._share is None else self._share(org_id)

    async def _run(self, limit: str, function: Callable[..., R], filename: str, args: Any, kwargs: Any) -> R:
        async with self._places:
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    return await self._once(limit, function, filename, args, kwargs)
                except BrokenProcessPool:
                    await asyncio.to_thread(self._discard)
                    if attempt == _ATTEMPTS:
                        raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def close(self) -> None:
        """Stop the processes; running tasks are killed. May be called twice."""
        self._closed = True
        await asyncio.to_thread(self._discard)

    async def _once(self, limit: str, function: Callable[..., R], filename: str, args: Any, kwargs: Any) -> R:
        seconds: float = min(getattr(self.limits, limit), self.limits.task_seconds)
        pool = self._pool
        if pool is None:  # otherwise no thread is needed
            pool = await asyncio.to_thread(self._running_pool)
        try:
            task = pool.schedule(_timed, (function, seconds, args, kwargs), timeout=seconds)
            return await asyncio.wrap_future(task)
        except ProcessExpired as error:
            raise IngestError(
                "Reading the file crashed the reader. The file is badly damaged "
                f"or needs more than {self.limits.memory_bytes} bytes of memory (memory_bytes).",
                reason="crash",
                filename=filename,
            ) from error
        except TimeoutError as error:
            raise IngestError(
                f"Reading the file took longer than {seconds:g} s ({limit}).",
                reason="timeout",
                filename=filename,
            ) from error
        except MemoryError as error:
            raise IngestError(
                f"Reading the file needs more than {self.limits.memory_bytes} bytes of memory (memory_bytes).",
                reason="memory",
                filename=filename,
            ) from error
        except RuntimeError as error:  # the pool was stopped between two tasks
            if not pool.active and not self._closed:
                raise BrokenProcessPool(str(error)) from error
            raise

    def _running_pool(self) -> ProcessPool:
        with self._starting:
            if self._closed:
                raise RuntimeError("The ingest workers are closed.")
            if self._pool is None:
                context = _context()
                _start_fork_server()
                self._pool = ProcessPool(
                    max_workers=self.limits.workers,
                    max_tasks=self.limits.tasks_per_worker,
                    initializer=_prepare,
                    initargs=(self.limits.memory_bytes,),
                    context=context,
                )
            return self._pool

    def _discard(self) -> None:
        with self._starting:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()  # type: ignore[no-untyped-call]
            pool.join()


def _start_fork_server() -> None:
    """Start the process that workers are forked from with an environment without secrets, unless it runs already.

    :mod:`multiprocessing` starts it with this process's own environment and has no option for another.
    """
    original = util.spawnv_passfds
    util.spawnv_passfds = _spawn  # type: ignore[assignment]  # typeshed asks for what nobody passes
    try:
        forkserver.ensure_running()
    finally:
        util.spawnv_passfds = original


def _spawn(path: bytes | str, arguments: Sequence[str], descriptors: Sequence[int]) -> int:
    """Start a process as ``multiprocessing.util.spawnv_passfds`` does, with the environment of a child."""
    process = subprocess.Popen(arguments, executable=path, pass_fds=tuple(descriptors), env=child_environment())
    process.returncode = 0  # multiprocessing waits for it
    return process.pid


def _context() -> Any:
    """Return a fork server context: a clean process without the service's threads and sockets, readers preloaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _prepare(memory_bytes: int) -> None:
    """Set the limits of the process before it reads any file."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Whatever readers log and C libraries print about damage is already in the facts' warnings or in the error.
    logging.disable(logging.CRITICAL)
    quiet = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(quiet, stream)
    os.close(quiet)


def _timed(function: Callable[..., R], seconds: float, args: Any, kwargs: Any) -> R:
    """Run a task with its own alarm, so that it ends even if the service is killed in the meantime."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(math.ceil(seconds) + _GRACE)
    try:
        return function(*args, **kwargs)
    finally:
        signal.alarm(0)
