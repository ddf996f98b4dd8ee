"""The result of a reindex, and its progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from indexer.indexes.plan import Stage
from indexer.verify.drift import VerifyReport


@dataclass(frozen=True, slots=True)
class ReindexResult:
    """How a reindex or a rollback ended: whether the alias moved, and if not, why.

    ``index`` is the index that it was about, ``report`` the result of the verify, ``dead_letters`` the number of
    documents that the index rejects.
    """

    swapped: bool
    index: str | None
    reason: str = ""
    report: VerifyReport | None = None
    dead_letters: int = 0


@dataclass(frozen=True, slots=True)
class ReindexProgress:
    """The progress: the stage, records ``done`` of ``total`` where they are counted, and what it waits for."""

    stage: Stage
    done: int = 0
    total: int = 0
    waits: str = ""


OnProgress = Callable[[ReindexProgress], None]


class ReindexRefused(Exception):
    """The reindex ends here, with a result."""

    def __init__(self, outcome: ReindexResult) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome
