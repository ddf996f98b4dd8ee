"""The protocol of following, leading, reindexing and reconciling, played against everything that may befall it.

The code is the real one; the store, the engine, the network, time and the processes are doubles which reorder, lose,
repeat and delay (:mod:`tests.model.world`). Whatever is done to a record, an index or the alias is checked at that step
(:mod:`tests.model.oracle`), and when all faults have ended, everything must be equal.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from indexer.crash_points import CrashPoint
from tests.model.oracle import Violation
from tests.model.schedules import ACTIONS, ASSETS, run, run_late_move, run_late_writes, run_sleeping_operator
from tests.model.world import Shape, World
from tests.support.examples import EXPLORING, THOROUGH, examples

SEEDS = examples(150)
"""Schedules of the default run."""
RARE = 15 if THOROUGH else 5
"""Schedules of each rare kind."""
SOAKED = int(os.environ.get("ASSETRY_MODEL_RUNS", "2000" if EXPLORING else "500"))
"""Schedules of the soak, more with HYPOTHESIS_PROFILE=explore.

ASSETRY_MODEL_FIRST is the first seed, so that runs beside each other share them."""
FIRST = int(os.environ.get("ASSETRY_MODEL_FIRST", "1000"))

_OWN_RULES = ("write", "start")


def test_seeded_schedules_lose_nothing() -> None:
    steps: set[CrashPoint] = set()
    swaps = 0
    for seed in range(SEEDS):
        try:
            played = run(seed)
        except Violation as violation:
            raise AssertionError(f"seed {seed}: {violation}") from violation
        steps |= played.steps
        swaps += played.swaps
    assert steps == set(CrashPoint)  # else it proves less than it says
    assert swaps > SEEDS


@pytest.mark.parametrize("play", [run_sleeping_operator, run_late_move, run_late_writes])
def test_what_is_rare_is_played_on_purpose(play: Callable[[int], None]) -> None:
    for seed in range(RARE):
        play(seed)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_hundreds_of_seeded_schedules_lose_nothing() -> None:
    broken: dict[int, str] = {}
    for seed in range(FIRST, FIRST + SOAKED):
        try:
            run(seed)
        except Violation as violation:
            broken[seed] = str(violation)
    assert not broken


class FollowMachine(RuleBasedStateMachine):
    """The same world, with hypothesis to choose what happens, and to shorten what breaks it."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World | None = None

    @initialize(seed=st.integers(0, 2**16), moving=st.booleans(), known_dead=st.booleans())
    def begin(self, seed: int, moving: bool, known_dead: bool) -> None:
        self.world = World(seed, Shape(moving=moving, known_dead=known_dead)).__enter__()
        self.world.start_follower()

    @rule(number=st.integers(1, ASSETS), what=st.sampled_from(["change", "remove", "poison", "toxic", "orphan"]))
    def somebody_writes(self, number: int, what: str) -> None:
        self._there.write(number, what)

    @rule()
    def another_follower_starts(self) -> None:
        if len(self._there.running(self._there.followers)) < 3:
            self._there.start_follower()

    @rule(name=st.sampled_from([name for name in ACTIONS if name not in _OWN_RULES]), chance=st.integers(0, 2**16))
    def something_happens(self, name: str, chance: int) -> None:
        ACTIONS[name][0](self._there, Random(chance))

    @rule(seconds=st.sampled_from([0.02, 0.3, 1.0, 3.0, 12.0]))
    def time_passes(self, seconds: float) -> None:
        self._there.advance(seconds)

    def teardown(self) -> None:
        if self.world is None:
            return
        try:
            self.world.check()
            self.world.settle()
        finally:
            self.world.__exit__()

    @property
    def _there(self) -> World:
        assert self.world is not None
        return self.world


_BOUNDED = settings(
    max_examples=examples(120), stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_what_hypothesis_thinks_of_loses_nothing() -> None:
    run_state_machine_as_test(FollowMachine, settings=_BOUNDED)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_much_of_what_hypothesis_thinks_of_loses_nothing() -> None:
    many = settings(_BOUNDED, max_examples=600 if EXPLORING else 200, stateful_step_count=60)
    run_state_machine_as_test(FollowMachine, settings=many)
