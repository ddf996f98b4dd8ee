from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.ingest import dates


@pytest.mark.parametrize(
    ("value", "zone", "expected"),
    [
        ("2014:04:29 14:25:26", None, "2014-04-29T14:25:26Z"),
        ("2014:04:29 14:25:26", "+02:00", "2014-04-29T14:25:26+02:00"),
        ("2014:04:29 14:25:26", "+00:00", "2014-04-29T14:25:26Z"),
        ("2014:04:29 14:25:26", "   :  ", "2014-04-29T14:25:26Z"),
        ("2014:04:29 14:25:26", "+99:00", "2014-04-29T14:25:26Z"),
        ("2014:04:29 14:25:26\x00", None, "2014-04-29T14:25:26Z"),
        ("2024-01-15T10:30:00Z", None, "2024-01-15T10:30:00Z"),
        ("2024-01-15T10:30:00.25-05:00", None, "2024-01-15T10:30:00.250000-05:00"),
        ("2024-01-15T10:30+0530", None, "2024-01-15T10:30:00+05:30"),
        ("2005/08/25", None, "2005-08-25T00:00:00Z"),
        ("2005-08", None, "2005-08-01T00:00:00Z"),
        ("2005", None, "2005-01-01T00:00:00Z"),
        ("0000:00:00 00:00:00", None, None),
        ("0001-01-01", None, None),
        ("2014:13:29 14:25:26", None, None),
        ("2023-02-29", None, None),
        ("2014:04:29 24:61:00", None, None),
        ("    :  :     :  :  ", None, None),
        ("25/8/2005", None, None),
        ("September 2004", None, None),
        ("", None, None),
        (None, None, None),
        (20240115, None, None),
    ],
)
def test_stamps(value: object, zone: object, expected: str | None) -> None:
    assert dates.stamp(value, zone) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("D:20240115103000+01'00'", "2024-01-15T10:30:00+01:00"),
        ("D:20240115103000-08'30", "2024-01-15T10:30:00-08:30"),
        ("D:20240115103000Z", "2024-01-15T10:30:00Z"),
        ("D:20240115103000Z00'00'", "2024-01-15T10:30:00Z"),
        ("D:20240115", "2024-01-15T00:00:00Z"),
        ("20240115", "2024-01-15T00:00:00Z"),
        ("D:2024", "2024-01-01T00:00:00Z"),
        ("D:20241515", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_pdf_dates(value: str, expected: str | None) -> None:
    assert dates.pdf(value) == expected


@pytest.mark.parametrize(
    ("day", "time", "expected"),
    [
        ("20151029", "154444", "2015-10-29T15:44:44Z"),
        ("20151029", "154444+0200", "2015-10-29T15:44:44+02:00"),
        ("20151029", None, "2015-10-29T00:00:00Z"),
        ("20151029", "noon", "2015-10-29T00:00:00Z"),
        ("00000000", None, None),
    ],
)
def test_iptc_dates(day: str, time: str | None, expected: str | None) -> None:
    assert dates.iptc(day, time) == expected


@given(st.text(max_size=40))
def test_any_text_gives_an_aware_date_or_none(value: str) -> None:
    for found in (dates.stamp(value), dates.stamp("2020:01:01 00:00:00", value), dates.pdf(value), dates.iptc(value)):
        assert found is None or datetime.fromisoformat(found).tzinfo is not None
