"""Forms while they come: parts in any order, and nothing left of what is refused."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.adapters.local.part_file import PartFile
from service.adapters.s3.spool import Spool
from service.errors import NotFound
from service.ports.files import original_key
from tests.api.client import Api, error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1024 * 1024
TYPE = {"Content-Type": "multipart/form-data; boundary=xyz"}


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    named = "" if filename is None else f'; filename="{filename}"'
    return f'--xyz\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + content + b"\r\n"


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    for first in range(0, len(body), 100_000):
        yield body[first : first + 100_000]


def left(api: Api) -> list[Path]:
    """Return what puts under way have in the data folder."""
    return list((api.service.base.settings.data / "files" / "parts").glob("*"))


async def stored(api: Api, content: bytes) -> bool:
    try:
        await api.service.base.files.stat(original_key("acme", hashlib.sha256(content).hexdigest()))
    except NotFound:
        return False
    return True


@pytest.mark.parametrize("size", [100, 3 * MIB])
async def test_the_json_may_come_after_the_file(api: Api, size: int) -> None:
    content = b"%d after " % size * (size // 10)
    asset = part("asset", json.dumps({"title": "Last", "type": "other"}).encode())
    body = part("file", content, "x.bin") + asset + b"--xyz--\r\n"
    answer = await api.ok("POST", "/assets", content=pieces(body), headers=TYPE)
    assert (answer["title"], answer["sha256"]) == ("Last", hashlib.sha256(content).hexdigest())
    assert (await api.http.get(answer["urls"]["original"])).content == content


REFUSED: list[tuple[str, bytes, int, str]] = [
    ("an unknown part", part("more", b"x"), 400, "VALIDATION_ERROR"),
    ("a second file", part("file", b"x", "y.bin"), 400, "VALIDATION_ERROR"),
    ("JSON that is none", part("asset", b"{"), 400, "VALIDATION_ERROR"),
    ("a field that only admins give", part("asset", b'{"tags": ["*secret"]}'), 403, "INSUFFICIENT_SCOPE"),
    ("JSON past its limit", part("asset", b" " * (2 * MIB)), 413, "PAYLOAD_TOO_LARGE"),
]


@pytest.mark.parametrize(("after", "status", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
@pytest.mark.parametrize("key", [None, "a key"])
async def test_a_file_is_not_kept_when_what_follows_is_refused(
    api: Api, after: bytes, status: int, code: str, key: str | None
) -> None:
    content = hashlib.sha256(after).digest() * 50_000
    body = part("file", content, "x.bin") + after + b"--xyz--\r\n"
    headers = TYPE | ({"Idempotency-Key": f"{key} {len(after)}"} if key else {})
    error_of(await api.call("POST", "/assets", content=pieces(body), headers=headers), status, code)
    assert not await stored(api, content)
    assert left(api) == []


async def test_a_form_that_is_cut_short_leaves_nothing(api: Api) -> None:
    content = b"cut short " * 300_000
    body = part("file", content, "x.bin") + part("asset", b"{}")
    details: Any = error_of(
        await api.call("POST", "/assets", content=pieces(body), headers=TYPE), 400, "VALIDATION_ERROR"
    )
    assert details["field"] == "body"
    assert not await stored(api, content)
    assert left(api) == []


async def test_a_file_that_is_gone_is_not_found(api: Api) -> None:
    asset = await api.ok("POST", "/assets", files={"file": ("x.txt", b"will be gone")})
    await api.service.base.files.delete(original_key("acme", asset["sha256"]))
    for headers in ({}, {"Range": "bytes=0-3"}):
        error_of(await api.http.get(asset["urls"]["original"], headers=headers), 404, "NOT_FOUND")
    assert (await api.http.head(asset["urls"]["original"])).status_code == 404


async def test_a_full_disk_is_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(PartFile, "write", full)  # of the folder
    monkeypatch.setattr(Spool, "_new_file", full)  # what is on its way to S3
    answer = await api.call("POST", "/assets", files={"file": ("x.txt", b"no room for me")})
    assert error_of(answer, 507, "INSUFFICIENT_STORAGE") == {"engine": "files"}
    assert answer.headers["retry-after"] == "60"
    monkeypatch.undo()
    assert left(api) == []
