"""The follower's progress: the mutable part of its status."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from indexer.follow.refresh import WatchedToken
from indexer.status.model import Rebuilding, Reconciling, State
from indexer.verify.last_result import VerifyResult
from service.ports.clock import Clock

SECONDS = 10.0
"""The period over which the rate is averaged."""


class RateMeter:
    """Counts completed work and returns its rate per second over the last :data:`SECONDS`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._done: deque[tuple[float, int]] = deque()
        self._sum = 0

    def add(self, count: int) -> None:
        """Count work that was completed just now."""
        if count:
            self._done.append((self._clock.monotonic(), count))
            self._sum += count
            self._forget()

    @property
    def rate(self) -> float:
        """The rate per second; 0 if nothing was done in the whole period."""
        self._forget()
        return self._sum / SECONDS

    def _forget(self) -> None:
        old = self._clock.monotonic() - SECONDS
        while self._done and self._done[0][0] < old:
            self._sum -= self._done.popleft()[1]


def _unmeasured(changes: int) -> None:
    """Ignore the measurement."""


class Progress:
    """What the follower knows of its own work; :meth:`indexer.follow.follower.Follower.status` shows it.

    ``acknowledged`` is the token up to which every target has everything. ``goal`` is a barrier from the start of this
    session: once searches see everything up to it, the index is caught up. ``observe`` is called with the number of
    changes in each batch of the feed.
    """

    def __init__(self, clock: Clock, observe: Callable[[int], None] = _unmeasured) -> None:
        self._clock = clock
        self._observe = observe
        self._state = State.STOPPED
        self._paused = 0
        self._behind_since: float | None = None
        self.acknowledged = WatchedToken()
        self.index: str | None = None
        self.goal: str | None = None
        self.indexed = 0
        self.total = 0
        self.batch = 0
        self.gen = 0
        self.outdated = False
        self.reconciling: Reconciling | None = None
        self.window: float | None = None
        self.meter = RateMeter(clock)
        self.rebuild: Rebuilding | None = None
        self.verified: VerifyResult | None = None
        self.error: str | None = None

    @property
    def state(self) -> State:
        """What the follower is doing; WAITING while any of its lanes waits for an engine."""
        if self._paused:
            return State.WAITING
        if self._state is State.FOLLOWING and self.reconciling is not None:
            return State.RECONCILING
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        self._state = state

    @property
    def token(self) -> str | None:
        """The token up to which everything is acknowledged."""
        return self.acknowledged.token

    def pause(self, reason: str) -> None:
        """Record that something is waiting, and why. Each call needs a :meth:`resume`."""
        self._paused += 1
        self.error = reason

    def resume(self) -> None:
        """Record that what was waiting continues."""
        self._paused -= 1

    def written(self, changes: int) -> None:
        """Record that a batch of the feed with this many changes is acknowledged."""
        self.batch = changes
        self._observe(changes)
        self.meter.add(changes)

    def behind(self) -> None:
        """Record that there are (or may be) changes that are not acknowledged."""
        if self._behind_since is None:
            self._behind_since = self._clock.monotonic()

    def even(self) -> None:
        """Record that no changes are waiting to be acknowledged."""
        self._behind_since = None

    @property
    def lag(self) -> float:
        """How long changes have been waiting, in seconds."""
        return 0.0 if self._behind_since is None else self._clock.monotonic() - self._behind_since

    def forget(self) -> None:
        """Record that the index is gone, or followed by another process."""
        self.acknowledged.move(None)
        self.index = self.goal = self.reconciling = self.rebuild = None
        self.even()
        self.state = State.STARTING
