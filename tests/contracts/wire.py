"""A proxy between the tests and an engine, which can cut, hang and garble what passes: the faults of a wire."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_HEADERS = 64 * 1024
"""Bytes of a connection after which nothing but bodies is garbled; they are far larger in these tests."""


@dataclass
class Wire:
    """The proxy: ``url`` is the engine's with another port. The faults may be set at any time.

    ``sent`` counts the bytes to the engine. Once it is ``cut_at`` every connection breaks and none is accepted, until
    it is None again. While ``hang`` is set, nothing passes. Of the next ``flips`` large bodies one bit is flipped.
    """

    url: str
    sent: int = 0
    received: int = 0
    cut_at: int | None = None
    hang: bool = False
    flips: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _sockets: set[socket.socket] = field(default_factory=set)

    @property
    def is_cut(self) -> bool:
        return self.cut_at is not None and self.sent >= self.cut_at

    def drop(self) -> None:
        """Break every connection."""
        with self._lock:
            for one in self._sockets:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def pump(self, source: socket.socket, target: socket.socket, *, outward: bool) -> None:
        passed = 0
        with suppress(OSError):
            while chunk := source.recv(65_536):
                self._wait()
                passed += len(chunk)
                if outward:
                    chunk = self._outward(chunk, passed)
                else:
                    self.received += len(chunk)
                if self.is_cut:
                    self.drop()
                    return
                target.sendall(chunk)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def serve(self, listener: socket.socket, address: tuple[str, int]) -> None:
        """Take connections until the listener is shut down, then wait for those that there are to end."""
        threads = []
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threads.append(threading.Thread(target=self._connect, args=(client, address)))
                threads[-1].start()
        self.drop()
        for thread in threads:
            thread.join()

    def _connect(self, client: socket.socket, address: tuple[str, int]) -> None:
        with client:
            if self.is_cut:
                return
            with socket.create_connection(address) as engine:
                with self._lock:
                    self._sockets |= {client, engine}
                back = threading.Thread(target=self.pump, args=(engine, client), kwargs={"outward": False})
                back.start()
                self.pump(client, engine, outward=True)
                back.join()
                with self._lock:
                    self._sockets -= {client, engine}

    def _outward(self, chunk: bytes, passed: int) -> bytes:
        with self._lock:
            self.sent += len(chunk)
            if self.flips and passed > _HEADERS + len(chunk):
                self.flips -= 1
                return bytes([chunk[0] ^ 1]) + chunk[1:]
        return chunk

    def _wait(self) -> None:
        pause = threading.Event()
        while self.hang:
            pause.wait(0.01)


@contextmanager
def wire(url: str) -> Iterator[Wire]:
    """Run a proxy to the engine at ``url`` until the block ends."""
    split = urlsplit(url)
    assert split.hostname is not None
    assert split.port is not None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        credentials, at, _ = split.netloc.rpartition("@")
        made = Wire(f"{split.scheme}://{credentials}{at}127.0.0.1:{listener.getsockname()[1]}")
        address = (split.hostname, split.port)
        serving = threading.Thread(target=made.serve, args=(listener, address))
        serving.start()
        try:
            yield made
        finally:
            made.hang = False
            made.drop()
            listener.shutdown(socket.SHUT_RDWR)
            serving.join()
