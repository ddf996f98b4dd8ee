from __future__ import annotations

from indexer.crash_points import Step, observed, reached


def test_steps_are_heard_by_the_last_observer_until_it_goes() -> None:
    outer: list[Step] = []
    inner: list[Step] = []
    reached(Step.SAVED)
    with observed(outer.append):
        reached(Step.BATCH_READ)
        with observed(inner.append):
            reached(Step.SWAPPED)
        reached(Step.PURGED)
    reached(Step.SAVED)
    assert (outer, inner) == ([Step.BATCH_READ, Step.PURGED], [Step.SWAPPED])


def test_there_are_steps_enough_to_crash_at() -> None:
    assert len(Step) >= 16
    assert len({str(step) for step in Step}) == len(Step)
