"""The embedded engine: ``osmem-server``, an OpenSearch-compatible server in a wheel, as a child of this process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import Coroutine
from typing import Any

import orjson

from service.child_environment import child_environment
from service.errors import SettingsError, Unavailable

log = logging.getLogger(__name__)

SETTING = "ASSETRY_OPENSEARCH_URL"
"""The setting that makes the embedded engine unnecessary."""

START_SECONDS = 10.0
CLOSE_SECONDS = 2.0
CHUNK = 64 * 1024


class OsmemProcess:
    """One child process at a time, on a free port of the loopback interface.

    It ends with its parent in three ways: by :meth:`close`, because its stdin is a pipe that closes when the parent
    dies (even by ``kill -9``), and because it checks for the parent's PID. Its output goes to the log.
    """

    def __init__(self, binary: str | None = None) -> None:
        """``binary`` is the server to start instead of the wheel's."""
        self._binary = binary
        self._process: Process | None = None
        self._log_tasks: list[asyncio.Task[None]] = []
        self.url: str | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> str:
        """Start the child and return its URL once it answers.

        Raises SettingsError if there is no server for this platform, Unavailable if it is not ready in time.
        """
        if self.pid is not None and self.url is not None:
            return self.url
        self._process = process = await _spawn(self._binary or _resolve())
        try:
            async with asyncio.timeout(START_SECONDS):
                self.url = await _ready(process)
        except (TimeoutError, EOFError) as error:
            await self.close()
            raise Unavailable("search", f"osmem-server did not start: {str(error) or 'not ready in time'}") from error
        except BaseException:
            await self.close()
            raise
        assert process.stdout is not None
        assert process.stderr is not None
        self._log_tasks = [_task(_log_output(process.stdout)), _task(_log_output(process.stderr))]
        return self.url

    async def wait_dead(self) -> int:
        """Return the child's exit status once it has ended (negative: the signal that killed it)."""
        assert self._process is not None
        return await self._process.wait()

    async def restart(self) -> str:
        """End the child if it is running, start another and return its URL. Its index is empty."""
        await self.close()
        return await self.start()

    async def close(self) -> None:
        """End the child, gracefully by closing its stdin, or after two seconds by a kill. Safe to call twice."""
        process, self._process, self.url = self._process, None, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await asyncio.gather(*self._log_tasks)
        self._log_tasks = []


def _resolve() -> str:
    """Return the path of the wheel's server. Raises SettingsError."""
    try:
        import osmem_server  # only the embedded engine needs it

        return str(osmem_server.resolve_binary())
    except (ImportError, RuntimeError) as error:
        raise SettingsError(
            SETTING, f"the embedded engine is not installed ({error}); set this to the URL of an OpenSearch"
        ) from error


async def _spawn(binary: str) -> Process:
    """Start the server with pipes for its standard streams. Raises SettingsError if it cannot run on this machine."""
    # Without Japanese analysis, creating an index takes 3 ms instead of 850 ms; the mapping does not need it.
    arguments = ("-no-ja", "-parent-pid", str(os.getpid()), "-addr", "127.0.0.1:0")
    try:
        # In a session of its own: Ctrl-C in a terminal shuts down the service, which still needs its engine for that.
        return await asyncio.create_subprocess_exec(
            binary,
            *arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            start_new_session=True,
            env=child_environment(),
        )
    except OSError as error:
        message = f"{binary} does not run on this machine ({error.strerror}); set this to the URL of an OpenSearch"
        raise SettingsError(SETTING, message) from error


async def _ready(process: Process) -> str:
    """Read the line of JSON that says that the server is ready, and return its URL. Raises EOFError if it ended."""
    assert process.stdout is not None
    assert process.stderr is not None
    while line := await process.stdout.readline():
        if line.startswith(b"{"):
            return str(orjson.loads(line)["url"])
    output = (await process.stderr.read(CHUNK)).decode(errors="replace").strip()
    raise EOFError(f"it exited with status {await process.wait()}: {output[-500:]}")


async def _log_output(stream: asyncio.StreamReader) -> None:
    """Log the child's output in chunks, so that a full pipe or an endless line never blocks it."""
    while chunk := await stream.read(CHUNK):
        log.debug("osmem-server: %s", chunk.decode(errors="replace").rstrip())


def _task(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.create_task(work)
