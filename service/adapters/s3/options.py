"""Which S3 engine keeps the files, and how patient we are with it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from service.errors import SettingsError
from service.ports.files import FRESH_SECONDS
from service.urls import fault, shown

ENGINE = "files"
"""The port's name, as Unavailable and the checks show it."""

URL = "ASSETRY_S3_URL"
PUBLIC_URL = "ASSETRY_S3_PUBLIC_URL"
BUCKET = "ASSETRY_S3_BUCKET"
ACCESS_KEY = "ASSETRY_S3_ACCESS_KEY"
SECRET_KEY = "ASSETRY_S3_SECRET_KEY"  # noqa: S105  # the setting's name
REGION = "ASSETRY_S3_REGION"
CA = "ASSETRY_S3_CA"

MIB = 1024 * 1024
MIN_PART, MAX_PARTS = 5 * MIB, 10_000
"""What S3 takes: every part but the last is at least 5 MiB, and there are at most 10,000."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class S3Options:
    """An endpoint, a bucket, credentials, and the bounds of what one process does with them.

    ``url`` is ``http[s]://[ACCESS:SECRET@]host[:port]``, ``public_url`` the address at which clients reach the same
    engine (None: they cannot, and no link to it is ever given out). Credentials are those given, else the URL's, else
    those of AWS's standard chain: environment, web identity, ``~/.aws/credentials``, the machine's role. ``style`` is
    how the bucket is named in a request; ``auto`` puts it before the host at AWS and in the path elsewhere.

    ``threads`` is how many requests are under way at once, and as many bodies of more than a MiB besides. Content of up
    to ``single`` bytes goes in one request; of more, a part of the multipart upload has ``part_size`` bytes (a multiple
    of a MiB, 5 at least), and ``lanes`` of them travel at once for one file. What is there already is sent again when
    it is more than ``fresh`` seconds old. Seconds: ``connect`` for a connection, ``idle`` without a byte, ``patience``
    for a free thread while nothing moves. ``scratch`` is the folder of temporary files; None is the system's.
    """

    url: str = field(repr=False)  # it may hold the secret key
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
    lanes: int = 3
    connect: float = 3.0
    idle: float = 30.0
    patience: float = 10.0
    fresh: float = FRESH_SECONDS
    scratch: Path | None = None

    @property
    def shown(self) -> str:
        """The endpoint as messages show it: without credentials."""
        return shown(self.url)

    @property
    def keys(self) -> tuple[str, str] | None:
        """The access key and the secret key that were given, in the options or in the URL."""
        split = urlsplit(self.url)
        access = self.access_key or (unquote(split.username) if split.username else None)
        secret = self.secret_key or (unquote(split.password) if split.password else None)
        return (access, secret) if access and secret else None

    def checked(self) -> S3Options:
        """Return the options. Raises SettingsError for what cannot be right whatever the engine says."""
        for setting, url in ((URL, self.url), (PUBLIC_URL, self.public_url)):
            if url is None:
                continue
            if wrong := fault(url, ("https://", "http://")) or _beside_host(url):
                raise SettingsError(setting, f"{wrong}, as in https://s3.example.org:9000.")
        split = urlsplit(self.url)
        half = bool(split.username) != bool(split.password) or bool(self.access_key) != bool(self.secret_key)
        if half:
            raise SettingsError(SECRET_KEY, f"is needed with the access key: set {ACCESS_KEY} and {SECRET_KEY}.")
        if not _BUCKET.fullmatch(self.bucket) or ".." in self.bucket:
            raise SettingsError(BUCKET, f"{self.bucket!r} is no bucket's name: 3 to 63 of a-z, 0-9, - and . between.")
        if self.region is not None and not _REGION.fullmatch(self.region):
            raise SettingsError(REGION, f"{self.region[:80]!r} is no region: write it as in eu-central-1.")
        if self.ca is not None and not Path(self.ca).is_file():
            raise SettingsError(CA, f"there is no file {self.ca}: name one with certificates in PEM.")
        return self


def _beside_host(url: str) -> str | None:
    split = urlsplit(url)
    if split.path.strip("/") or split.query or split.fragment:
        return f"must hold no path or parameters after the host (the bucket is {BUCKET})"
    return None
