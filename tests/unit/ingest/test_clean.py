from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL.TiffImagePlugin import IFDRational

from service.ingest import clean
from service.ingest.limits import DEFAULT, IngestLimits, table

TIGHT = IngestLimits(tags=3, tag_chars=5, values=2, value_chars=4)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("  two  words ", "two  words"),
        ("a\x00b\x01c", "abc"),
        ("line\r\nline\rline", "line\nline\nline"),
        ("lone \ud800 surrogate", "lone  surrogate"),
        ("no\ufffe\uffffcharacter", "nocharacter"),
        (b"caf\xc3\xa9", "café"),
        (b"caf\xe9", "café"),
        ("123456789", "12345678"),
        ("1234567 9", "1234567"),
        ("", None),
        (" \x00 ", None),
        (None, None),
        (12, None),
    ],
)
def test_text(value: object, expected: str | None) -> None:
    assert clean.text(value, 10 if "words" in str(value) else 8 if str(value)[:3] == "123" else 99) == expected


def test_words_are_trimmed_cut_and_counted_once() -> None:
    assert clean.words([" a ", "", "a", "b\n c", None, "toolong", "never"], TIGHT) == ("a", "b c", "toolo")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3),
        (2.0, 2),
        (2.5, 2.5),
        ("7.5", 7.5),
        (IFDRational(28, 10), 2.8),
        (Fraction(1, 4), 0.25),
        (IFDRational(1, 0), None),
        (math.nan, None),
        (math.inf, None),
        ("x", None),
        (True, None),
        (None, None),
        ((1,), None),
    ],
)
def test_number(value: object, expected: float | None) -> None:
    assert clean.number(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2**60, str(2**60)),
        (b"ASCII\x00", "ASCII"),
        (b"\x01\x02\x03", None),
        (b"", None),
        (IFDRational(1, 3), 0.333333333),
        (math.nan, None),
        ((1, IFDRational(0, 0), "x"), [1, "x"]),
        ([], None),
        (object(), None),
        ({"a.b": 1, "empty": "", "none": None}, {"a_b": 1}),
        (False, False),
    ],
)
def test_json_value(value: object, expected: Any) -> None:
    assert clean.json_value(value, DEFAULT) == expected


def test_objects_and_lists_are_bounded() -> None:
    assert clean.json_value([1, 2, 3], TIGHT) == [1, 2]
    assert clean.json_object({"a": "long text", "b": 1, "c": 2}, TIGHT) == {"a": "long", "b": 1}


def test_nesting_is_bounded() -> None:
    deep: Any = "leaf"
    for _ in range(50):
        deep = {"k": deep, "n": 1}
    found, levels = clean.json_value(deep, DEFAULT), 0
    while isinstance(found, dict) and "k" in found:
        found, levels = found["k"], levels + 1
    assert 0 < levels < 10


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4) | st.tuples(inner, inner)
    ),
    max_leaves=20,
)


@given(anything)
def test_whatever_comes_out_is_strict_json(value: object) -> None:
    encoded = json.dumps(clean.json_value(value, DEFAULT), allow_nan=False, ensure_ascii=False).encode("utf-8")
    assert b"\\u0000" not in encoded


def test_the_table_of_limits_describes_every_limit() -> None:
    rows = list(table())
    assert {name for name, *_ in rows} == set(IngestLimits.__dataclass_fields__)
    assert all(unit and doc.endswith(".") and default for _, default, unit, doc in rows)
