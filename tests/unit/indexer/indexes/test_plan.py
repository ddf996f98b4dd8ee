from __future__ import annotations

import asyncio
from dataclasses import replace

import orjson
import pytest

from indexer.indexes.plan import PhysicalIndex, Plan, Plans, Rebuild, Stage, SwapPermit
from service.errors import Unavailable
from tests.support.memory_engine import Notes

A, B, C, D = (PhysicalIndex(f"assets-h-{n}", f"build-{n}", "h") for n in range(4))
PERMIT = SwapPermit(B.index, "assets-swap-7")
BUILDING = Plan(
    gen=4, live=A, building=B, previous=C, rebuild=Rebuild(B, Stage.SWAPPING, "asset_9", 5, 10), permit=PERMIT
)


@pytest.mark.parametrize("plan", [Plan(), BUILDING, Plan(live=A, making=D, abandoned=("x", "y"), resumes=3)])
def test_a_plan_survives_the_store(plan: Plan) -> None:
    assert Plan.read(orjson.loads(orjson.dumps(plan.as_body()))) == plan


@pytest.mark.parametrize(
    ("plan", "shown", "live", "previous", "abandoned"),
    [
        (BUILDING, A, A, C, ()),
        (BUILDING, B, B, A, (C.index,)),
        (BUILDING, C, C, A, ()),
        (BUILDING, D, D, C, (A.index,)),
        (Plan(live=A, making=D), D, D, None, (A.index,)),
        (Plan(making=D), D, D, None, ()),
        (Plan(), D, D, None, ()),
        (BUILDING, None, A, C, ()),
    ],
)
def test_the_alias_is_right_about_what_is_live(
    plan: Plan,
    shown: PhysicalIndex | None,
    live: PhysicalIndex,
    previous: PhysicalIndex | None,
    abandoned: tuple[str, ...],
) -> None:
    settled = plan.settled(shown)
    assert (settled.live, settled.previous, settled.abandoned) == (live, previous, abandoned)
    assert settled.settled(shown) == settled


def test_a_permit_ends_with_the_move_and_with_its_index() -> None:
    assert BUILDING.settled(B).permit is None
    assert BUILDING.without(B.index, "it refuses everything").permit is None
    assert BUILDING.settled(C).permit == PERMIT  # it is taken back, not forgotten
    assert BUILDING.without(C.index, "purged").permit == PERMIT


def test_a_swap_and_a_rollback_end_the_reindex() -> None:
    swapped = BUILDING.settled(B)
    assert swapped.rebuild is not None
    assert (swapped.rebuild.stage, swapped.building) == (Stage.SWAPPED, None)
    back = swapped.settled(A)
    assert back.rebuild is not None
    assert (back.rebuild.stage, back.live, back.previous) == (Stage.ROLLED_BACK, A, B)


def test_a_build_that_others_have_gone_on_from_changes_nothing() -> None:
    making = Plan(making=A, abandoned=(D.index,))
    assert making.built(A) == making.settled(A)
    # Its builder was stopped behind the alias's move; meanwhile a reindex has made it the index before.
    later = Plan(live=B, building=C, previous=A, rebuild=Rebuild(C, Stage.JOINED))
    assert later.built(A) == later
    assert Plan(making=B).built(A) == Plan(making=B)


def test_every_index_that_searches_may_see_in_a_moment_is_refreshed() -> None:
    assert BUILDING.refreshed == (A.index, B.index)
    assert replace(BUILDING, rebuild=Rebuild(B, Stage.VERIFIED)).refreshed == (A.index,)
    rolling = replace(BUILDING, building=None, rebuild=Rebuild(A, Stage.ROLLING_BACK))
    assert rolling.refreshed == (A.index, C.index)
    assert replace(BUILDING, rebuild=None).refreshed == (A.index,)
    assert Plan().refreshed == ()


def test_an_index_that_is_given_up_ends_its_reindex_and_is_left_for_the_purge() -> None:
    plan = BUILDING.without(B.index, "it refuses everything")
    assert plan.rebuild is not None
    assert (plan.rebuild.stage, plan.rebuild.reason) == (Stage.FAILED, "it refuses everything")
    assert (plan.targets, plan.abandoned) == ((A, C), (B.index,))
    assert BUILDING.without(A.index, "never the live one") == BUILDING
    assert BUILDING.without_live().targets == (B, C)


async def test_the_generation_rises_when_the_leader_has_something_else_to_do() -> None:
    plans = Plans(Notes().as_store(), "assets")
    assert await plans.load() == Plan()
    gens = [
        (await plans.change(how)).gen
        for how in (
            lambda plan: replace(plan, live=A),
            lambda plan: replace(plan, rebuild=Rebuild(B)),  # nothing to do yet
            lambda plan: replace(plan, building=B),
            lambda plan: replace(plan, rebuild=Rebuild(B, cursor="asset_5")),
            lambda plan: plan,
            lambda plan: replace(plan, resumes=1),
        )
    ]
    assert gens == [1, 1, 2, 2, 2, 3]


async def test_changes_at_once_are_all_made() -> None:
    notes = Notes()
    plans = Plans(notes.as_store(), "assets")

    def resumed(plan: Plan) -> Plan:
        return replace(plan, resumes=plan.resumes + 1)

    await asyncio.gather(*(plans.change(resumed) for _ in range(10)))
    assert (await plans.load()).resumes == 10
    notes.refused = 1
    with pytest.raises(Unavailable):
        await plans.change(resumed)
