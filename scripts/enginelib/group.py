"""Several engines at once: what one lacks does not keep the others from starting."""

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
    """What came of one engine: its URL, or the fault that stood in the way; neither when it just does not run."""

    engine: Engine
    url: str | None = None
    fault: Missing | Failed | None = None


def started(engines: Iterable[Engine], user: Daemon | None = None) -> list[Outcome]:
    """Start what does not run yet, all at the same time; for a `user`, or to stay."""
    asked = list(engines)
    # First what has to be fetched or built, so that a build of minutes does not slow a start which has its time.
    faults = {out.engine.name: out for out in _each(asked, _obtained) if out.fault is not None}
    able = [engine for engine in asked if engine.name not in faults]
    outcomes = {out.engine.name: out for out in _each(able, lambda engine: _up(engine, user))} | faults
    return [outcomes[engine.name] for engine in asked]


def running(engines: Iterable[Engine]) -> list[Outcome]:
    """Find what runs."""
    return _each(list(engines), lambda engine: Outcome(engine, engine.url()))


def ended(engines: Iterable[Engine]) -> list[tuple[Engine, bool]]:
    """End what runs, all at the same time; say of each whether it ran."""
    return _each(list(engines), lambda engine: (engine, engine.down()))


def left(engines: Iterable[Engine], user: Daemon) -> None:
    """Take a user's leave of engines; those that were started for users, and have none any more, end."""
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
        except (KeyboardInterrupt, SystemExit):  # the pool waits for what it does
            STOPPING.set()
            raise
