"""Records as bulk items, many at a time, without holding up the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from indexer.bulk.outcomes import permanent
from indexer.documents import bulk_item, vanished_item, version
from service.ports.search import BulkItem, BulkOutcome
from service.ports.store import Record

log = logging.getLogger(__name__)

SLICE = 50
"""Records projected in one go: a few milliseconds, then other tasks of the event loop have their turn."""


class Projected(NamedTuple):
    """What to write, and an outcome for each record that cannot be projected."""

    items: list[BulkItem]
    refused: list[BulkOutcome]


async def project(
    keys: Sequence[str], records: Mapping[str, Record], epoch: int, root: Mapping[str, Any] | None = None
) -> Projected:
    """Return what to write for these keys.

    A key without a record (and without a tombstone) becomes a removal. ``root`` is the mapping of an index that today's
    registry did not make.
    """
    items: list[BulkItem] = []
    refused: list[BulkOutcome] = []
    for start in range(0, len(keys), SLICE):
        for key in keys[start : start + SLICE]:
            record = records.get(key)
            if record is None:
                items.append(vanished_item(key, epoch))
                continue
            try:
                items.append(bulk_item(record, epoch, root))
            except Exception as error:
                # One bad record, whatever is wrong with it, must not stop the feed for all others.
                log.exception("the asset %s cannot be projected", key)
                refused.append(permanent(key, version(record, epoch), error))
        await asyncio.sleep(0)
    return Projected(items, refused)
