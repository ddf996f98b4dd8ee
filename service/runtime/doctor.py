"""The checks of ``assetry doctor``: every configured engine, and the machine."""

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

TIMEOUT = 20.0
"""Time limit for all checks of one engine, in seconds; each check has a shorter limit of its own."""

EngineChecks = Callable[[Settings], Awaitable[list[Check]]]


async def run_checks(settings: Settings) -> list[Check]:
    """Run all checks concurrently. Never raises: an engine that is down is a failed check."""
    found = await asyncio.gather(*(_run_with_timeout(*each, settings) for each in _chosen(settings)))
    return _local(settings) + [check for checks in found for check in checks]


def _chosen(settings: Settings) -> list[tuple[str, str, EngineChecks]]:
    """Return (port, setting, checks) of each configured engine."""
    table: tuple[tuple[str, str, EngineChecks], ...] = (
        ("store", "mongodb_url", _mongodb),
        ("search", "opensearch_url", _opensearch),
        ("files", "s3_url", _s3),
        ("jobs", "redis_url", _redis),
    )
    return [row for row in table if getattr(settings, row[1]) is not None]


async def _run_with_timeout(port: str, name: str, run: EngineChecks, settings: Settings) -> list[Check]:
    try:
        async with asyncio.timeout(TIMEOUT):
            return await run(settings)
    except AssetryError as error:
        setting = getattr(error, "setting", variable(name))
        found = error.message.removeprefix(f"{setting}: ")
        return [
            Check(port, "reachable", Health.FAILED, found, "check that it is running, or correct the setting", setting)
        ]
    except TimeoutError:
        found = f"{engines.display_url(settings, name)}: no response within {TIMEOUT:g} s"
        return [
            Check(
                port, "reachable", Health.FAILED, found, "check that it is running and not overloaded", variable(name)
            )
        ]
    except Exception as error:  # an unexpected error in one engine's checks must not hide the results of the others
        log.debug("the checks of %s failed", port, exc_info=True)
        found = f"the check failed ({type(error).__name__})"
        return [Check(port, "check", Health.FAILED, found, "see the log with ASSETRY_LOG_LEVEL=debug")]


def _local(settings: Settings) -> list[Check]:
    found = checks.machine() + _unknown_settings()
    if engines.needs_folder(settings):
        found += checks.data_folder(DataFolder(settings.data))
    found.append(_secret(settings))
    if settings.mongodb_url is None:
        found += checks.embedded_store()
    if settings.opensearch_url is None:
        found += checks.embedded_search()
        if settings.mongodb_url is not None:
            found.append(_embedded_engine_with_mongodb())
    if settings.mongodb_url is not None and settings.s3_url is None:
        found.append(_local_files_with_mongodb())
    return found


def _unknown_settings() -> list[Check]:
    """Return a warning for each variable in the environment that looks like a setting but is not."""
    return [
        Check("machine", "settings", Health.WARNING, f"{name} is not a setting", f"use {near}" if near else "unset it")
        for name, near in unknown(os.environ).items()
    ]


def _secret(settings: Settings) -> Check:
    stored = "stored in MongoDB" if settings.mongodb_url else "stored in the data folder"
    return Check("machine", "secret", Health.OK, "set" if settings.secret else f"{stored}, shared by all processes")


def _embedded_engine_with_mongodb() -> Check:
    found = "the embedded engine supports only one process, but MongoDB supports several"
    fix = "configure OpenSearch before running more than one `assetry serve`"
    return Check("search", "sharing", Health.WARNING, found, fix, variable("opensearch_url"))


def _local_files_with_mongodb() -> Check:
    found = "files are in a local folder, but MongoDB supports processes on several machines"
    fix = "use S3, or put the folder on storage shared by all machines"
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
    from service.adapters.jobs.redis_checks import checks

    return await checks(engines.redis_options(settings))
