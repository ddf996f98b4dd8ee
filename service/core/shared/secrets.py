"""The signing secret of a service whose processes share nothing but the store."""

from __future__ import annotations

import secrets

from service.ports.store import Change, Record, Store, compare_and_set

KIND, KEY = "secret", "signing"
_BYTES = 48


async def shared_secret(store: Store) -> str:
    """Return the secret that is kept in the store; the first process that asks makes it, and all others find that one.

    Whoever can read the store can sign: it is as well kept as the assets and the hashes of keys beside it.
    """

    def make(held: Record | None) -> Change | None:
        return Change(set={"value": secrets.token_urlsafe(_BYTES)}) if held is None else None

    record = await compare_and_set(store, KIND, KEY, make)
    assert record is not None  # it was there, or it was made
    return str(record.body["value"])
