from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from service.api.kernel.conditions import (
    Tag,
    condition,
    expected_rev,
    is_changed,
    is_unchanged,
    record_tag,
)
from service.api.kernel.errors import PreconditionFailed
from service.api.kernel.file_response import wanted_range
from service.errors import InvalidInput
from service.ports.store import Record

ETAG = '"abc-thumbnail"'


def headers(**values: str | list[str]) -> Headers:
    raw = [
        (name.replace("_", "-").lower().encode(), line.encode("latin-1"))
        for name, lines in values.items()
        for line in ([lines] if isinstance(lines, str) else lines)
    ]
    return Headers(raw=raw)


@pytest.mark.parametrize(
    ("lines", "none_match", "match"),
    [
        ([], False, True),
        ([ETAG], True, True),
        ([f"W/{ETAG}"], True, False),
        ([f'"x", {ETAG}'], True, True),
        (['"x"', ETAG], True, True),
        ([f'"a,b" ,W/{ETAG},"y"'], True, False),
        ([f',, "x" ,,{ETAG},'], True, True),
        ([f'"x",{ETAG}'], True, True),
        (["*"], True, True),
        ([" * "], True, True),
        (['"other"'], False, False),
        (['"abc-thumbnail,"'], False, False),
        ([""], False, False),
        ([","], False, False),
    ],
)
def test_entity_tags(lines: list[str], none_match: bool, match: bool) -> None:
    assert is_unchanged(headers(if_none_match=lines), ETAG) is none_match
    assert is_changed(headers(if_match=lines), ETAG) is not match


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ('"a,b", "c"', (Tag("a,b"), Tag("c"))),
        ('W/"a"', (Tag("a", weak=True),)),
        ('""', (Tag(""),)),
        ('"\\"', (Tag("\\"),)),
        ('"é"', (Tag("é"),)),
        ('"a"\t,\t"b"', (Tag("a"), Tag("b"))),
        ('"' + "x" * 5000 + '"', (Tag("x" * 5000),)),
    ],
)
def test_lists_of_tags(text: str, tags: tuple[Tag, ...]) -> None:
    found = condition(headers(if_match=text), "If-Match")
    assert found is not None
    assert found.tags == tags


@pytest.mark.parametrize(
    "text",
    [
        "abc",
        'abc"',
        '"abc',
        '"a" "b"',
        '"a";"b"',
        "'a'",
        'w/"a"',
        'W/ "a"',
        'W"a"',
        "W/",
        '"a b"',
        '*, "a"',
        '"a", *',
        "**",
        '"a\x7f"',
    ],
)
@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
def test_what_is_no_list_of_tags_is_refused(name: str, text: str) -> None:
    with pytest.raises(InvalidInput, match=f"The {name} header must be") as caught:
        condition(headers(**{name: text}), name)
    assert (caught.value.field, caught.value.provided) == (name, text)


def test_many_tags_are_read_in_one_pass() -> None:
    found = condition(headers(if_match=",".join(['"a"', ""] * 50_000)), "If-Match")
    assert found is not None
    assert len(found.tags) == 50_000


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
    given = {"range": "bytes=0-1"} | ({"if-range": if_range} if if_range else {})
    assert wanted_range(method, given, ETAG) == ("bytes=0-1" if counts else None)


@pytest.mark.parametrize(
    ("text", "rev", "expected"),
    [
        (None, 5, None),
        ("*", 5, None),
        ('"5"', 7, 5),
        ('"5-1234"', 7, 5),
        ('"3", "5"', 5, 5),
        ('"3", "5"', 3, 3),
        ('"3-1", "5-2", "4"', 4, 4),
        ('"3", W/"5"', 5, 3),
    ],
)
async def test_revs_that_a_change_expects(text: str | None, rev: int, expected: int | None) -> None:
    async def read() -> Record:
        return Record("asset", "asset_1", rev, {}, "2024-01-15T10:30:00.000Z")

    given = headers() if text is None else headers(if_match=text)
    assert await expected_rev(given, read) == expected


@pytest.mark.parametrize(
    "text",
    [
        '"3", "5"',
        'W/"4"',
        '"of-another-service"',
        '"9999999999999999"',
        '"٣"'.encode().decode("latin-1"),
        "",
    ],
)
async def test_tags_that_no_rev_of_the_record_has_are_quoted_back(text: str) -> None:
    async def read() -> Record:
        return Record("asset", "asset_1", 4, {}, "2024-01-15T10:30:00.000Z")

    with pytest.raises(PreconditionFailed, match='"4"') as caught:
        await expected_rev(headers(if_match=text), read)
    assert (caught.value.field, caught.value.provided) == ("If-Match", text)


def test_tags_of_records() -> None:
    assert record_tag(7) == '"7"'
    assert record_tag(7, 1234) == '"7-1234"'
