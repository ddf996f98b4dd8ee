"""The store and the files on the adapters chosen by the settings: all that many commands need, and quick to import."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from mappings.stemming import use_languages
from service.adapters.local.data_folder import DataFolder
from service.core.access.keys import Keys
from service.core.files.links import Links
from service.core.shared.secrets import shared_secret
from service.core.shared.signing import derive
from service.errors import InvalidInput
from service.ports.clock import Clock, SystemClock
from service.ports.files import Files
from service.ports.store import Store
from service.printable import readable
from service.runtime import engines
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Base:
    """What every command needs: the store, the files and the API keys."""

    settings: Settings
    clock: Clock
    folder: DataFolder
    store: Store
    files: Files
    keys: Keys
    links: Links
    secret: str = field(repr=False)
    previous_secrets: tuple[str, ...] = field(default=(), repr=False)
    """Secrets whose signatures are still good."""

    def keys_for(self, purpose: str) -> tuple[bytes, tuple[bytes, ...]]:
        """Return the key that signs for a purpose, and those that did before."""
        return derive(self.secret, purpose), tuple(derive(secret, purpose) for secret in self.previous_secrets)


@asynccontextmanager
async def open_base(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Base]:
    """Open the store and the files. Raises SettingsError, Unavailable."""
    clock = clock or SystemClock()
    use_languages(settings.languages)
    folder = DataFolder(settings.data)
    if engines.needs_folder(settings):
        folder.make()
    async with AsyncExitStack() as stack:
        store = await engines.open_store(settings, folder, clock, stack)
        files = await engines.open_files(settings, folder, stack)
        secret = settings.secret or (await shared_secret(store) if settings.mongodb_url else folder.secret())
        previous = (settings.secret_previous,) if settings.secret_previous else ()
        links = Links(secret, settings.link_ttl, previous=previous)
        yield Base(settings, clock, folder, store, files, Keys(store, clock), links, secret, previous)


@asynccontextmanager
async def open_existing(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Base]:
    """Open an existing store. Raises SettingsError, Unavailable, InvalidInput (the folder has no store).

    It is for commands that only read, or change what is there: a mistyped ``--data`` would otherwise create an empty
    store, and a repair would then empty the index.
    """
    folder = DataFolder(settings.data)
    if settings.mongodb_url is None and not await asyncio.to_thread(folder.database.is_file):
        near = DataFolder(folder.root / "data")  # as the demonstration has it
        hint = f" Did you mean {readable(near.root)}?" if await asyncio.to_thread(near.database.is_file) else ""
        raise InvalidInput(
            f"There is no Assetry store in {readable(folder.root)}.{hint}",
            field="--data",
            provided=readable(settings.data),
        )
    async with open_base(settings, clock) as base:
        yield base
