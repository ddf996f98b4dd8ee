"""What ``assetry doctor`` looks at: every configured engine, and the machine."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable

from service.adapters.local import checks
from service.adapters.local.data_folder import DataFolder
from service.errors import AssetryError
from service.ports.checks import Check, Health
from service.runtime import engines
from service.settings import Settings, unknown, variable

log = logging.getLogger(__name__)

PATIENCE = 20.0
"""Seconds that the examination of one engine may take; each check in it has a shorter time of its own."""

Examination = Callable[[Settings], Awaitable[list[Check]]]


async def examined(settings: Settings) -> list[Check]:
    """Examine everything at once. An engine that is away is a failed check; it never raises."""
    found = await asyncio.gather(*(_bounded(*each, settings) for each in _chosen(settings)))
    return _local(settings) + [check for checks in found for check in checks]


def _chosen(settings: Settings) -> list[tuple[str, str, Examination]]:
    """Return (port, setting, examination) of each engine that is configured."""
    table: tuple[tuple[str, str, Examination], ...] = (
        ("store", "mongodb_url", _mongodb),
        ("search", "opensearch_url", _opensearch),
        ("files", "s3_url", _s3),
        ("jobs", "redis_url", _redis),
    )
    return [row for row in table if getattr(settings, row[1]) is not None]


async def _bounded(port: str, name: str, examination: Examination, settings: Settings) -> list[Check]:
    try:
        async with asyncio.timeout(PATIENCE):
            return await examination(settings)
    except AssetryError as error:
        setting = getattr(error, "setting", variable(name))
        found = error.message.removeprefix(f"{setting}: ")
        return [Check(port, "reachable", Health.FAILED, found, "see that it runs, or correct the setting", setting)]
    except TimeoutError:
        found = f"{engines.place(settings, name)}: no answer within {PATIENCE:g} s"
        return [
            Check(port, "reachable", Health.FAILED, found, "see that it runs and is not overloaded", variable(name))
        ]
    except Exception as error:  # a fault of one examination must not hide what the others found
        log.debug("the examination of %s failed", port, exc_info=True)
        found = f"the examination failed ({type(error).__name__})"
        return [Check(port, "examination", Health.FAILED, found, "see the log with ASSETRY_LOG_LEVEL=debug")]


def _local(settings: Settings) -> list[Check]:
    found = checks.machine() + _mistyped()
    if engines.needs_folder(settings):
        found += checks.data_folder(DataFolder(settings.data))
    found.append(_secret(settings))
    if settings.mongodb_url is None:
        found += checks.embedded_store()
    if settings.opensearch_url is None:
        found += checks.embedded_search()
        if settings.mongodb_url is not None:
            found.append(_lonely())
    if settings.mongodb_url is not None and settings.s3_url is None:
        found.append(_unshared())
    return found


def _mistyped() -> list[Check]:
    """Return what is set in the environment and read by nobody."""
    return [
        Check("machine", "settings", Health.WARNING, f"{name} is no setting", f"write {near}" if near else "unset it")
        for name, near in unknown(os.environ).items()
    ]


def _secret(settings: Settings) -> Check:
    kept = "kept in MongoDB" if settings.mongodb_url else "kept in the data folder"
    return Check("machine", "secret", Health.OK, "given" if settings.secret else f"{kept}, shared by all processes")


def _lonely() -> Check:
    found = "the embedded engine serves one process, although MongoDB could serve many"
    fix = "use an OpenSearch before more than one `assetry serve` is started"
    return Check("search", "sharing", Health.WARNING, found, fix, variable("opensearch_url"))


def _unshared() -> Check:
    found = "files are in a folder, although MongoDB could serve processes on several machines"
    fix = "use S3, or put the folder where all machines see it"
    return Check("files", "sharing", Health.WARNING, found, fix, variable("s3_url"))


async def _mongodb(settings: Settings) -> list[Check]:
    from service.adapters.mongo.checks import checks

    return await checks(engines.mongo_options(settings))


async def _opensearch(settings: Settings) -> list[Check]:
    from service.adapters.opensearch.checks import checks

    return await checks(engines.connection(settings), settings.index_prefix)


async def _s3(settings: Settings) -> list[Check]:
    from service.adapters.s3.checks import checks

    return await checks(engines.s3_options(settings))


async def _redis(settings: Settings) -> list[Check]:
    from service.adapters.redis.checks import checks

    return await checks(engines.redis_options(settings))
