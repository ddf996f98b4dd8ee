"""A server that speaks as much Redis as a test tells it to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from service.adapters.redis.client import RedisOptions

SERVER = "redis_version:7.2.4\r\nredis_mode:standalone\r\n"


def bulk(text: str) -> bytes:
    return f"${len(text)}\r\n{text}\r\n".encode()


ANSWERS: Mapping[str, bytes] = {"PING": b"+PONG\r\n", "INFO": bulk(SERVER)}


class Scripted:
    """A server that speaks as much Redis as a test tells it to; a command without an answer is answered OK."""

    def __init__(self, answers: Mapping[str, bytes | None]) -> None:
        self.answers = {**ANSWERS, **answers}
        self.asked: list[str] = []
        self.port = 0
        self.hang_up_after = ""
        self.connections = 0
        self.demoted = 0  # connections that were made before a failover: so many lead to a replica by now
        self.refusals: Mapping[str, bytes] = {}  # the replica's answers

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        try:
            while words := await self._command(reader):
                self.asked.append(words[0])
                if words[0] == self.hang_up_after:
                    self.hang_up_after = ""
                    return
                answer = self.answers.get(words[0], b"+OK\r\n")
                if number <= self.demoted:
                    answer = self.refusals.get(words[0], answer)
                if answer is None:  # it hangs
                    await reader.read()
                    return
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _command(self, reader: asyncio.StreamReader) -> list[str]:
        head = await reader.readline()
        if not head:
            return []
        words = []
        for _ in range(int(head[1:])):
            size = int((await reader.readline())[1:])
            words.append((await reader.readexactly(size + 2))[:-2].decode())
        return [words[0].upper(), *words[1:]]

    def options(self, timeout: float = 5.0, **parts: str) -> RedisOptions:
        credentials = parts.get("credentials", "")
        return RedisOptions(f"redis://{credentials}127.0.0.1:{self.port}{parts.get('rest', '')}", timeout=timeout)


@asynccontextmanager
async def scripted(
    answers: Mapping[str, bytes | None] | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Scripted]:
    script = Scripted(answers or {})
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0, ssl=tls)
    script.port = server.sockets[0].getsockname()[1]
    async with server:
        yield script
