"""Records of the indexer's own in the store, and how many assets there are."""

from __future__ import annotations

import logging

from service.errors import AlreadyExists, NotFound, Unavailable
from service.ports.store import Body, Change, Record, Store

log = logging.getLogger(__name__)


async def total(store: Store) -> int | None:
    """Return how many live assets there are, None if that takes a store longer than it gives itself.

    MongoDB reads every document for it: some millions are more than one command's time, and no reason to index none.
    """
    try:
        return await store.count("asset", {})
    except Unavailable as error:
        log.info("the assets can not be counted: %s", error.message)
        return None


async def upsert(store: Store, kind: str, key: str, fields: Body) -> Record:
    """Set these fields of a record, which is made if it is not there."""
    change = Change(set=fields)
    try:
        return await store.update(kind, key, change)
    except NotFound:
        try:
            return await store.insert(kind, key, fields)
        except AlreadyExists:  # another process was faster
            return await store.update(kind, key, change)
