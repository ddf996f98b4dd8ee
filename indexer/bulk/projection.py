"""Projecting records to bulk items, many at a time, without blocking the event loop."""

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
"""Records projected at a time: a few milliseconds, after which other tasks of the event loop get a turn."""


class Projected(NamedTuple):
    """What to write, and an outcome for each record that cannot be projected."""

    items: list[BulkItem]
    refused: list[BulkOutcome]


async def project(
    keys: Sequence[str], records: Mapping[str, Record], epoch: int, root: Mapping[str, Any] | None = None
) -> Projected:
    """Return what to write for these keys.

    A key without a record (or tombstone) becomes a deletion. ``root`` is the mapping of an index that was not created
    from the current registry.
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
                # One bad record, whatever its fault, must not stop the feed for all others.
                log.exception("cannot project the asset %s", key)
                refused.append(permanent(key, version(record, epoch), error))
        await asyncio.sleep(0)
    return Projected(items, refused)
