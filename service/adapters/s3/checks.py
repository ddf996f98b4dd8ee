"""Checks of an S3 engine for ``assetry doctor``."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

import urllib3
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]
from minio import Minio
from minio.commonconfig import ENABLED
from minio.error import S3Error

from service.adapters.s3.client import client, provider
from service.adapters.s3.connections import connections
from service.adapters.s3.errors import at_start
from service.adapters.s3.options import BUCKET, ENGINE, PUBLIC_URL, URL, S3Options
from service.adapters.s3.send import MARKERS
from service.adapters.s3.sweep import STAGES
from service.adapters.s3.threads import Threads
from service.errors import AssetryError, SettingsError
from service.ports.checks import Check, Health

SKEW_WARNING, SKEW_FAILED = 60.0, 900.0
"""Seconds of clock skew that cause a warning, and beyond which S3 refuses every request."""

_NO_RULE = "no rule deletes files"
_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_SECONDS = 5.0  # to wait for an answer in each step


async def checks(options: S3Options) -> list[Check]:
    """Check the engine as the service would use it; an engine that cannot be reached is a failed check, not an error.

    Writes, reads and deletes one tiny object below ``.marks/``, which the sweeper would remove if it were left behind.
    """
    threads = Threads(1, options.stall, "s3-doctor")
    try:
        return await threads.run(_examine, options)
    finally:
        await threads.close()


def _examine(options: S3Options) -> list[Check]:
    done: list[Check] = []
    try:
        options.checked()
        credentials = provider(options)
        s3 = client(options, credentials, idle=_SECONDS)
        steps: list[tuple[str, Callable[[], Check]]] = [
            ("endpoint", lambda: _endpoint(options)),
            ("bucket", lambda: _bucket(s3, options)),
            ("permissions", lambda: _round_trip(s3, options)),
            ("multipart uploads", lambda: _multipart(s3, options)),
            ("versioning", lambda: _versioning(s3, options)),
            ("lifecycle", lambda: _lifecycle(s3, options)),
            ("presigned URLs", lambda: _presigned_urls(options)),
        ]
    except SettingsError as error:
        return [_failed("settings", error)]
    for name, step in steps:
        try:
            with at_start(options):
                done.append(step())
        except AssetryError as error:
            done.append(_failed(name, error))
            break  # the following checks would fail in the same way
    return done


def _failed(name: str, error: AssetryError) -> Check:
    setting = error.setting if isinstance(error, SettingsError) else URL
    message = error.message.removeprefix(f"{setting}: ").removeprefix(f"{ENGINE}: ")
    found, _, fix = message.partition(": ")
    return Check(ENGINE, name, Health.FAILED, found, fix or "check the engine's log", setting)


def _endpoint(options: S3Options) -> Check:
    """Send a request without credentials: any answer will do, and its Date header gives the engine's clock."""
    pool: urllib3.PoolManager = connections(options, idle=_SECONDS)
    split = urlsplit(options.url)
    asked = datetime.now(UTC)
    answer = pool.request("GET", f"{split.scheme}://{split.netloc.rpartition('@')[2]}/", redirect=False)
    server = (answer.headers.get("server") or "an unnamed engine")[:60]
    server = (answer.headers.get("server") or "an engine that does not say its name")[:60]
    try:
        theirs = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return Check(ENGINE, "endpoint", Health.OK, f"{server} at {options.redacted}")
    skew = abs((theirs - asked).total_seconds())
    if skew < SKEW_WARNING:
        return Check(ENGINE, "endpoint", Health.OK, f"{server} at {options.redacted}, clocks in sync")
    health = Health.FAILED if skew >= SKEW_FAILED else Health.WARNING
    found = f"{server} at {options.redacted}, the clocks differ by {skew:,.0f} s"
    return Check(ENGINE, "endpoint", health, found, "synchronize both by NTP; beyond 900 s all requests fail", URL)


def _bucket(s3: Minio, options: S3Options) -> Check:
    for _ in s3._list_objects(options.bucket, max_keys=1):
        break
    region = s3._get_region(options.bucket)
    return Check(ENGINE, "bucket", Health.OK, f"{options.bucket}, region {region}")


def _round_trip(s3: Minio, options: S3Options) -> Check:
    key, content = f"{MARKERS}doctor-{uuid.uuid4()}", b"assetry doctor"
    s3._put_object(options.bucket, key, content, {})
    response = s3.get_object(options.bucket, key)
    same = response.read() == content
    response.release_conn()
    s3.remove_object(options.bucket, key)
    if same:
        return Check(ENGINE, "permissions", Health.OK, "put, get, list and delete")
    return Check(ENGINE, "permissions", Health.FAILED, "read back something else than written", "check the engine", URL)


def _multipart(s3: Minio, options: S3Options) -> Check:
    key = f"{MARKERS}doctor-{uuid.uuid4()}"
    upload = s3._create_multipart_upload(options.bucket, key, {})
    listed = s3._list_multipart_uploads(options.bucket, prefix=key).uploads
    s3._abort_multipart_upload(options.bucket, key, upload)
    if listed:
        return Check(ENGINE, "multipart uploads", Health.OK, "created, listed and aborted")
    return Check(
        ENGINE,
        "multipart uploads",
        Health.WARNING,
        "uploads in progress are not listed, so those of a killed process cannot be removed",
        "add a lifecycle rule that aborts incomplete multipart uploads after two days",
        BUCKET,
    )


def _versioning(s3: Minio, options: S3Options) -> Check:
    try:
        status = s3.get_bucket_versioning(options.bucket).status
    except S3Error:
        return Check(ENGINE, "versioning", Health.OK, "the engine does not report it")
    if status != ENABLED:
        return Check(ENGINE, "versioning", Health.OK, "off: deleted files free their space")
    fix = "add a lifecycle rule that expires noncurrent versions, or deleted files use space forever"
    return Check(ENGINE, "versioning", Health.WARNING, "on: deleted files are kept as old versions", fix, BUCKET)


def _lifecycle(s3: Minio, options: S3Options) -> Check:
    # The library does not know every rule that engines accept, and fails on the others.
    try:
        answer = s3._execute("GET", options.bucket, query_params={"lifecycle": ""})
    except S3Error as error:
        none = error.code == "NoSuchLifecycleConfiguration"
        return Check(ENGINE, "lifecycle", Health.OK, _NO_RULE if none else "the engine does not report it")
    for rule in fromstring(answer.data.decode()).iterfind("{*}Rule"):
        if rule.findtext("{*}Status") == ENABLED and not _only_leftovers(rule) and (found := _harm_done(rule)):
            return Check(
                ENGINE, "lifecycle", Health.FAILED, found, "remove it, or assets will lose their files", BUCKET
            )
    return Check(ENGINE, "lifecycle", Health.OK, _NO_RULE)


def _only_leftovers(rule: Element) -> bool:
    """Whether a rule only affects what the sweeper would remove too."""
    prefixes = [prefix.text or "" for prefix in rule.iterfind(".//{*}Prefix")]
    return bool(prefixes) and all(prefix.startswith((MARKERS, STAGES)) for prefix in prefixes)


def _harm_done(rule: Element) -> str | None:
    if rule.find("{*}Expiration/{*}Days") is not None or rule.find("{*}Expiration/{*}Date") is not None:
        return "a rule of the bucket deletes files by age"
    if any(name.text in _ARCHIVES for name in rule.iterfind("{*}Transition/{*}StorageClass")):
        return "a rule of the bucket moves files to an archive, where they are not readable at once"
    return None


def _presigned_urls(options: S3Options) -> Check:
    if options.public_url is None:
        found = "clients cannot reach the engine, so the service transfers every byte"
        return Check(ENGINE, "presigned URLs", Health.OK, found)
    return Check(ENGINE, "presigned URLs", Health.OK, f"signed for {options.public_url}", "", PUBLIC_URL)
