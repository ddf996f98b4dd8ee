"""The network between processes and engines: slow, late, lossy, and sometimes down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TypeVar

from service.errors import Unavailable
from tests.model.simulation import Process, ProcessDied, VirtualLoop

T = TypeVar("T")


class Fate(StrEnum):
    """What becomes of one call."""

    FINE = "fine"
    SLOW = "slow"  # it is applied and answered within seconds
    REFUSED = "refused"  # no connection
    LOST = "lost"  # it never arrives
    MUTE = "mute"  # it is applied, the answer is lost
    LATE = "late"  # it is applied after the caller gave up


@dataclass
class Weather:
    """How an engine can be reached: the chance of each fate but FINE, and of each item of a bulk to be refused now."""

    slow: float = 0.0
    refused: float = 0.0
    lost: float = 0.0
    mute: float = 0.0
    late: float = 0.0
    items: float = 0.0
    down: bool = False

    def fate(self, random: Random) -> Fate:
        if self.down:
            return random.choice([Fate.REFUSED, Fate.LOST])
        chance = random.random()
        for fate in (Fate.SLOW, Fate.REFUSED, Fate.LOST, Fate.MUTE, Fate.LATE):
            chance -= getattr(self, fate)
            if chance < 0:
                return fate
        return Fate.FINE


@dataclass(frozen=True)
class Limits:
    """How long things take, in seconds: a caller's patience, and how late what it gave up may still be applied."""

    patience: float = 2.0
    lateness: float = 15.0
    slowness: float = 3.0
    hop: float = 0.01


class Network:
    """Carries the calls of processes to one engine."""

    def __init__(self, loop: VirtualLoop, random: Random, engine: str, limits: Limits) -> None:
        self.weather = Weather()
        self._loop = loop
        self._random = random
        self._engine = engine
        self._limits = limits

    async def call(self, process: Process, work: Callable[[], T], *, fate: Fate | None = None) -> T:
        """Have the engine do something for a process. Raises what it raises, and Unavailable.

        ``fate`` is what becomes of the call whatever the weather.
        """
        if not process.alive:
            raise ProcessDied
        fate = fate or self.weather.fate(self._random)
        answer: asyncio.Future[T] = self._loop.create_future()
        there, back = self._hops(fate)

        def fail() -> None:
            if not answer.done():
                answer.set_exception(Unavailable(self._engine, f"no answer ({fate})"))

        def arrive() -> None:
            try:
                result = work()
            except Exception as error:  # noqa: BLE001 - the caller's to see
                self._loop.outside(back, lambda error=error: None if answer.done() else answer.set_exception(error))  # type: ignore[misc]
            else:
                self._loop.outside(back, lambda: None if answer.done() else answer.set_result(result))

        if fate is Fate.REFUSED:
            self._loop.outside(there, fail)
        elif fate in (Fate.LOST, Fate.MUTE, Fate.LATE):
            self._loop.outside(self._random.uniform(0.5, 1.0) * self._limits.patience, fail)
        if fate in (Fate.FINE, Fate.SLOW):
            self._loop.outside(there, arrive)
        elif fate in (Fate.MUTE, Fate.LATE):
            back = 1e6
            self._loop.outside(there, lambda: _swallow(work))
        return await answer

    def _hops(self, fate: Fate) -> tuple[float, float]:
        """Return how long the request and the answer are under way."""
        lim, uniform = self._limits, self._random.uniform
        if fate is Fate.SLOW:
            return uniform(0, lim.slowness), uniform(0, lim.slowness)
        if fate is Fate.LATE:
            return lim.patience + uniform(0, lim.lateness), 0.0
        return uniform(0, lim.hop), uniform(0, lim.hop)


def _swallow(work: Callable[[], object]) -> None:
    """Do what nobody hears of."""
    try:
        work()
    except Exception:  # noqa: BLE001 - its answer is lost
        return
