"""A small S3 in memory over real HTTP, which can be told to answer wrongly."""

from __future__ import annotations

import base64
import hashlib
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

BUCKET = "assetry"


@dataclass(frozen=True)
class Fault:
    """An answer instead of the right one, to the next ``times`` requests whose "METHOD key?query" matches.

    ``body`` is sent as it is; without one the answer is S3's XML of ``code``. ``after`` lets the request take effect
    first: its acknowledgement is what is lost.
    """

    matches: str
    code: str = "InternalError"
    status: int = 400
    body: bytes | None = None
    kind: str = "application/xml"
    times: int = 1
    after: bool = False
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Engine:
    """The server's state; ``url`` holds credentials."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"e"'})  # of the answer to a PUT of an object
    busy: float = 0.0  # seconds before a body is read
    hangs: str = ""  # requests whose "METHOD key?query" matches are not answered until ``awake`` is set
    hung: int = 0  # how many of them there were
    awake: threading.Event = field(default_factory=threading.Event)
    pace: float = 0.0  # seconds after each 64 KiB of an answer

    def fail(self, matches: str, code: str = "InternalError", status: int = 400, **more: object) -> None:
        self.faults.append(Fault(matches, code, status, **more))  # type: ignore[arg-type]

    def count(self, matches: str) -> int:
        return sum(re.search(matches, f"{asked.method} {asked.target}") is not None for asked in self.asked)

    def fault(self, line: str) -> Fault | None:
        for number, fault in enumerate(self.faults):
            if re.search(fault.matches, line):
                self.faults.pop(number)
                if fault.times > 1:
                    self.faults.insert(number, replace(fault, times=fault.times - 1))
                return fault
        return None


def _xml(root: str, inner: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><{root}>{inner}</{root}>'.encode()


def error(code: str) -> bytes:
    """Return S3's body of an error; its message must never be seen outside."""
    return _xml("Error", f"<Code>{code}</Code><Message>engine says secret</Message><Resource>/x</Resource>")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: Engine

    def _answer(self) -> None:
        length = int(self.headers.get("content-length", "0"))
        if length:
            threading.Event().wait(self.engine.busy)
        body = self.rfile.read(length)
        split = urlsplit(self.path)
        key = unquote(split.path).removeprefix(f"/{BUCKET}").lstrip("/")
        target = f"{key}?{split.query}"
        if self.engine.hangs and re.search(self.engine.hangs, f"{self.command} {target}"):
            self.engine.hung += 1
            self.engine.awake.wait()
        with self.engine.lock:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.engine.asked.append(Asked(self.command, target, headers, body))
            fault = self.engine.fault(f"{self.command} {target}")
            if fault is None or fault.after:
                status, content, more = self._right(key, parse_qs(split.query, keep_blank_values=True), body)
            if fault is not None:
                content = fault.body if fault.body is not None else error(fault.code)
                status, more = fault.status, {"Content-Type": fault.kind, **fault.headers}
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.send_header("Content-Length", more.get("Length", str(len(content))))
        self.end_headers()
        if self.command != "HEAD":
            for first in range(0, len(content), 65_536):
                self.wfile.write(content[first : first + 65_536])
                threading.Event().wait(self.engine.pace)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer  # noqa: N815

    def _right(self, key: str, query: dict[str, list[str]], body: bytes) -> tuple[int, bytes, dict[str, str]]:
        xml = {"Content-Type": "application/xml"}
        upload = query.get("uploadId", [""])[0]
        if upload and upload not in self.engine.uploads:
            return 404, error("NoSuchUpload"), xml
        if not self._sound(body):
            return 400, error("XAmzContentSHA256Mismatch"), xml
        match self.command, key:
            case "GET", "":
                return 200, self._listing(query), xml
            case (("GET" | "HEAD"), _) if key not in self.engine.objects:
                return 404, error("NoSuchKey"), xml
            case (("GET" | "HEAD"), _):
                content = self.engine.objects[key]
                date = {"Last-Modified": "Sat, 05 Oct 2024 10:00:00 GMT", "ETag": '"e"'}
                return 200, content, date
            case "POST", _ if "uploads" in query:
                self.engine.uploads["u1"] = {}
                return 200, _xml("InitiateMultipartUploadResult", "<UploadId>u1</UploadId>"), xml
            case "POST", _ if upload:
                parts = self.engine.uploads.pop(upload)
                self.engine.objects[key] = b"".join(parts[number] for number in sorted(parts))
                return 200, _xml("CompleteMultipartUploadResult", '<ETag>"e-2"</ETag>'), xml
            case "PUT", _ if upload:
                self.engine.uploads[upload][int(query["partNumber"][0])] = body
                return 200, b"", {"ETag": '"p"'}
            case "PUT", _:
                self.engine.objects[key] = body
                return 200, b"", self.engine.headers
            case "DELETE", _ if upload:
                self.engine.uploads.pop(upload)
                return 204, b"", {}
            case _:
                self.engine.objects.pop(key, None)
                return 204, b"", {}

    def _sound(self, body: bytes) -> bool:
        """Check what is sent with the body, as an engine does."""
        md5 = self.headers.get("content-md5")
        if md5 is not None and base64.b64decode(md5) != hashlib.md5(body).digest():
            return False
        told = self.headers.get("x-amz-content-sha256")
        # Over TLS the library signs no hash of the requests that it makes itself.
        return told == hashlib.sha256(body).hexdigest() or (told == "UNSIGNED-PAYLOAD" and (not body or bool(md5)))

    def _listing(self, query: dict[str, list[str]]) -> bytes:
        if "location" in query:
            return _xml("LocationConstraint", "")
        prefix = query.get("prefix", [""])[0]
        if "uploads" in query:
            return _xml("ListMultipartUploadsResult", "")
        keys = sorted(key for key in self.engine.objects if key.startswith(prefix))
        dated = "<LastModified>2024-10-05T10:00:00.000Z</LastModified>"
        found = "".join(f"<Contents><Key>{key}</Key>{dated}<Size>1</Size></Contents>" for key in keys)
        return _xml("ListBucketResult", f"<Name>{BUCKET}</Name><IsTruncated>false</IsTruncated>{found}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away: that they may is what the tests are about."""


@contextmanager
def s3_engine(tls: ssl.SSLContext | None = None) -> Iterator[Engine]:
    """Serve a small S3 until the block ends."""
    engine = Engine()
    handler = type("Handler", (_Handler,), {"engine": engine})
    with _Server(("127.0.0.1", 0), handler) as server:
        scheme = "http"
        if tls is not None:
            scheme, server.socket = "https", tls.wrap_socket(server.socket, server_side=True)
        engine.url = f"{scheme}://someone:hush-hush@127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield engine
        finally:
            engine.awake.set()
            server.shutdown()
            thread.join()
