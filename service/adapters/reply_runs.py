"""Which requests with a key are under way in this process, and which elsewhere certainly are not."""

from __future__ import annotations

from service.adapters import workers


class Runs:
    """The runs of one adapter; ``worker`` is what its marks say who they are of.

    A mark may be there without a run: its write timed out and happened all the same. The process that wrote it knows.
    """

    def __init__(self, name: str) -> None:
        self.worker = workers.enlist(name)
        self._tokens: set[str] = set()

    def begin(self, token: str) -> None:
        """Count a run as under way; before its mark is written."""
        self._tokens.add(token)

    def end(self, token: str) -> None:
        """Count a run as over. Safe to call twice."""
        self._tokens.discard(token)

    def is_over(self, worker: str, token: str) -> bool:
        """Whether a run certainly goes on no more. False when it can not be known."""
        return token not in self._tokens if worker == self.worker else workers.known_dead(worker)

    def close(self) -> None:
        """Let other processes take over what is under way. Safe to call twice."""
        workers.dismiss(self.worker)
        self._tokens.clear()
