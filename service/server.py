"""The HTTP server: binds, announces itself, serves until it is told to stop, and lets requests finish."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from service.errors import SettingsError

_GRACE = 20
"""Seconds that requests under way have to finish when the service stops."""
_BACKLOG = 1024


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises SettingsError naming ``--host`` or ``--port``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG, reuse_port=False)
    except OSError as error:
        setting = "--host" if isinstance(error, socket.gaierror) else "--port"
        raise SettingsError(setting, f"can not listen on {host}:{port}: {error.strerror or error}.") from error


def address(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """Uvicorn, telling when it accepts connections."""

    def __init__(self, app: ASGIApp, on_started: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
            h11_max_incomplete_event_size=64 * 1024,
        )
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept, then tell."""
        await super().startup(sockets)
        self._on_started()

    async def run_on(self, listener: socket.socket) -> None:
        """Serve until SIGINT or SIGTERM, then return normally: what was opened around the server is closed in order."""
        previous = {}
        for number in (signal.SIGINT, signal.SIGTERM):
            # Uvicorn raises the signal anew after its shutdown; without a handler of ours that would end the process
            # before the indexer has saved its place.
            previous[number] = signal.signal(number, _ignore)
        try:
            with suppress(KeyboardInterrupt):
                await self.serve([listener])
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Take a signal that was already acted upon."""
