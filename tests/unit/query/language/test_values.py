"""Numbers, dates and times as text."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mappings.fields import REGISTRY
from query.errors import BadValue
from query.language.dates import Clock, parse_date, zone_of
from query.language.units import number, plain_number
from tests.unit.query.compiling import NOW

NUMBERS: list[tuple[str, str, float]] = [
    ("width", "800", 800),
    ("width", "1e3", 1000),
    ("width", "800 px", 800),
    ("file_size", "5kb", 5000),
    ("file_size", "5KiB", 5120),
    ("file_size", "1.5m", 1_500_000),
    ("duration", "500ms", 0.5),
    ("duration", "2h", 7200),
    ("duration", "2m30s", 150),
    ("duration", "1h 30m", 5400),
    ("duration", "01:02:03", 3723),
    ("duration", "1:30.5", 90.5),
    ("cost.amount", ".5", 0.5),
    ("cost.amount", "-0.1", -0.1),
    ("seed", str(2**64 - 1), 2**64 - 1),
]


@pytest.mark.parametrize(("name", "text", "expected"), NUMBERS)
def test_numbers(name: str, text: str, expected: float) -> None:
    value = number(REGISTRY.get(name), text)
    assert value == expected
    assert isinstance(value, int) == (REGISTRY.get(name).type == "integer")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("width", ""),
        ("width", "1 2"),
        ("width", "0x10"),
        ("width", "٣"),
        ("iso", "5mb"),
        ("duration", "5y"),
        ("width", "1e9999"),
        ("seed", str(2**64)),
        ("number", str(2**63)),
        ("cost.amount", "nan"),
        ("iso", "inf"),
    ],
)
def test_no_numbers(name: str, text: str) -> None:
    with pytest.raises(BadValue) as raised:
        number(REGISTRY.get(name), text)
    assert raised.value.reason == "wrong_type"


def test_plain_numbers() -> None:
    assert [plain_number(text) for text in ("4", "-.5", "4kg", "x", "1e999")] == [4.0, -0.5, None, None, None]


DATES: list[tuple[str, str, str]] = [
    # text, start and end in UTC; NOW is a Sunday, the day on which Amsterdam changes to summer time
    ("2024", "2023-12-31T23:00", "2024-12-31T23:00"),
    ("2024-05", "2024-04-30T22:00", "2024-05-31T22:00"),
    ("2024-03-31", "2024-03-30T23:00", "2024-03-31T22:00"),
    ("2024-3-1", "2024-02-29T23:00", "2024-03-01T23:00"),
    ("2024-05-01T12", "2024-05-01T10:00", "2024-05-01T11:00"),
    ("2024-05-01 12:30", "2024-05-01T10:30", "2024-05-01T10:31"),
    ("2024-05-01T12:30:15", "2024-05-01T10:30:15", "2024-05-01T10:30:16"),
    ("2024-05-01T12:30:15Z", "2024-05-01T12:30:15", "2024-05-01T12:30:16"),
    ("2024-05-01T12:30:15.25+05:30", "2024-05-01T07:00:15.250", "2024-05-01T07:00:15.251"),
    ("1705312800", "2024-01-15T10:00:00", "2024-01-15T10:00:00.001"),
    ("1705312800500", "2024-01-15T10:00:00.500", "2024-01-15T10:00:00.501"),
    ("now", "2024-03-31T12:34:56.789", "2024-03-31T12:34:56.790"),
    ("now-1h", "2024-03-31T11:34:56.789", "2024-03-31T11:34:56.790"),
    ("now/d", "2024-03-30T23:00", "2024-03-31T22:00"),
    ("now-7d/d", "2024-03-23T23:00", "2024-03-24T23:00"),
    ("now/w", "2024-03-24T23:00", "2024-03-31T22:00"),
    ("now-1M/M", "2024-01-31T23:00", "2024-02-29T23:00"),
    ("now/h", "2024-03-31T12:00", "2024-03-31T13:00"),
    ("today", "2024-03-30T23:00", "2024-03-31T22:00"),
    ("yesterday", "2024-03-29T23:00", "2024-03-30T23:00"),
    ("tomorrow", "2024-03-31T22:00", "2024-04-01T22:00"),
    ("2024-01-31||+1M", "2024-02-28T23:00", "2024-02-29T23:00"),
    ("2024-02-29||-1y", "2023-02-27T23:00", "2023-02-28T23:00"),
]


@pytest.mark.parametrize(("text", "start", "end"), DATES)
def test_dates(text: str, start: str, end: str) -> None:
    found = parse_date(text, Clock(NOW, zone_of("Europe/Amsterdam")))
    assert found.start == datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert found.end == datetime.fromisoformat(end).replace(tzinfo=UTC)


def test_the_last_year_ends() -> None:
    assert parse_date("9999", Clock(NOW, UTC)).end.year == 9999


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "24-01-01",
        "2024-13",
        "2023-02-29",
        "2024-01-01T25",
        "0000",
        "now+",
        "now-7q",
        "now+999999y",
        "2024-01-01||x",
        "202401011",
        "٢٠٢٤",
    ],
)
def test_no_dates(text: str) -> None:
    with pytest.raises(BadValue):
        parse_date(text, Clock(NOW, UTC))


def test_zones() -> None:
    assert zone_of("UTC") is UTC
    assert str(zone_of("Europe/Amsterdam")) == "Europe/Amsterdam"
    for name in ("Europe/Nowhere", "../etc/passwd", "/etc/passwd", "a" * 300, "\0"):
        with pytest.raises(BadValue, match="Unknown time zone"):
            zone_of(name)


CALENDAR: list[tuple[str, str, str]] = [
    ("2024-Q1", "2024-01-01", "2024-04-01"),
    ("2024-q4", "2024-10-01", "2025-01-01"),
    ("2024-W01", "2024-01-01", "2024-01-08"),
    ("2020-W53", "2020-12-28", "2021-01-04"),
    ("2024-W01||+1w", "2024-01-08", "2024-01-15"),
    ("2024-Q1||-1M", "2023-12-01", "2024-03-01"),
]


@pytest.mark.parametrize(("text", "start", "end"), CALENDAR)
def test_quarters_and_weeks(text: str, start: str, end: str) -> None:
    found = parse_date(text, Clock(NOW, UTC))
    assert found.start == datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert found.end == datetime.fromisoformat(end).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["2024-Q5", "2024-Q0", "2024-W00", "2024-W54", "2023-W53", "2024-W1", "0000-Q1", "9999-W53"]
)
def test_quarters_and_weeks_that_do_not_exist(text: str) -> None:
    with pytest.raises(BadValue):
        parse_date(text, Clock(NOW, UTC))
