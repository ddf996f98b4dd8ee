"""The HTTP server: binds, reports that it is up, serves until it is stopped, and lets requests finish."""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from service.errors import SettingsError
from service.runtime.connections import ConnectionLimits, Connections, LimitedProtocol

_BACKLOG = 1024
_KEEP_ALIVE = 120
"""Seconds that idle connections are kept open: longer than clients and proxies do (15 to 90), so that they close first.

A request sent on a connection that the server is just closing is lost, and clients do not retry a POST.
"""

_OWN_FILES = 1024
"""Open files that the service itself may need beside its connections: the store, the engines, uploads."""

_UNWINDING = 5.0
"""Seconds that cancelled requests have to release their resources."""


_PORT_ERRORS = frozenset({errno.EADDRINUSE, errno.EACCES, errno.EPERM})
"""What the system says of a port; everything else is about the address."""


def bind(host: str, port: int, names: tuple[str, str] = ("--host", "--port")) -> socket.socket:
    """Return a listening socket. Raises SettingsError with the one of ``names``, of host and port, that is at fault."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG, reuse_port=False)
    except OSError as error:
        is_port = error.errno in _PORT_ERRORS and not isinstance(error, socket.gaierror)
        why = (error.strerror or str(error)).partition(" (while attempting")[0]  # Python's words for the same address
        raise SettingsError(names[is_port], f"cannot listen on {host}:{port}: {why}.") from error


def address(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def allow_descriptors(connections: int) -> None:
    """Raise the limit on open files so that so many connections leave enough of them for everything else."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OWN_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class Server(uvicorn.Server):
    """Uvicorn with a callback when it accepts connections. ``grace`` is the time to finish requests, in seconds."""

    def __init__(
        self,
        app: ASGIApp,
        on_started: Callable[[], None],
        grace: float,
        *,
        limits: ConnectionLimits | None = None,
        trusted_proxies: str = "127.0.0.1",
    ) -> None:
        limits = limits or ConnectionLimits()
        allow_descriptors(limits.connections)
        config = uvicorn.Config(
            app,
            http=LimitedProtocol,
            ws="none",
            lifespan="off",
            forwarded_allow_ips=trusted_proxies,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=grace,  # type: ignore[arg-type]  # a float works: it is only used as a timeout
        )
        super().__init__(config)
        self.server_state = Connections(limits)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start accepting connections, then call the callback."""
        await super().startup(sockets)
        self._on_started()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to :func:`service.runtime.signals.stoppable`, since more than the server must shut down."""
        yield

    async def run_on(self, listener: socket.socket, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set, then finish running requests without accepting new ones."""
        serving = asyncio.create_task(self.serve([listener]), name="server")
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            self.should_exit = True
            await serving
            # Requests that ran out of time were cancelled but not awaited: let them release their resources before
            # the engines are closed.
            if cancelled := set(self.server_state.tasks):
                await asyncio.wait(cancelled, timeout=_UNWINDING)
