"""The signing secret of a service whose processes share nothing but the store."""

from __future__ import annotations

import secrets

from service.errors import AlreadyExists, NotFound
from service.ports.store import Store

KIND, KEY = "secret", "signing"
_BYTES = 48


async def shared_secret(store: Store) -> str:
    """Return the secret that is kept in the store; the first process that asks makes it, and all others find that one.

    Whoever can read the store can sign: it is as well kept as the assets and the hashes of keys beside it.
    """
    try:
        record = await store.get(KIND, KEY)
    except NotFound:
        try:
            record = await store.insert(KIND, KEY, {"value": secrets.token_urlsafe(_BYTES)})
        except AlreadyExists:  # another process was faster: its secret is everybody's
            record = await store.get(KIND, KEY)
    return str(record.body["value"])
