"""Records of the indexer's own in the store."""

from __future__ import annotations

from service.errors import AlreadyExists, NotFound
from service.ports.store import Body, Change, Record, Store


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
