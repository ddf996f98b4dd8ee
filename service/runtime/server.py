"""The HTTP server: binds, announces itself, serves until it is told to stop, and lets requests finish."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from service.errors import SettingsError

_BACKLOG = 1024
_KEEP_ALIVE = 120
"""Seconds that an idle connection is kept: longer than clients and proxies do (15 to 90), so that they close it.

Who sends a request on a connection that the server is just closing loses it, and a POST is not sent again by itself.
"""

_UNWINDING = 5.0
"""Seconds that requests whose time was over have to give back what they hold."""


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises SettingsError naming ``--host`` or ``--port``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG, reuse_port=False)
    except OSError as error:
        setting = "--host" if isinstance(error, socket.gaierror) else "--port"
        raise SettingsError(setting, f"cannot listen on {host}:{port}: {error.strerror or error}.") from error


def address(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """Uvicorn, telling when it accepts connections. ``grace`` is how long requests have to finish, in seconds."""

    def __init__(self, app: ASGIApp, on_started: Callable[[], None], grace: float) -> None:
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=grace,  # type: ignore[arg-type]  # it is waited for, not counted
            h11_max_incomplete_event_size=64 * 1024,
        )
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept, then tell."""
        await super().startup(sockets)
        self._on_started()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to :func:`service.runtime.signals.stoppable`: not only the server has to end in order."""
        yield

    async def run_on(self, listener: socket.socket, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set and the requests under way are answered; no new ones come in meanwhile."""
        serving = asyncio.create_task(self.serve([listener]), name="server")
        told = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({serving, told}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
            self.should_exit = True
            await serving
            # Those whose time was over are cancelled and not waited for: they let go of what they hold by the engines
            # that are closed next.
            if cut := set(self.server_state.tasks):
                await asyncio.wait(cut, timeout=_UNWINDING)
