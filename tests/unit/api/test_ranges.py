from __future__ import annotations

import pytest

from service.api.kernel.errors import RangeNotSatisfiable
from service.api.kernel.file_response import read_range
from service.ports.files import ByteRange, disposition


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-0", ByteRange(0, 0)),
        ("bytes=0-", ByteRange(0, 99)),
        ("BYTES=10-19", ByteRange(10, 19)),
        ("bytes= 10 - 19 ", ByteRange(10, 19)),
        ("bytes=90-500", ByteRange(90, 99)),
        ("bytes=-1", ByteRange(99, 99)),
        ("bytes=-500", ByteRange(0, 99)),
        ("bytes=20-10", None),
        ("bytes=a-b", None),
        ("bytes=-", None),
        ("bytes=", None),
        ("bytes=0-1,4-5", None),
        ("bytes=٣-٤", None),
        ("items=0-1", None),
    ],
)
def test_ranges(header: str | None, expected: ByteRange | None) -> None:
    assert read_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=" + "0-0," * 20 + "0-0"])
def test_ranges_outside_of_the_file(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        read_range(header, 100)


def test_an_empty_file_has_no_ranges() -> None:
    for header in ("bytes=0-", "bytes=-5"):
        with pytest.raises(RangeNotSatisfiable):
            read_range(header, 0)


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("plain.jpg", 'inline; filename="plain.jpg"'),
        ("ünï.jpg", "inline; filename=\"_n_.jpg\"; filename*=UTF-8''%C3%BCn%C3%AF.jpg"),
        ('a"b\\c.jpg', "inline; filename=\"a_b_c.jpg\"; filename*=UTF-8''a%22b%5Cc.jpg"),
        (
            "a\r\nSet-Cookie: x.jpg",
            'inline; filename="a__Set-Cookie: x.jpg"',
        ),
        ("photo\u202egpj.exe", 'inline; filename="photo_gpj.exe"'),
        ("a\u2066b\u2069\u200f\u061c.jpg", 'inline; filename="a_b___.jpg"'),
        ("a\u2028b\x85.jpg", 'inline; filename="a_b_.jpg"'),
        ("👩\u200d👩.jpg", "inline; filename=\"___.jpg\"; filename*=UTF-8''%F0%9F%91%A9%E2%80%8D%F0%9F%91%A9.jpg"),
    ],
)
def test_file_names_in_headers(filename: str, expected: str) -> None:
    assert disposition(filename, inline=True) == expected
