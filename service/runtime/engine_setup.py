"""What ``assetry db init`` does: the set-up of engines that keep data, planned and applied."""

from __future__ import annotations

from dataclasses import dataclass

from service.errors import SettingsError
from service.runtime import engines
from service.settings import Settings, variable


@dataclass(frozen=True, slots=True)
class SetupTask:
    """One thing to set up: the engine's port, what is made or changed, what is done with it, and how."""

    engine: str
    target: str
    action: str
    detail: str = ""


async def planned(settings: Settings) -> list[SetupTask]:
    """Return what :func:`applied` would do; nothing when all is set up. Raises SettingsError, Unavailable."""
    return await _documents(settings, dry_run=True) + await _bucket(settings, dry_run=True)


async def applied(settings: Settings) -> list[SetupTask]:
    """Set up what is missing and return it; doing so again does nothing. Raises SettingsError, Unavailable."""
    return await _documents(settings, dry_run=False) + await _bucket(settings, dry_run=False)


def names(settings: Settings) -> list[str]:
    """Return the places that are to be set up, as they may be shown."""
    held = {"mongodb_url": f"/{settings.mongodb_database}", "s3_url": f"/{settings.s3_bucket}"}
    return [engines.place(settings, name) + tail for name, tail in held.items() if getattr(settings, name)]


async def _documents(settings: Settings, *, dry_run: bool) -> list[SetupTask]:
    if settings.mongodb_url is None:
        return []
    from service.adapters.mongo import schema

    act = schema.plan if dry_run else schema.apply
    steps = await engines.answered(settings, "mongodb_url", act(engines.mongo_options(settings)), seconds=None)
    return [SetupTask("store", step.collection, step.action, step.detail) for step in steps]


async def _bucket(settings: Settings, *, dry_run: bool) -> list[SetupTask]:
    if settings.s3_url is None:
        return []
    task = SetupTask("files", settings.s3_bucket, "create bucket", engines.place(settings, "s3_url"))
    options = engines.s3_options(settings)
    if dry_run:
        from service.adapters.s3.files import S3Files

        try:
            async with S3Files(options):
                return []
        except SettingsError as error:
            if error.setting != variable("s3_bucket"):
                raise
            return [task]
    from service.adapters.s3.bucket import create_bucket

    return [task] if await engines.answered(settings, "s3_url", create_bucket(options)) else []
