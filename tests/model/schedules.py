"""Schedules: what befalls a world, drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from indexer.crash_points import CrashPoint
from tests.model.network import Weather
from tests.model.simulation import Process
from tests.model.world import BURIAL, Shape, World

ASSETS = 12
LEADERS_STEPS = tuple(step for step in CrashPoint if not step.name.startswith(("REINDEX", "SWAP", "ROLL", "PURGE")))
OPERATORS_STEPS = tuple(step for step in CrashPoint if step.name.startswith(("REINDEX", "SWAP", "ROLL", "PURGE")))


def _write(world: World, random: Random) -> None:
    for _ in range(random.randint(1, 8)):
        what = random.choices(["change", "remove", "poison", "toxic", "orphan"], weights=[20, 4, 2, 1, 1])[0]
        world.write(random.randint(1, ASSETS), what)


def _pick(random: Random, processes: list[Process]) -> Process | None:
    return random.choice(processes) if processes else None


def _start(world: World, random: Random) -> None:
    if len(world.running(world.followers)) < 3:
        world.start_follower()


def _crash(world: World, random: Random) -> None:
    """Kill somebody now, some callbacks later, or at a step."""
    process = _pick(random, world.running(world.processes))
    if process is None:
        return
    match random.randint(0, 2):
        case 0:
            world.kill(process)
        case 1:
            process.fuse = random.randint(1, 400)
        case _:
            steps = LEADERS_STEPS if process in world.followers else OPERATORS_STEPS
            process.doom = (random.choice(steps), random.randint(0, 2))


def _pause(world: World, random: Random) -> None:
    """Stop somebody for a while, perhaps past the lease, now or at a step."""
    process = _pick(random, world.running(world.processes))
    if process is None:
        return
    seconds = random.uniform(0.5, 30.0)
    if random.random() < 0.5:
        steps = LEADERS_STEPS if process in world.followers else OPERATORS_STEPS
        process.nap = (random.choice(steps), seconds)
    else:
        world.pause(process)
        world.loop.outside(seconds, lambda: world.resume(process))


def _terminate(world: World, random: Random) -> None:
    process = _pick(random, world.running(world.followers))
    if process is not None:
        world.stop_gracefully(process)


def _reindex(world: World, random: Random) -> None:
    accept = random.random() < 0.7
    world.operate(lambda reindex: reindex.run(accept_dead_letters=accept), with_follower=random.random() < 0.6)


def _roll_back(world: World, random: Random) -> None:
    verify = random.random() < 0.7
    world.operate(lambda reindex: reindex.rollback(verify=verify))


def _purge(world: World, random: Random) -> None:
    unfinished = random.random() < 0.5
    world.operate(lambda reindex: reindex.purge(unfinished=unfinished, tombstones=BURIAL))


def _storm(world: World, random: Random) -> None:
    network = random.choice([world.store_network, world.engine_network])
    slow, refused, lost, mute, late = (random.choice([0.0, 0.02, 0.1]) for _ in range(5))
    network.weather = Weather(slow, refused, lost, mute, late, down=random.random() < 0.15)
    world.cluster.busy = random.choice([0.0, 0.05, 0.3])
    world.loop.outside(random.uniform(1.0, 25.0), lambda: _calm(world))


def _calm(world: World) -> None:
    world.calm()


def _lose_history(world: World, random: Random) -> None:
    world.lose_history()


def _delete_index(world: World, random: Random) -> None:
    if world.cluster.indexes:
        world.delete_index(random.choice(sorted(world.cluster.indexes)))


def _snapshot(world: World, random: Random) -> None:
    world.cluster.snapshot()


def _restore(world: World, random: Random) -> None:
    if names := sorted(set(world.cluster.snapshots) & set(world.cluster.indexes)):
        world.restore_index(random.choice(names))


def _damage(world: World, random: Random) -> None:
    world.damage_building()


def _jump(world: World, random: Random) -> None:
    process = _pick(random, world.running(world.processes))
    if process is not None:
        process.skew = timedelta(seconds=random.choice([-3600, 0, 3600]))


Action = Callable[[World, Random], None]

ACTIONS: dict[str, tuple[Action, int]] = {
    "write": (_write, 30),
    "start": (_start, 8),
    "crash": (_crash, 10),
    "pause": (_pause, 6),
    "terminate": (_terminate, 3),
    "reindex": (_reindex, 10),
    "roll back": (_roll_back, 4),
    "purge": (_purge, 3),
    "storm": (_storm, 8),
    "lose history": (_lose_history, 3),
    "delete an index": (_delete_index, 2),
    "snapshot": (_snapshot, 2),
    "restore": (_restore, 2),
    "damage": (_damage, 2),
    "jump": (_jump, 2),
}
"""What may happen, and how often."""


def run_sleeping_operator(seed: int) -> None:
    """Play a reindex whose process is stopped, taken over and woken up while another is at work. Raises Violation."""
    random = Random(seed)
    with World(seed, Shape(moving=random.random() < 0.5)) as world:
        sleeper = _reindexing(world, random, writes=8)
        sleeper.nap = (
            random.choice([CrashPoint.REINDEX_CREATED, CrashPoint.REINDEX_ACKNOWLEDGED]),
            random.uniform(20.0, 30.0),
        )
        world.advance(5.0)
        for _ in range(2):
            world.operate(lambda reindex: reindex.run(accept_dead_letters=True), with_follower=False)
            _write(world, random)
            world.advance(random.uniform(11.0, 17.0))
        for _ in range(6):
            _write(world, random)
            world.advance(random.uniform(0.1, 2.0))
        world.settle()


def run_late_move(seed: int) -> None:
    """Play a reindex whose request to move the alias arrives when others are at work already. Raises Violation."""
    random = Random(seed)
    with World(seed, Shape(moving=random.random() < 0.5)) as world:
        mover = _reindexing(world, random, writes=6)
        mover.nap = (CrashPoint.SWAP_BEGINS, 0.1)
        while not mover.stopped and not mover.ended:
            world.advance(0.1)
        world.cluster.late_moves = True
        while not mover.ended:
            world.advance(0.1)
        world.cluster.late_moves = False
        if random.random() < 0.7:
            other = world.operate(lambda reindex: reindex.purge(unfinished=True, tombstones=None), with_follower=False)
        else:
            other = world.operate(lambda reindex: reindex.run(), with_follower=False)
        other.nap = (random.choice([CrashPoint.PURGE_NOTED, CrashPoint.REINDEX_VERIFIED]), 20.0)
        for _ in range(8):
            _write(world, random)
            world.advance(random.uniform(0.5, 4.0))
        world.settle()


def _reindexing(world: World, random: Random, *, writes: int) -> Process:
    """Start a follower, and a reindex of what was written before."""
    world.start_follower()
    for _ in range(writes):
        _write(world, random)
    world.advance(3.0)
    return world.operate(lambda reindex: reindex.run(accept_dead_letters=True), with_follower=False)


def run_late_writes(seed: int) -> None:
    """Play assets that are removed while requests for them arrive long after they were given up. Raises Violation."""
    random = Random(seed)
    with World(seed, Shape(moving=random.random() < 0.5)) as world:
        world.start_follower()
        world.advance(1.0)
        world.engine_network.weather = Weather(late=0.3)
        for number in range(1, 25):
            world.write(number, "change")
            world.advance(random.uniform(0.3, 1.5))
            world.write(random.randint(1, number), "remove")
        world.settle()


@dataclass(frozen=True)
class Run:
    """What one schedule was: its world's steps, checks by kind, swaps, callbacks and seconds of its own time."""

    steps: frozenset[CrashPoint]
    legs: dict[str, int]
    swaps: int
    handles: int
    seconds: float


def run(seed: int, *, events: int = 25, only: tuple[str, ...] = ()) -> Run:
    """Play one schedule and check it to its end. Raises Violation."""
    random = Random(seed)
    shape = Shape(moving=random.random() < 0.5, known_dead=random.random() < 0.5)
    names = list(only or ACTIONS)
    weights = [ACTIONS[name][1] for name in names]
    with World(seed, shape) as world:
        world.start_follower()
        for _ in range(events):
            action, _weight = ACTIONS[random.choices(names, weights)[0]]
            action(world, random)
            world.advance(random.choice([0.02, 0.3, 1.0, 3.0, 8.0]))
        world.settle()
        swaps = sum(outcome.swapped for outcome in world.outcomes)
        return Run(frozenset(world.steps), dict(world.oracle.legs), swaps, world.loop.handles, world.loop.now)
