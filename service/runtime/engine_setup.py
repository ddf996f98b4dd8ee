"""The setup of persistent engines, for ``assetry db init``: planned and applied."""

from __future__ import annotations

from dataclasses import dataclass

from service.errors import SettingsError
from service.runtime import engines
from service.settings import Settings, variable


@dataclass(frozen=True, slots=True)
class SetupTask:
    """One setup step: the port of the engine, the object to create or change, the action, and details."""

    engine: str
    target: str
    action: str
    detail: str = ""


async def plan(settings: Settings) -> list[SetupTask]:
    """Return what :func:`apply` would do; empty if everything is set up. Raises SettingsError, Unavailable."""
    return await _documents(settings, dry_run=True) + await _bucket(settings, dry_run=True)


async def apply(settings: Settings) -> list[SetupTask]:
    """Set up what is missing and return it; idempotent. Raises SettingsError, Unavailable."""
    return await _documents(settings, dry_run=False) + await _bucket(settings, dry_run=False)


def names(settings: Settings) -> list[str]:
    """Return the URLs of the databases and buckets to set up, for display."""
    held = {"mongodb_url": f"/{settings.mongodb_database}", "s3_url": f"/{settings.s3_bucket}"}
    return [engines.display_url(settings, name) + tail for name, tail in held.items() if getattr(settings, name)]


async def _documents(settings: Settings, *, dry_run: bool) -> list[SetupTask]:
    if settings.mongodb_url is None:
        return []
    from service.adapters.mongo import schema

    act = schema.plan if dry_run else schema.apply
    steps = await engines.wait_for_engine(settings, "mongodb_url", act(engines.mongo_options(settings)), seconds=None)
    return [SetupTask("store", step.collection, step.action, step.detail) for step in steps]


async def _bucket(settings: Settings, *, dry_run: bool) -> list[SetupTask]:
    if settings.s3_url is None:
        return []
    task = SetupTask("files", settings.s3_bucket, "create bucket", engines.display_url(settings, "s3_url"))
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

    return [task] if await engines.wait_for_engine(settings, "s3_url", create_bucket(options)) else []
