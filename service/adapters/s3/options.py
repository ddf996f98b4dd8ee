"""The options of the S3 adapter: endpoint, credentials and limits."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from service.errors import SettingsError
from service.ports.files import FRESH_SECONDS
from service.urls import fault, redacted

ENGINE = "files"
"""The port's name, used in Unavailable and the checks."""

URL = "ASSETRY_S3_URL"
PUBLIC_URL = "ASSETRY_S3_PUBLIC_URL"
BUCKET = "ASSETRY_S3_BUCKET"
ACCESS_KEY = "ASSETRY_S3_ACCESS_KEY"
SECRET_KEY = "ASSETRY_S3_SECRET_KEY"  # noqa: S105  # the setting's name
REGION = "ASSETRY_S3_REGION"
CA = "ASSETRY_S3_CA"

MIB = 1024 * 1024
MIN_PART, MAX_PARTS = 5 * MIB, 10_000
"""S3's limits: every part but the last has at least 5 MiB, and there are at most 10,000 parts."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class S3Options:
    """An endpoint, a bucket, credentials, and the limits within which one process uses them.

    ``url`` is ``http[s]://[ACCESS:SECRET@]host[:port]``; ``public_url`` is the address at which clients reach the same
    engine (None: they cannot, and no presigned URL is ever given out). The credentials are those given, otherwise those
    in the URL, otherwise those of AWS's standard chain: environment, web identity, ``~/.aws/credentials``, the
    instance's role. ``style`` is how a request addresses the bucket; ``auto`` means in the host name at AWS and in the
    path elsewhere.

    ``threads`` limits the concurrent requests, and again as many bodies of more than one MiB. Content of up to
    ``single`` bytes is sent in one request; larger content as a multipart upload with parts of ``part_size`` bytes (a
    multiple of one MiB, at least 5), ``concurrent_parts`` of them at a time. Content that exists already is sent again
    when it is more than ``fresh`` seconds old. In seconds: ``connect`` limits connecting, ``idle`` the time without a
    byte, ``stall`` the wait for a free thread while no request makes progress. ``scratch`` is the folder of temporary
    files; None means the system's.
    """

    url: str = field(repr=False)  # may contain the secret key
    bucket: str = "assetry"
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    region: str | None = None
    ca: Path | str | None = None
    public_url: str | None = None
    style: Literal["auto", "path", "virtual"] = "auto"
    threads: int = 16
    single: int = 128 * MIB
    part_size: int = 16 * MIB
    concurrent_parts: int = 3
    connect: float = 3.0
    idle: float = 30.0
    stall: float = 10.0
    fresh: float = FRESH_SECONDS
    scratch: Path | None = None

    @property
    def redacted(self) -> str:
        """The endpoint as shown in messages: without credentials."""
        return redacted(self.url)

    @property
    def keys(self) -> tuple[str, str] | None:
        """The access key and secret key given in the options or in the URL."""
        split = urlsplit(self.url)
        access = self.access_key or (unquote(split.username) if split.username else None)
        secret = self.secret_key or (unquote(split.password) if split.password else None)
        return (access, secret) if access and secret else None

    def checked(self) -> S3Options:
        """Return the options. Raises SettingsError for values that are invalid whatever the engine."""
        for setting, url in ((URL, self.url), (PUBLIC_URL, self.public_url)):
            if url is None:
                continue
            if wrong := fault(url, ("https://", "http://")) or _path_fault(url):
                raise SettingsError(setting, f"{wrong}, as in https://s3.example.org:9000.")
        split = urlsplit(self.url)
        incomplete = bool(split.username) != bool(split.password) or bool(self.access_key) != bool(self.secret_key)
        if incomplete:
            raise SettingsError(SECRET_KEY, f"set it together with {ACCESS_KEY}, or neither of them.")
        if not _BUCKET.fullmatch(self.bucket) or ".." in self.bucket:
            raise SettingsError(
                BUCKET, f"{self.bucket!r} is not a valid bucket name: use 3 to 63 of a-z, 0-9, - and . (inside only)."
            )
        if self.region is not None and not _REGION.fullmatch(self.region):
            raise SettingsError(REGION, f"{self.region[:80]!r} is not a valid region, such as eu-central-1.")
        if self.ca is not None and not Path(self.ca).is_file():
            raise SettingsError(CA, f"the file {self.ca} does not exist: name a file with PEM certificates.")
        return self


def _path_fault(url: str) -> str | None:
    split = urlsplit(url)
    if split.path.strip("/") or split.query or split.fragment:
        return f"must not contain a path or parameters after the host (the bucket is set by {BUCKET})"
    return None
