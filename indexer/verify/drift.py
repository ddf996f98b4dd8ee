"""How an index can differ from its store: the classes of drift, and a verify's report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from indexer.checksum import unsealed
from service.ports.search import BulkItem, Indexed

EXAMPLES = 100
"""The number of differences that a report lists; all are counted."""


class Drift(StrEnum):
    """A class of difference."""

    MISSING = "missing"  # a live record without a document
    STALE = "stale"  # the document's version is behind the record's
    AHEAD = "ahead"  # the document's version is one that the record has not reached
    ORPHAN = "orphan"  # a document that searches can find, without a record
    BODY = "body"  # the versions are equal, the contents differ


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: the asset, its class, and both versions (None where there is none)."""

    key: str
    drift: Drift
    expected: int | None
    held: int | None

    def as_json(self) -> dict[str, Any]:
        """Return the difference for reports."""
        return {"id": self.key, "class": str(self.drift), "expected": self.expected, "held": self.held}


@dataclass(slots=True)
class VerifyReport:
    """The result of a verify.

    ``checked`` counts keys of either side. ``found`` counts differences by class, ``repaired`` those that were gone
    when they were checked again, and ``examples`` lists the first :data:`EXAMPLES`. ``dead_letters`` counts records
    that are absent or stale because the engine rejects them, which is known; ``pending`` those whose change waits for
    an indexer while none follows. ``seconds`` is how long it took.
    """

    index: str
    checked: int = 0
    found: dict[Drift, int] = field(default_factory=lambda: dict.fromkeys(Drift, 0))
    repaired: int = 0
    dead_letters: int = 0
    pending: int = 0
    seconds: float = 0.0
    examples: list[Difference] = field(default_factory=list)

    @property
    def differences(self) -> int:
        """How many differences were found."""
        return sum(self.found.values())

    @property
    def left(self) -> int:
        """How many of them remain."""
        return self.differences - self.repaired

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return self.differences == 0

    def add(self, difference: Difference) -> None:
        """Count a difference."""
        self.found[difference.drift] += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(difference)

    def as_json(self) -> dict[str, Any]:
        """Return the report for ``--json`` and for logs."""
        return {
            "index": self.index,
            "clean": self.clean,
            "checked": self.checked,
            "differences": {str(drift): count for drift, count in self.found.items()},
            "repaired": self.repaired,
            "left": self.left,
            "dead_letters": self.dead_letters,
            "pending": self.pending,
            "seconds": round(self.seconds, 3),
            "examples": [difference.as_json() for difference in self.examples],
        }


def drift_of(expected: BulkItem | None, held: Indexed | None, *, removed: bool) -> Drift | None:
    """Return how a document differs from the projection of its record; None if it does not.

    ``expected`` is what the record's projection would write, None if there is no record at all; ``removed`` says that
    the record is a tombstone, which need not be in the index (a purge deletes it). A document that searches cannot see
    may exist without a record. A ``held`` document without a source is compared by version alone.
    """
    if expected is None:
        return None if held is None or held.deleted else Drift.ORPHAN
    if held is None:
        return None if removed else Drift.MISSING
    if held.version != expected.version:
        return Drift.STALE if held.version < expected.version else Drift.AHEAD
    if held.source is not None and not same_content(expected.document, held.source):
        return Drift.BODY
    return None


def same_content(document: Mapping[str, Any] | bytes, source: Mapping[str, Any]) -> bool:
    """Whether a document as written and one as returned by the engine are the same JSON, whatever their checksums."""
    # An engine may return whole floats without a decimal point: 2.0 and 2 are equal here, as they are in JSON.
    written = orjson.loads(document) if isinstance(document, bytes) else document
    return isinstance(written, Mapping) and unsealed(written) == unsealed(source)
