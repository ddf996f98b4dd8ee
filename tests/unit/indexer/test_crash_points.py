from __future__ import annotations

from indexer.crash_points import CrashPoint, crash_point, observed


def test_steps_are_heard_by_the_last_observer_until_it_goes() -> None:
    outer: list[CrashPoint] = []
    inner: list[CrashPoint] = []
    crash_point(CrashPoint.SAVED)
    with observed(outer.append):
        crash_point(CrashPoint.BATCH_READ)
        with observed(inner.append):
            crash_point(CrashPoint.SWAPPED)
        crash_point(CrashPoint.PURGED)
    crash_point(CrashPoint.SAVED)
    assert (outer, inner) == ([CrashPoint.BATCH_READ, CrashPoint.PURGED], [CrashPoint.SWAPPED])


def test_there_are_steps_enough_to_crash_at() -> None:
    assert len(CrashPoint) >= 16
    assert len({str(step) for step in CrashPoint}) == len(CrashPoint)
