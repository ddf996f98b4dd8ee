from __future__ import annotations

import pytest

from service.api.kernel.conditions import changed, unchanged, wanted_range

ETAG = '"abc-thumbnail"'


@pytest.mark.parametrize(
    ("header", "none_match", "match"),
    [
        (None, False, True),
        (ETAG, True, True),
        (f"W/{ETAG}", True, False),
        (f'"x", {ETAG}', True, True),
        (f'"a,b" ,W/{ETAG},"y"', True, False),
        ("*", True, True),
        (" * ", True, True),
        ('"other"', False, False),
        ("abc-thumbnail", False, False),
        ("", False, False),
    ],
)
def test_entity_tags(header: str | None, none_match: bool, match: bool) -> None:
    assert unchanged({} if header is None else {"if-none-match": header}, ETAG) is none_match
    assert changed({} if header is None else {"if-match": header}, ETAG) is not match


@pytest.mark.parametrize(
    ("method", "if_range", "counts"),
    [
        ("GET", None, True),
        ("GET", ETAG, True),
        ("GET", f"W/{ETAG}", False),
        ("GET", '"other"', False),
        ("GET", "Sat, 05 Oct 2024 10:00:00 GMT", False),
        ("HEAD", None, False),
    ],
)
def test_ranges_that_count(method: str, if_range: str | None, counts: bool) -> None:
    headers = {"range": "bytes=0-1"} | ({"if-range": if_range} if if_range else {})
    assert wanted_range(method, headers, ETAG) == ("bytes=0-1" if counts else None)
