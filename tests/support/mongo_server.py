"""A scripted MongoDB: a primary that answers what a test tells it to, command by command (mockupdb).

What is not scripted is answered as a healthy replica set of one would: writes succeed at a rising cluster time, reads
find nothing but the note of ``assetry db init``, change streams stay empty.
"""

from __future__ import annotations

import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import mockupdb
from bson.int64 import Int64
from bson.timestamp import Timestamp

from service.adapters.mongo.schema import COUNTERS, META, SCHEMA_VERSION, validator, wanted_indexes
from service.ports.store import KINDS

Document = dict[str, Any]

Answer = Document | Callable[[Document], Document] | None
"""A reply, or what makes it of the command in a thread of its own; None drops the connection."""

CURSOR = 77
EPOCH = 1_700_000_000
DATABASE_ID = "d" * 32

_MONITORING = {"hello", "ismaster", "isMaster", "ping", "buildInfo", "endSessions", "killCursors"}
_EMPTY_SECONDS = 0.02  # how long a getMore of the script waits for news


def error(code: int, *labels: str, **more: Any) -> Document:
    """Return a reply that fails, in words that must never be passed on."""
    return {"ok": 0, "code": code, "errmsg": "the secret words of the server", "errorLabels": list(labels), **more}


def write_error(code: int, index: int = 0, **more: Any) -> Document:
    """Return a reply to an insert that one of its documents was refused."""
    refused = {"index": index, "code": code, "errmsg": "the secret words of the server", **more}
    return {"ok": 1, "n": 0, "writeErrors": [refused]}


def unconfirmed(code: int, **more: Any) -> Document:
    """Return a reply to a write that was done, but not confirmed by a majority."""
    concern = {"code": code, "errmsg": "the secret words of the server"}
    return {"ok": 1, "n": 1, "writeConcernError": concern, **more}


def at(inc: int) -> Timestamp:
    """Return a cluster time."""
    return Timestamp(EPOCH, inc)


def resume_token(inc: int, rest: str = "") -> Document:
    """Return a resume token of a cluster time, in the server's form."""
    return {"_data": f"82{EPOCH:08X}{inc:08X}{rest}"}


def event(operation: str, kind: str | None, key: str | None, inc: int) -> Document:
    """Return a change stream's event, as projected."""
    made: Document = {"_id": resume_token(inc, "2B"), "operationType": operation, "clusterTime": at(inc)}
    if kind is not None:
        made["ns"] = {"db": "assetry", "coll": kind}
    if key is not None:
        made["documentKey"] = {"_id": key}
    return made


def batch(*events: Document, token: Document | None = None) -> Document:
    """Return a reply to a getMore of a change stream."""
    newest = token or (events[-1]["_id"] if events else resume_token(0))
    return {
        "ok": 1,
        "cursor": {"id": Int64(CURSOR), "ns": "a.b", "nextBatch": [*events], "postBatchResumeToken": newest},
    }


def found(*documents: Document) -> Document:
    """Return a reply to a find."""
    return {"ok": 1, "cursor": {"id": Int64(0), "ns": "a.b", "firstBatch": [*documents]}}


class MongoServer:
    """A primary. ``commands`` are those that it got, without the driver's own.

    ``hello`` is what it says of itself over what a healthy one says; None leaves a field out. ``silent``: its
    change streams open, and show nothing.
    """

    def __init__(self) -> None:
        self.commands: list[Document] = []
        self.hello: Document = {}
        self.primary = True
        self.silent = False
        self._scripts: dict[str, list[Answer]] = defaultdict(list)
        self._lock = threading.Lock()
        self._time = 100
        self._counted: list[Document] = []
        self._last = resume_token(self._time)
        self._waiting = threading.Event()
        self._server = mockupdb.MockupDB()
        self._server.autoresponds(self._answer)

    @property
    def address(self) -> str:
        """Its host and port."""
        return f"127.0.0.1:{self._server.port}"

    @property
    def url(self) -> str:
        """How it is reached."""
        return f"mongodb://{self.address}/?replicaSet=rs0"

    def start(self) -> None:
        """Listen on a free port."""
        self._server.run()

    def stop(self) -> None:
        """Close every connection."""
        self._waiting.set()
        self._server._stopped = True
        with suppress(OSError):  # its thread that accepts looks at its flag once a second, or when somebody comes
            socket.create_connection(("127.0.0.1", self._server.port)).close()
        self._server.stop()

    def script(self, command: str, *answers: Answer) -> None:
        """Answer the next commands of this name so, one after the other; then as before."""
        with self._lock:
            self._scripts[command] += answers

    def unscript(self, command: str) -> None:
        """Forget the answers to commands of this name that were not given."""
        with self._lock:
            self._scripts[command].clear()

    def sent(self, name: str) -> list[Document]:
        """Return the commands of a name, in their order."""
        with self._lock:
            return [command for command in self.commands if name in command]

    def forget(self) -> None:
        """Forget the commands so far."""
        with self._lock:
            self.commands.clear()

    def _answer(self, request: Any) -> bool:
        command = dict(request.doc) if hasattr(request, "doc") else dict(request)
        name = next(iter(command))
        with self._lock:
            if name not in _MONITORING:
                self.commands.append(command)
            scripts = self._scripts[name]
            scripted = bool(scripts)
            answer = scripts.pop(0) if scripted else self._healthy(name, command)
        if scripted and answer is None:
            request.hangup()
            return True
        if callable(answer):  # it may take its time, and whoever else asks (the driver's monitor) is not kept waiting
            threading.Thread(target=self._answer_late, args=(request, answer, command), daemon=True).start()
            return True
        if name == "getMore" and not scripted:
            self._waiting.wait(_EMPTY_SECONDS)
        request.replies(self._timed(answer or {"ok": 1}))
        return True

    def _answer_late(self, request: Any, answer: Callable[[Document], Document], command: Document) -> None:
        with suppress(OSError):  # nobody waits any more
            request.replies(self._timed(answer(command)))

    def _timed(self, answer: Mapping[str, Any]) -> Document:
        clock = {"clusterTime": at(self._time), "signature": {"hash": b"\0" * 20, "keyId": Int64(0)}}
        return {**answer, "operationTime": answer.get("operationTime", at(self._time)), "$clusterTime": clock}

    def _healthy(self, name: str, command: Document) -> Document:
        if name in {"hello", "ismaster", "isMaster"}:
            return self._hello()
        if name == "buildInfo":
            return {"ok": 1, "version": "8.0.4"}
        if name == "aggregate":
            return self._aggregate(command)
        if name == "getMore":
            if self._counted and not self.silent:
                return batch(self._counted.pop())
            return batch(token=resume_token(self._time))
        if name == "find":
            return found(note()) if command["find"] == META else found()
        if name in {"listCollections", "listIndexes"}:
            return _listed(command)
        if name in {"insert", "update", "delete", "findAndModify"}:
            self._time += 1
        if name == "update" and command["update"] == COUNTERS:
            self._counted.append(event("update", COUNTERS, command["updates"][0]["q"]["_id"], self._time))
        if name == "findAndModify":
            matches = command["query"].get("last") != {"$lt": 0}
            value = {"_id": "x", "rev": 2, "last": self._time} if matches else None
            return {"ok": 1, "value": value, "lastErrorObject": {"n": int(matches)}}
        return {"ok": 1, "n": len(command.get("documents", [0]))}

    def _aggregate(self, command: Document) -> Document:
        stream = "$changeStream" in command["pipeline"][0]
        cursor = {"id": Int64(CURSOR if stream else 0), "ns": "a.b", "firstBatch": [] if stream else [{"n": 0}]}
        if stream:
            cursor["postBatchResumeToken"] = resume_token(self._time)
        return {"ok": 1, "cursor": cursor}

    def _hello(self) -> Document:
        host = self.address
        made: Document = {
            "ok": 1, "isWritablePrimary": self.primary, "ismaster": self.primary, "secondary": not self.primary,
            "setName": "rs0", "setVersion": 1, "hosts": [host], "me": host, "primary": host,
            "minWireVersion": 0, "maxWireVersion": 25, "logicalSessionTimeoutMinutes": 30,
            "localTime": datetime.now(UTC), "maxBsonObjectSize": 16 * 2**20,
            "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000,
            **self.hello,
        }  # fmt: skip
        return {name: value for name, value in made.items() if value is not None}


def _listed(command: Document) -> Document:
    """Return what a database that was set up has."""
    if "listIndexes" in command:
        return found(*(index.command() for index in wanted_indexes(command["listIndexes"])))
    return found(*({"name": kind, "options": {"validator": validator(kind)}} for kind in KINDS))


def note(**changed: Any) -> Document:
    """Return what ``assetry db init`` leaves in a database."""
    names = [f"{kind}.{index.name}" for kind in KINDS for index in wanted_indexes(kind)]
    return {"_id": "assetry", "database": DATABASE_ID, "version": SCHEMA_VERSION, "indexes": names, **changed}


@contextmanager
def mongo_server() -> Iterator[MongoServer]:
    """Run a scripted server."""
    server = MongoServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
