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
        ("2014:04:29 24:61:00", None, "2014-04-29T00:00:00Z"),
        ("2010:07:11 13:53:60", None, "2010-07-11T13:53:59Z"),
        ("2010:07:11 13:53:  ", None, "2010-07-11T13:53:00Z"),
        ("2010: 7:11  1: 3: 5", None, "2010-07-11T01:03:05Z"),
        ("2010:07:11   :  :  ", "+02:00", "2010-07-11T00:00:00+02:00"),
        ("2010.07.11 13.53.00", None, "2010-07-11T13:53:00Z"),
        ("2010:07:11:13:53:00", None, "2010-07-11T13:53:00Z"),
        ("11.07.2010", None, "2010-07-11T00:00:00Z"),
        ("2010:07:11 13:53:00 DST", None, "2010-07-11T13:53:00Z"),
        ("2010:07:11 13:53:00 UTC", "+02:00", "2010-07-11T13:53:00Z"),
        ("2010-07-11 (approximately)", None, "2010-07-11T00:00:00Z"),
        ("2010/07/11 13h53", None, "2010-07-11T00:00:00Z"),
        ("2010:07:11 01:53:00 PM", None, "2010-07-11T13:53:00Z"),
        ("2010:07:11 12:05:00 a.m.", None, "2010-07-11T00:05:00Z"),
        ("2010:07:11 13:53:00 PM", None, "2010-07-11T13:53:00Z"),
        ("2010:07:00 00:00:00", None, "2010-07-01T00:00:00Z"),
        ("2010:00:00 00:00:00", None, "2010-01-01T00:00:00Z"),
        ("20100711T135300+0200", None, "2010-07-11T13:53:00+02:00"),
        ("20100711135300", None, "2010-07-11T13:53:00Z"),
        ("20100711", None, "2010-07-11T00:00:00Z"),
        ("2010-07-11T13:53:00.123456789Z", None, "2010-07-11T13:53:00.123456Z"),
        ("2010-07-11T13:53:00+02", None, "2010-07-11T13:53:00+02:00"),
        ("Sun, 11 Jul 2010 13:53:00 +0200", None, "2010-07-11T13:53:00+02:00"),
        ("Sun Jul 11 13:53:00 2010", None, "2010-07-11T13:53:00Z"),
        ("July 11, 2010", None, "2010-07-11T00:00:00Z"),
        ("11 July 2010", None, "2010-07-11T00:00:00Z"),
        ("20101", None, None),
        ("1999:99:99 99:99:99", None, None),
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
        ("2023-05-17T12:00:00+01:00", "2023-05-17T12:00:00+01:00"),
        ("D:2023-05-17T12:00:00Z", "2023-05-17T12:00:00Z"),
        ("2023-05-17", "2023-05-17T00:00:00Z"),
        ("D:20230517120060Z", "2023-05-17T12:00:59Z"),
        ("D:20230517996000", "2023-05-17T00:00:00Z"),
        ("D:20230517 at noon", "2023-05-17T00:00:00Z"),
        ("Wed May 17 12:00:00 2023", "2023-05-17T12:00:00Z"),
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
        ("2010:07:11", "13:53:00+02:00", "2010-07-11T13:53:00+02:00"),
        ("2010-07-11", "135300+0200", "2010-07-11T13:53:00+02:00"),
    ],
)
def test_iptc_dates(day: str, time: str | None, expected: str | None) -> None:
    assert dates.iptc(day, time) == expected


def test_the_most_wanted_kind_of_date_counts() -> None:
    kinds = dates.DateKind
    changed, original = (kinds.MODIFIED, "2020-01-01T00:00:00Z"), (kinds.ORIGINAL, "2010-07-11T00:00:00Z")
    assert dates.first([changed, (kinds.DIGITIZED, None), original]) == original
    assert dates.first([changed]) == changed
    assert dates.first([]) == (kinds.ORIGINAL, None)


@given(st.text(max_size=40))
def test_any_text_gives_an_aware_date_or_none(value: str) -> None:
    for found in (dates.stamp(value), dates.stamp("2020:01:01 00:00:00", value), dates.pdf(value), dates.iptc(value)):
        assert found is None or datetime.fromisoformat(found).tzinfo is not None
