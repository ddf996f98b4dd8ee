"""The result of an alias's last verify, in the store: for ``/metrics``, ``assetry index status`` and the schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from indexer.verify.drift import VerifyReport
from service.ports.clock import Clock
from service.ports.store import Body, Store, find_record, upsert
from service.times import timestamp

KIND = "checkpoint"


def verified_key(alias: str) -> str:
    """Return the key of the record, which is of kind ``checkpoint``."""
    return f"verified-{alias}"


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """The last verify: its index, when it ended, and the counts of :class:`indexer.verify.drift.VerifyReport`.

    ``left`` counts differences that remained when it ended.
    """

    index: str
    at: str
    checked: int
    differences: Mapping[str, int]
    left: int
    dead_letters: int
    seconds: float

    @classmethod
    def read(cls, body: Mapping[str, Any] | None) -> Self | None:
        """Parse a record; None for no record."""
        if not body:
            return None
        return cls(**{name: body[name] for name in cls.__slots__})


async def load(store: Store, alias: str) -> VerifyResult | None:
    """Return the last verify of an alias, None if there was none. Raises Unavailable."""
    record = await find_record(store, KIND, verified_key(alias))
    return None if record is None else VerifyResult.read(record.body)


async def save(store: Store, clock: Clock, alias: str, report: VerifyReport) -> VerifyResult:
    """Save the result of a complete verify. Raises Unavailable."""
    verified = VerifyResult(
        index=report.index,
        at=timestamp(clock.now()),
        checked=report.checked,
        differences={str(drift): count for drift, count in report.found.items()},
        left=report.left,
        dead_letters=report.dead_letters,
        seconds=round(report.seconds, 3),
    )
    body: Body = asdict(verified)
    await upsert(store, KIND, verified_key(alias), body)
    return verified
