"""Several engines at once: one that cannot start does not prevent the others from starting."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from scripts.enginelib.daemon import Daemon
from scripts.enginelib.engine import STOPPING, Engine
from scripts.enginelib.faults import Failed, Missing

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome for one engine: its URL, or the error that prevented its start; neither if it is just not running."""

    engine: Engine
    url: str | None = None
    fault: Missing | Failed | None = None


def started(engines: Iterable[Engine], user: Daemon | None = None) -> list[Outcome]:
    """Start engines that are not running, concurrently; for a `user`, or to keep running."""
    asked = list(engines)
    # Fetch and build first, so that a long build does not slow down a start, which has a time limit.
    faults = {out.engine.name: out for out in _each(asked, _obtained) if out.fault is not None}
    able = [engine for engine in asked if engine.name not in faults]
    outcomes = {out.engine.name: out for out in _each(able, lambda engine: _up(engine, user))} | faults
    return [outcomes[engine.name] for engine in asked]


def running(engines: Iterable[Engine]) -> list[Outcome]:
    """Find running engines."""
    return _each(list(engines), lambda engine: Outcome(engine, engine.url()))


def ended(engines: Iterable[Engine]) -> list[tuple[Engine, bool]]:
    """Stop running engines concurrently; return for each whether it was running."""
    return _each(list(engines), lambda engine: (engine, engine.down()))


def left(engines: Iterable[Engine], user: Daemon) -> None:
    """Remove a user of engines; engines started for users stop when they have none left."""
    _each(list(engines), lambda engine: engine.leave(user))


def _obtained(engine: Engine) -> Outcome:
    try:
        engine.obtain()
    except (Missing, Failed) as fault:
        return Outcome(engine, fault=fault)
    return Outcome(engine)


def _up(engine: Engine, user: Daemon | None) -> Outcome:
    try:
        return Outcome(engine, engine.up(user))
    except (Missing, Failed) as fault:
        return Outcome(engine, fault=fault)


def _each(engines: list[Engine], ask: Callable[[Engine], T]) -> list[T]:
    with ThreadPoolExecutor(max_workers=max(1, len(engines))) as pool:
        try:
            return list(pool.map(ask, engines))
        except (KeyboardInterrupt, SystemExit):  # the pool waits for running tasks
            STOPPING.set()
            raise
