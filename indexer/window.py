"""How far back a store's change feed reaches."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from service.errors import AssetryError
from service.ports.store import Store


@runtime_checkable
class Windowed(Protocol):
    """A store that knows how far back its feed reaches."""

    async def window(self) -> float | None:
        """Return the hours, None if they can not be known (or have no end)."""
        ...


async def window(store: Store) -> float | None:
    """Return the hours of changes that the store's feed still has; None where it does not say."""
    if not isinstance(store, Windowed):
        return None
    try:
        return await store.window()
    except AssetryError:  # it is only shown: whoever needs the store notices by himself
        return None
