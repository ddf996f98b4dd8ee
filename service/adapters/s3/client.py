"""The S3 client: built from the options, with timeouts, and with the credentials of AWS's standard chain."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.credentials.credentials import Credentials
from minio.credentials.providers import (
    AWSConfigProvider,
    ChainedProvider,
    EnvAWSProvider,
    IamAwsProvider,
    Provider,
    StaticProvider,
)
from urllib3.exceptions import HTTPError
from urllib3.util import Retry, Timeout

from service.adapters.s3.connections import connections
from service.adapters.s3.errors import NoCredentials
from service.adapters.s3.options import URL, S3Options
from service.errors import SettingsError

CONTENT_SHA256 = "X-Amz-Content-Sha256"
"""The header with the SHA-256 of a request's body, in hexadecimal; it is signed, and engines verify it."""

_CREDENTIALS_SECONDS = 2.0  # for a cloud's instance metadata service; elsewhere there is none


class _Chain(Provider):
    """AWS's standard chain. Its last link uses the network, which fails in more ways than the library expects."""

    def __init__(self, region: str | None) -> None:
        timeout = Timeout(connect=_CREDENTIALS_SECONDS / 2, read=_CREDENTIALS_SECONDS)
        http = urllib3.PoolManager(timeout=timeout, retries=Retry(total=0))
        self._chain = ChainedProvider(
            [EnvAWSProvider(), AWSConfigProvider(), IamAwsProvider(http_client=http, region=region)]
        )

    def retrieve(self) -> Credentials:
        """Return credentials that are currently valid. Raises NoCredentials. Blocking."""
        try:
            return self._chain.retrieve()
        except (ValueError, KeyError, OSError, SyntaxError, HTTPError) as error:
            raise NoCredentials from error


class _Client(Minio):
    """The library's client, except for a body's hash: the library reads the whole body for it; we know it already.

    An ``X-Amz-Content-Sha256`` among a request's headers is used as it is, also over https, where the library would
    send an MD5 instead; the body may then be anything that urllib3 can send, if its ``Content-Length`` is given.
    """

    def _build_headers(
        self,
        host: str,
        headers: dict[str, Any] | None = None,
        body: bytes | None = None,
        creds: Credentials | None = None,
    ) -> tuple[dict[str, Any], datetime]:
        known = (headers or {}).get(CONTENT_SHA256)
        made, date = super()._build_headers(host, headers, body if known is None else None, creds)
        if known is not None:
            made = {name: value for name, value in made.items() if name.lower() != CONTENT_SHA256.lower()}
            made[CONTENT_SHA256.lower()] = known
        return made, date


def provider(options: S3Options) -> Provider:
    """Return the source of credentials: those in the options or their URL, otherwise AWS's standard chain."""
    keys = options.keys
    return StaticProvider(*keys) if keys else _Chain(options.region)


def client(options: S3Options, credentials: Provider, *, idle: float | None = None) -> Minio:
    """Return a client of the endpoint, which connects on its first request. Raises SettingsError.

    ``idle`` replaces the options' limit of seconds without an answer.
    """
    region = options.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return _build(options.url, options, credentials, region, connections(options, idle=idle))


def signer(options: S3Options, credentials: Provider, region: str) -> Minio | None:
    """Return a client that signs URLs for the public address, or None if there is none. It sends nothing."""
    if options.public_url is None:
        return None
    return _build(options.public_url, options, credentials, region, connections(options))


def _build(url: str, options: S3Options, credentials: Provider, region: str | None, pool: urllib3.PoolManager) -> Minio:
    split = urlsplit(url)
    host = split.netloc.rpartition("@")[2]
    try:
        made = _Client(host, secure=split.scheme == "https", region=region, credentials=credentials, http_client=pool)
    except ValueError as error:
        raise SettingsError(URL, f"{host} is not a valid S3 endpoint, such as s3.example.org:9000.") from error
    if options.style == "virtual":
        made.enable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
    elif options.style == "path":
        made.disable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
    return made
