"""What ``assetry doctor`` looks at on an S3 engine."""

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
from service.adapters.s3.send import MARKS
from service.adapters.s3.sweep import STAGES
from service.adapters.s3.threads import Threads
from service.errors import AssetryError, SettingsError
from service.ports.checks import Check, Health

SKEW_WARNING, SKEW_FAILED = 60.0, 900.0
"""Seconds between the clocks: a warning, and where S3 refuses every request."""

_NO_RULE = "no rule deletes files"
_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_SECONDS = 5.0  # without an answer, in each step


async def checks(options: S3Options) -> list[Check]:
    """Examine the engine as the service would use it; what could not be reached is a failed check, never an error.

    It writes, reads and deletes one tiny object below ``.marks/``, which the janitor would clear.
    """
    threads = Threads(1, options.patience, "s3-doctor")
    try:
        return await threads.run(_examine, options)
    finally:
        await threads.close()


def _examine(options: S3Options) -> list[Check]:
    done: list[Check] = []
    try:
        options.checked()
        credentials = provider(options)
        made = client(options, credentials, idle=_SECONDS)
        steps: list[tuple[str, Callable[[], Check]]] = [
            ("endpoint", lambda: _endpoint(options)),
            ("bucket", lambda: _bucket(made, options)),
            ("permissions", lambda: _round_trip(made, options)),
            ("multipart uploads", lambda: _multipart(made, options)),
            ("versioning", lambda: _versioning(made, options)),
            ("lifecycle", lambda: _lifecycle(made, options)),
            ("links for clients", lambda: _links(options)),
        ]
    except SettingsError as error:
        return [_failed("settings", error)]
    for name, step in steps:
        try:
            with at_start(options):
                done.append(step())
        except AssetryError as error:
            done.append(_failed(name, error))
            break  # what follows would only fail the same way
    return done


def _failed(name: str, error: AssetryError) -> Check:
    setting = error.setting if isinstance(error, SettingsError) else URL
    message = error.message.removeprefix(f"{setting}: ").removeprefix(f"{ENGINE}: ")
    found, _, fix = message.partition(": ")
    return Check(ENGINE, name, Health.FAILED, found, fix or "see the engine's own log", setting)


def _endpoint(options: S3Options) -> Check:
    """Ask without credentials: any answer will do, its Date tells the engine's clock."""
    pool: urllib3.PoolManager = connections(options, idle=_SECONDS)
    split = urlsplit(options.url)
    asked = datetime.now(UTC)
    answer = pool.request("GET", f"{split.scheme}://{split.netloc.rpartition('@')[2]}/", redirect=False)
    pool.clear()
    server = (answer.headers.get("server") or "an engine that does not say its name")[:60]
    try:
        theirs = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return Check(ENGINE, "endpoint", Health.OK, f"{server} at {options.shown}")
    skew = abs((theirs - asked).total_seconds())
    if skew < SKEW_WARNING:
        return Check(ENGINE, "endpoint", Health.OK, f"{server} at {options.shown}, clocks agree")
    health = Health.FAILED if skew >= SKEW_FAILED else Health.WARNING
    found = f"{server} at {options.shown}, the clocks differ by {skew:,.0f} s"
    return Check(ENGINE, "endpoint", health, found, "set both by NTP; past 900 s every request is refused", URL)


def _bucket(made: Minio, options: S3Options) -> Check:
    for _ in made._list_objects(options.bucket, max_keys=1):
        break
    region = made._get_region(options.bucket)
    return Check(ENGINE, "bucket", Health.OK, f"{options.bucket}, region {region}")


def _round_trip(made: Minio, options: S3Options) -> Check:
    key, content = f"{MARKS}doctor-{uuid.uuid4()}", b"assetry doctor"
    made._put_object(options.bucket, key, content, {})
    response = made.get_object(options.bucket, key)
    same = response.read() == content
    response.release_conn()
    made.remove_object(options.bucket, key)
    if same:
        return Check(ENGINE, "permissions", Health.OK, "put, get, list and delete")
    return Check(ENGINE, "permissions", Health.FAILED, "what was put is not what comes back", "check the engine", URL)


def _multipart(made: Minio, options: S3Options) -> Check:
    key = f"{MARKS}doctor-{uuid.uuid4()}"
    upload = made._create_multipart_upload(options.bucket, key, {})
    listed = made._list_multipart_uploads(options.bucket, prefix=key).uploads
    made._abort_multipart_upload(options.bucket, key, upload)
    if listed:
        return Check(ENGINE, "multipart uploads", Health.OK, "begun, listed and aborted")
    return Check(
        ENGINE,
        "multipart uploads",
        Health.WARNING,
        "uploads under way are not listed: what a killed process leaves is not found",
        "let the engine abort multipart uploads after two days (a lifecycle rule)",
        BUCKET,
    )


def _versioning(made: Minio, options: S3Options) -> Check:
    try:
        status = made.get_bucket_versioning(options.bucket).status
    except S3Error:
        return Check(ENGINE, "versioning", Health.OK, "the engine does not say")
    if status != ENABLED:
        return Check(ENGINE, "versioning", Health.OK, "off: what is deleted is gone")
    fix = "let a lifecycle rule expire noncurrent versions, or deleted files use space for ever"
    return Check(ENGINE, "versioning", Health.WARNING, "on: deleted files stay as old versions", fix, BUCKET)


def _lifecycle(made: Minio, options: S3Options) -> Check:
    # The library knows not every rule that engines take, and fails on those.
    try:
        answer = made._execute("GET", options.bucket, query_params={"lifecycle": ""})
    except S3Error as error:
        none = error.code == "NoSuchLifecycleConfiguration"
        return Check(ENGINE, "lifecycle", Health.OK, _NO_RULE if none else "the engine does not say")
    for rule in fromstring(answer.data.decode()).iterfind("{*}Rule"):
        if rule.findtext("{*}Status") == ENABLED and not _is_of_leftovers(rule) and (found := _harm(rule)):
            return Check(ENGINE, "lifecycle", Health.FAILED, found, "remove it: assets would lose their files", BUCKET)
    return Check(ENGINE, "lifecycle", Health.OK, _NO_RULE)


def _is_of_leftovers(rule: Element) -> bool:
    """Say whether a rule is only of what the janitor would remove, too."""
    prefixes = [prefix.text or "" for prefix in rule.iterfind(".//{*}Prefix")]
    return bool(prefixes) and all(prefix.startswith((MARKS, STAGES)) for prefix in prefixes)


def _harm(rule: Element) -> str | None:
    if rule.find("{*}Expiration/{*}Days") is not None or rule.find("{*}Expiration/{*}Date") is not None:
        return "a rule of the bucket deletes files by their age"
    if any(name.text in _ARCHIVES for name in rule.iterfind("{*}Transition/{*}StorageClass")):
        return "a rule of the bucket moves files to an archive, where they cannot be read at once"
    return None


def _links(options: S3Options) -> Check:
    if options.public_url is None:
        found = "clients cannot reach the engine: the service passes every byte"
        return Check(ENGINE, "links for clients", Health.OK, found)
    return Check(ENGINE, "links for clients", Health.OK, f"signed for {options.public_url}", "", PUBLIC_URL)
