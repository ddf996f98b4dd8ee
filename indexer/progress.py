"""Where the follower stands: the mutable side of its status."""

from __future__ import annotations

from indexer.status import State
from service.ports.clock import Clock


class Progress:
    """What the follower knows of its own work; :meth:`indexer.follow.Follower.status` shows it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._state = State.STOPPED
        self._paused = 0
        self._behind_since: float | None = None
        self.index: str | None = None
        self.token: str | None = None
        self.goal: str | None = None
        self.indexed = 0
        self.total = 0
        self.error: str | None = None

    @property
    def state(self) -> State:
        """What the follower is doing; WAITING while any of its lanes waits for an engine."""
        return State.WAITING if self._paused else self._state

    @state.setter
    def state(self, state: State) -> None:
        self._state = state

    def pause(self, reason: str) -> None:
        """Note that something waits, and why. Each call needs its :meth:`resume`."""
        self._paused += 1
        self.error = reason

    def resume(self) -> None:
        """Note that what waited goes on."""
        self._paused -= 1

    def behind(self) -> None:
        """Note that there are (or may be) changes which are not acknowledged."""
        if self._behind_since is None:
            self._behind_since = self._clock.monotonic()

    def even(self) -> None:
        """Note that nothing waits to be acknowledged."""
        self._behind_since = None

    @property
    def lag(self) -> float:
        """How long changes have been waiting, in seconds."""
        return 0.0 if self._behind_since is None else self._clock.monotonic() - self._behind_since

    def forget(self) -> None:
        """Note that the index is gone."""
        self.index = self.token = self.goal = None
        self.state = State.STARTING
