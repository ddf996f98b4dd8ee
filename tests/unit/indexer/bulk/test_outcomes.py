from __future__ import annotations

import pytest

from indexer.bulk.outcomes import MAX_PERMANENT, WINDOW, FailureWindow, Verdict, permanent, rejected, verdict


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, Verdict.DONE),
        (201, Verdict.DONE),
        (400, Verdict.DEAD),
        (403, Verdict.RETRY),
        (404, Verdict.GONE),
        (408, Verdict.RETRY),
        (409, Verdict.STALE),
        (413, Verdict.DEAD),
        (422, Verdict.DEAD),
        (429, Verdict.RETRY),
        (500, Verdict.RETRY),
        (503, Verdict.RETRY),
    ],
)
def test_each_status_has_a_verdict(status: int, expected: Verdict) -> None:
    assert verdict(status) is expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [(400, None), (413, None), (401, Verdict.RETRY), (403, Verdict.RETRY), (404, Verdict.GONE)],
)
def test_the_refusal_of_a_whole_request_has_a_verdict(status: int, expected: Verdict | None) -> None:
    assert rejected(status) is expected


def test_the_window_trips_above_a_fifth_of_the_last_thousand() -> None:
    window = FailureWindow()
    for _ in range(MAX_PERMANENT):
        window.add(Verdict.DEAD)
    assert not window.tripped
    window.add(Verdict.DEAD)
    assert window.tripped


def test_old_failures_leave_the_window() -> None:
    window = FailureWindow()
    for _ in range(MAX_PERMANENT):
        window.add(Verdict.DEAD)
    for _ in range(WINDOW):
        window.add(Verdict.DONE)
    for _ in range(MAX_PERMANENT):
        window.add(Verdict.DEAD)
    assert not window.tripped


def test_a_failed_projection_is_a_permanent_outcome() -> None:
    outcome = permanent("asset_1", 5, ValueError("bad"))
    assert verdict(outcome.status) is Verdict.DEAD
    assert (outcome.version, outcome.reason) == (5, "ValueError: bad")
