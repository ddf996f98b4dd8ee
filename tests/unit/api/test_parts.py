from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from service.api.kernel.forms import Begin, read_parts
from service.errors import InvalidInput

TYPE = "multipart/form-data; boundary=xyz"
FILE = b"line\r\n--xy\r\n--xyzz\r\n-" + bytes(range(256))
BODY = (
    b'preamble\r\n--xyz\r\nContent-Disposition: form-data; name="file"; filename="n\xc3\xa4me.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n" + FILE + b"\r\n--xyz\r\n"
    b'Content-Type: application/json\r\nContent-Disposition: form-data; name="asset"\r\n\r\n'
    b'{"title": "x"}\r\n--xyz--\r\n'
).removeprefix(b"preamble\r\n")


async def chunks(body: bytes, size: int) -> AsyncIterator[bytes]:
    for first in range(0, len(body), size):
        yield body[first : first + size]


async def parts_of(body: bytes, size: int = 1000, content_type: str = TYPE) -> list[tuple[Begin, bytes]]:
    parts: list[tuple[Begin, bytes]] = []
    async for event in read_parts(content_type, chunks(body, size)):
        if isinstance(event, Begin):
            parts.append((event, b""))
        else:
            begin, content = parts[-1]
            parts[-1] = (begin, content + event)
    return parts


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 10_000])
async def test_parts_are_the_same_however_they_come(size: int) -> None:
    expected = [(Begin("file", "näme.bin"), FILE), (Begin("asset", None), b'{"title": "x"}')]
    assert await parts_of(BODY, size) == expected


async def test_names_are_of_the_charset_or_latin_1() -> None:
    ((begin, _),) = await parts_of(
        b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="\xe4"\r\n\r\n\r\n--xyz--'
    )
    assert begin == Begin("file", "ä")
    for charset in ("iso-8859-1", "no-such-charset"):
        ((begin, _), _) = await parts_of(BODY, content_type=f"{TYPE}; charset={charset}")
        assert begin.filename == "näme.bin".encode().decode("latin-1")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("filename*=utf-8''n%C3%A4me.txt", "näme.txt"),
        ("filename*=ISO-8859-1'de'n%E4me.txt", "näme.txt"),
        ("filename=\"=?utf-8?B?bsOkbWUudHh0?=\"; filename*=utf-8''n%C3%A4me.txt", "näme.txt"),
        ("filename=\"plain.txt\"; filename*=utf-8''other.txt", "plain.txt"),
        ('filename="=?odd.txt"', "=?odd.txt"),
        ("filename*=koi8-r''x", None),
        ('filename="a\\"b;c.txt"', 'a"b;c.txt'),
        ('filename=""', ""),
    ],
)
async def test_names_of_files(given: str, expected: str | None) -> None:
    header = f'--xyz\r\nContent-Disposition: form-data; name="file"; {given}\r\n\r\n\r\n--xyz--'
    ((begin, _),) = await parts_of(header.encode())
    assert begin == Begin("file", expected)


async def test_a_name_that_is_not_of_its_charset_is_refused() -> None:
    header = b"--xyz\r\nContent-Disposition: form-data; name=file; filename*=utf-8''%E4\r\n\r\n\r\n--xyz--"
    with pytest.raises(InvalidInput, match="not of its charset"):
        await parts_of(header)


@pytest.mark.parametrize("charset", ["base64", "hex", "zlib", "rot13", "idna", "undefined", "unicode_escape", "utf-7"])
async def test_what_is_no_charset_of_names_is_no_failure(charset: str) -> None:
    body = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="\\ud800+2AA-.\xe4"\r\n\r\n\r\n--xyz--'
    ((begin, _),) = await parts_of(body, content_type=f"{TYPE}; charset={charset}")
    assert begin.filename is not None
    assert begin.filename.encode().decode() == begin.filename


@pytest.mark.parametrize("length", [0, 3, 20, 150, len(BODY) - 30, len(BODY) - 5])
async def test_a_body_that_is_cut_short_is_refused(length: int) -> None:
    with pytest.raises(InvalidInput, match="broken: it ends before its last boundary"):
        await parts_of(BODY[:length])


@pytest.mark.parametrize(
    ("body", "content_type", "why"),
    [
        (b"something else", TYPE, "as its boundary says"),
        (b"--xyz\r\n\r\ncontent\r\n--xyz--\r\n", TYPE, "a part has no name"),
        (BODY, "multipart/form-data", "names no boundary"),
        (BODY, 'multipart/form-data; boundary=""', "names no boundary"),
    ],
)
async def test_what_is_no_form_is_refused(body: bytes, content_type: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        await parts_of(body, content_type=content_type)
