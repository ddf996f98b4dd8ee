"""Comparisons and ranges among the values of one field."""

from __future__ import annotations

import pytest

from tests.unit.query.compiling import fault, lenient, normalised


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("width:(>512 AND <=2048)", "metadata.width:{512 TO *] metadata.width:[* TO 2048]"),
        ("width:(>=5 OR (<3 -2))", "metadata.width:[5 TO *] OR (metadata.width:[* TO 3} NOT metadata.width:2)"),
        ("width:([1 TO 5] OR {10 TO 20})", "metadata.width:[1 TO 5] OR metadata.width:{10 TO 20}"),
        ("width:(> 5)", "metadata.width:{5 TO *]"),
        ("width:(-5 OR >-5)", "NOT metadata.width:5 OR metadata.width:{-5 TO *]"),
        ("custom.x:(>5 AND <=7)", "custom.x:{5.0 TO *] custom.x:[* TO 7.0]"),
        ("lake (>5)", "lake \\>5"),
        ("title:(a) >5", "title:a \\>5"),
    ],
)
def test_meaning(text: str, meaning: str) -> None:
    assert normalised(text) == meaning
    assert normalised(meaning) == meaning


@pytest.mark.parametrize(
    ("text", "part"),
    [("width:(>)", ">"), ("width:(>5~1)", "~1"), ("width:(>(5))", "("), ("width:(>>5)", ">>5"), ("is:(>5)", ">5")],
)
def test_faults(text: str, part: str) -> None:
    assert fault(text)[1] == part
    assert lenient(text)[1]
