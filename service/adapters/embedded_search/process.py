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

from service.errors import SettingsError, Unavailable

log = logging.getLogger(__name__)

MEND = "ASSETRY_OPENSEARCH_URL"
"""The setting that needs no embedded engine at all."""

START_SECONDS = 10.0
CLOSE_SECONDS = 2.0
CHUNK = 64 * 1024


class OsmemProcess:
    """One child process at a time, on a free port of the loopback interface.

    It ends with its parent in three ways: by :meth:`close`, because its stdin is a pipe that closes when the parent
    dies (``kill -9`` included), and because it looks for the parent's pid. Its output goes to the log.
    """

    def __init__(self, binary: str | None = None) -> None:
        """``binary`` names the server to start instead of the wheel's."""
        self._binary = binary
        self._process: Process | None = None
        self._drains: list[asyncio.Task[None]] = []
        self.url: str | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> str:
        """Start the child and return its URL once it answers.

        Raises SettingsError when there is no server for this platform, Unavailable when it is not ready in time.
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
        self._drains = [_task(_drain(process.stdout)), _task(_drain(process.stderr))]
        return self.url

    async def wait_dead(self) -> int:
        """Return the child's exit status once it has ended (negative: the signal that killed it)."""
        assert self._process is not None
        return await self._process.wait()

    async def restart(self) -> str:
        """End the child if it lives, start another and return its URL. Its index is empty."""
        await self.close()
        return await self.start()

    async def close(self) -> None:
        """End the child: politely by closing its stdin, after two seconds by a kill. Safe to call twice."""
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
        await asyncio.gather(*self._drains)
        self._drains = []


def _resolve() -> str:
    """Return the path of the wheel's server. Raises SettingsError."""
    try:
        import osmem_server  # only the embedded engine needs it

        return str(osmem_server.resolve_binary())
    except (ImportError, RuntimeError) as error:
        raise SettingsError(
            MEND, f"the embedded engine is not there ({error}); set the URL of an OpenSearch"
        ) from error


async def _spawn(binary: str) -> Process:
    """Start the server with pipes on all three ends. Raises SettingsError when it cannot be executed here."""
    # Without Japanese analysis an index is made in 3 ms instead of 850 ms; the mapping uses none.
    arguments = ("-no-ja", "-parent-pid", str(os.getpid()), "-addr", "127.0.0.1:0")
    try:
        # In a session of its own: Ctrl-C at a terminal asks the service to finish, and it needs its engine for that.
        return await asyncio.create_subprocess_exec(
            binary, *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True
        )
    except OSError as error:
        message = f"{binary} does not run on this machine ({error.strerror}); set the URL of an OpenSearch"
        raise SettingsError(MEND, message) from error


async def _ready(process: Process) -> str:
    """Read the line of JSON that says the server is ready, and return its URL. Raises EOFError when it ended."""
    assert process.stdout is not None
    assert process.stderr is not None
    while line := await process.stdout.readline():
        if line.startswith(b"{"):
            return str(orjson.loads(line)["url"])
    said = (await process.stderr.read(CHUNK)).decode(errors="replace").strip()
    raise EOFError(f"it ended with {await process.wait()}: {said[-500:]}")


async def _drain(stream: asyncio.StreamReader) -> None:
    """Log what the child writes, by chunks, so that a full pipe or a line without an end never stops it."""
    while chunk := await stream.read(CHUNK):
        log.debug("osmem-server: %s", chunk.decode(errors="replace").rstrip())


def _task(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.create_task(work)
