"""What a reindex says: how it ended, and how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from indexer.indexes.plan import Stage
from indexer.verify.drift import VerifyReport


@dataclass(frozen=True, slots=True)
class ReindexResult:
    """How a reindex or a rollback ended: whether the alias moved, and if not, why.

    ``index`` is the one that it was about, ``report`` what the verify found, ``dead_letters`` how many documents that
    index refuses.
    """

    swapped: bool
    index: str | None
    reason: str = ""
    report: VerifyReport | None = None
    dead_letters: int = 0


@dataclass(frozen=True, slots=True)
class ReindexProgress:
    """One word on how far it is: the stage, records ``done`` of ``total`` where it counts them, what it waits for."""

    stage: Stage
    done: int = 0
    total: int = 0
    waits: str = ""


OnProgress = Callable[[ReindexProgress], None]


class ReindexRefused(Exception):
    """The work ends here, with an outcome."""

    def __init__(self, outcome: ReindexResult) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome
