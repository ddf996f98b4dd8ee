"""HTTP/1.1 connections with limits: on the head of a request, on the number of connections, and on how long each waits.

uvicorn's own parser collects a head of any size, and keeps a connection on which nothing happens. What is refused here
is still answered by the application (``scope["assetry.refused"]`` is the error), so that it looks as every other error
and is in the log. Times are RFC 9112 §9.5's "prudent" time-outs; the limits on heads are those of RFC 9110 §4.1 and
RFC 6585 §5.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httptools
from starlette.types import Scope
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from service.api.kernel.errors import HeadersTooLarge, HeadTimeout, MalformedRequest, TargetTooLong
from service.api.kernel.middleware.edge import REFUSED
from service.errors import AssetryError

_BUSY: Final = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What a connection may hold and how long it may wait; times are in seconds."""

    connections: int = 1000
    """Open at once; one more takes the place of the connection that has waited longest for a request."""
    target_bytes: int = 64 * 1024
    """The request target (path and query): a cursor and a query text with every character escaped fit."""
    header_count: int = 100
    header_bytes: int = 32 * 1024
    """All names and values of header fields together."""
    pipelined: int = 32
    """Requests that wait on one connection for the answers before theirs."""
    head_seconds: float = 15.0
    """From the connection, or the first byte of a later request, to the end of the head."""
    drain_seconds: float = 5.0
    """From the end of an answer that did not need the rest of the body to the end of that body."""
    linger_seconds: float = 2.0
    """How long what still arrives is thrown away after a refusal: a reset would make the client lose the answer."""
    write_seconds: float = 60.0
    """For a client to take what fills the send buffer, and for the last bytes after a close."""


class Connections(ServerState):
    """The connections of a server, and which of them wait for a request."""

    def __init__(self, limits: ConnectionLimits) -> None:
        super().__init__()
        self.limits = limits
        self._waiting: OrderedDict[LimitedProtocol, None] = OrderedDict()

    def wait(self, connection: LimitedProtocol) -> None:
        """Note that a connection waits for a request from now on."""
        self._waiting[connection] = None
        self._waiting.move_to_end(connection)

    def leave(self, connection: LimitedProtocol) -> None:
        """Note that a connection no longer waits."""
        self._waiting.pop(connection, None)

    def make_room(self) -> bool:
        """Close the connection that has waited longest if there are too many; False if all of them are busy."""
        if len(self.connections) <= self.limits.connections:
            return True
        if not self._waiting:
            return False
        oldest, _ = self._waiting.popitem(last=False)
        self.connections.discard(oldest)
        oldest.transport.abort()
        return True


class _Stop(Exception):
    """Ends the parser within a callback: what follows is not read."""


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol on httptools with :class:`ConnectionLimits`."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        assert isinstance(server_state, Connections)
        self._table = server_state
        self._limits = server_state.limits
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._in_head = True
        self._begun = False
        self._ignoring = False
        self.url = b""
        self._clear()

    def _clear(self) -> None:
        self._fed = self._header_count = self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection if there is room."""
        super().connection_made(transport)
        if not self._table.make_room():
            self._ignoring = True
            self._table.connections.discard(self)
            transport.write(_BUSY)
            transport.close()
            self._start("close", self._limits.linger_seconds, transport.abort)
            return
        self._table.wait(self)
        self._start("head", self._limits.head_seconds, self._head_timed_out)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        for name in tuple(self._timers):
            self._cancel(name)
        self._unset_keepalive_if_required()
        self._table.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless the connection was refused."""
        if self._ignoring:
            return
        self._unset_keepalive_if_required()
        self._fed += len(data)
        if self._in_head and "head" not in self._timers:  # also for blank lines, which begin no message
            self._start("head", self._limits.head_seconds, self._head_timed_out)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._ignore()  # the request itself is answered; nothing but HTTP/1.1 is spoken here
        except httptools.HttpParserError:
            if not self._ignoring:
                self._refuse(MalformedRequest("The request is not valid HTTP/1.1."))
            return
        # A field that is not complete yet, of the head or behind the body, is counted by nobody but here.
        if self._fed > self._limits.target_bytes + self._limits.header_bytes and not self._ignoring:
            self._refuse(HeadersTooLarge(self._limits.header_bytes, self._limits.header_count))

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._begun = True
        self._clear()
        if "head" not in self._timers:
            self._start("head", self._limits.head_seconds, self._head_timed_out)

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request target."""
        if len(self.url) + len(url) > self._limits.target_bytes:
            self._refuse(TargetTooLong(self._limits.target_bytes))
            raise _Stop
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field."""
        self._header_count += 1
        self._header_bytes += len(name) + len(value)
        if not self._in_head:
            return  # a trailer, which nothing here reads: counted, not kept
        if self._header_count > self._limits.header_count or self._header_bytes > self._limits.header_bytes:
            self._refuse(HeadersTooLarge(self._limits.header_bytes, self._limits.header_count))
            raise _Stop
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin the request."""
        self._in_head = self._begun = False
        self._cancel("head")
        self._clear()
        self._table.leave(self)
        super().on_headers_complete()
        if len(self.pipeline) >= self._limits.pipelined:
            self.cycle.keep_alive = False  # the client sends the rest again, on another connection
            self._ignore()
            raise _Stop

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body, whose size is for who reads it to limit."""
        self._fed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request; the next one's head may follow."""
        self._in_head = True
        self._cancel("drain")
        self._clear()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the end of one that was answered early."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._start("close", self._limits.write_seconds, self.transport.abort)
        elif self.cycle.response_complete:
            self._table.wait(self)
            if not self._in_head:
                self._start("drain", self._limits.drain_seconds, self._close)

    def pause_writing(self) -> None:
        """Give a client that takes nothing an end."""
        super().pause_writing()
        self._start("write", self._limits.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on with a client that takes the answer."""
        self._cancel("write")
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection."""
        self._close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        self._refuse(MalformedRequest(msg))

    def _should_upgrade(self) -> bool:
        return False

    def _head_timed_out(self) -> None:
        self._timers.pop("head", None)
        if not self._begun:
            self._close()
        elif not self._ignoring:
            self._refuse(HeadTimeout(self._limits.head_seconds))

    def _refuse(self, error: AssetryError) -> None:
        """Have the application answer with an error, after what it answers now, and read nothing more."""
        self._ignore()
        self._cancel("head")
        current = self.cycle
        if not self._in_head:
            if current.response_complete:
                self._close()
                return
            # Its body is broken: who reads it gets the error.
            current.scope[REFUSED] = error  # type: ignore[literal-required]
            current.keep_alive = False
            current.message_event.set()
            return
        self._table.leave(self)
        cycle = self._cycle(error)
        if current is None or current.response_complete:
            self.cycle = cycle
            self._start_asgi_task(cycle, self.app)
        elif self.pipeline:
            self.pipeline[0][0].keep_alive = False
        else:
            current.keep_alive = False

    def _cycle(self, error: AssetryError) -> RequestResponseCycle:
        scope: Scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "method": "GET",
            "root_path": self.root_path,
            "path": self.url[:200].partition(b"?")[0].decode("ascii", "replace") or "/",
            "raw_path": b"/",
            "query_string": b"",
            "headers": [],
            "state": self.app_state.copy(),
            REFUSED: error,
        }
        cycle = RequestResponseCycle(
            scope=scope,  # type: ignore[arg-type]
            transport=_Lingering(self.transport, self._limits.linger_seconds, self._start),  # type: ignore[arg-type]
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        cycle.more_body = False
        return cycle

    def _ignore(self) -> None:
        self._ignoring = True

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
            self._start("close", self._limits.write_seconds, self.transport.abort)

    def _start(self, name: str, seconds: float, action: Callable[[], None]) -> None:
        self._cancel(name)
        self._timers[name] = self.loop.call_later(seconds, action)

    def _cancel(self, name: str) -> None:
        if timer := self._timers.pop(name, None):
            timer.cancel()


class _Lingering:
    """A transport whose close waits a little for what the client still sends, which is thrown away."""

    def __init__(
        self, transport: asyncio.Transport, seconds: float, start: Callable[[str, float, Callable[[], None]], None]
    ) -> None:
        self._transport = transport
        self._seconds = seconds
        self._start = start

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        if not self._transport.is_closing():
            if self._transport.can_write_eof():
                self._transport.write_eof()
            self._start("linger", self._seconds, self._transport.abort)
