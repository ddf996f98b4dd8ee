"""Every setting, as one described table. ``docs/ref-settings.md`` is generated from it.

Values come from the environment (``ASSETRY_…``), then from the command line's options, which win. Nothing is read
at import. What may hold a password is left out of ``repr`` and of every message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.errors import SettingsError
from service.urls import UNIX, fault, split_hosts

PREFIX = "ASSETRY_"

SCHEMES: dict[str, tuple[str, ...]] = {
    "mongodb_url": ("mongodb://", "mongodb+srv://"),
    "s3_url": ("https://", "http://"),
    "s3_public_url": ("https://", "http://"),
    "redis_url": ("redis://", "rediss://", UNIX),
}
"""What the URL of an engine starts with; OpenSearch's may be several and has a check of its own."""

TOGETHER: tuple[tuple[str, str], ...] = (
    ("s3_access_key", "s3_secret_key"),
    ("opensearch_user", "opensearch_password"),
)
"""Settings that are worth nothing without each other."""

_PEM = "-----BEGIN"
"""What the content of a certificate's file starts with, and a private key's."""

_LINK = "tcp://"
"""What Kubernetes' variables ``<SERVICE>_PORT`` start with."""

_LONGEST = 100
"""Characters of a wrong value that a message shows."""

SERVICE = "The service"
DOCUMENTS = "Documents: MongoDB, else SQLite in the data folder"
SEARCH = "Search: OpenSearch, else the embedded engine"
FILES = "Files: S3, else the data folder"
JOBS = "Jobs, rate limits and replies: Redis, else each process for itself"
LIMITS = "Limits"


def _setting(group: str, description: str, *, secret: bool = False, **limits: Any) -> Any:
    """Describe a setting: its group, what it does in which unit, and the values that it takes."""
    return Field(description=description, repr=not secret, json_schema_extra={"group": group}, **limits)


class Settings(BaseSettings):
    """What an operator can choose. Each field's description says what it does, in which unit."""

    # An empty variable is what compose files make of an unset one.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    data: Annotated[
        Path, _setting(SERVICE, "Folder of the embedded store, the files and the signing secret; unused without them.")
    ] = Path("assetry-data")
    host: Annotated[str, _setting(SERVICE, "Address that the service listens on.")] = "127.0.0.1"
    port: Annotated[int, _setting(SERVICE, "Port that the service listens on; 0 takes a free one.", ge=0, le=65535)] = (
        8080
    )
    ops_port: Annotated[
        int | None,
        _setting(
            SERVICE,
            "Port on which `assetry index follow` and `assetry work` answer `/healthz`, `/readyz` and `/metrics`; "
            "0 takes a free one; unset: none.",
            ge=0,
            le=65535,
        ),
    ] = None
    public_url: Annotated[
        str | None,
        _setting(
            SERVICE,
            "Base of URLs in answers, such as `https://assets.example.org`; unset: the request's host.",
            pattern=r"^https?://[^/\s]+(/[^\s]*[^/\s])?$",
        ),
    ] = None
    secret: Annotated[
        str | None,
        _setting(
            SERVICE,
            "Signs links, cursors and tokens, 32 characters or more; unset: one that is kept in MongoDB, so that all "
            "processes share it, or in the data folder.",
            secret=True,
            min_length=32,
        ),
    ] = None
    request_seconds: Annotated[
        float,
        _setting(
            SERVICE,
            "How long a request that has arrived may take to be answered, in seconds; uploads and downloads excepted.",
            ge=31,
            le=3600,
        ),
    ] = 60.0
    shutdown_seconds: Annotated[
        float,
        _setting(
            SERVICE,
            "How long requests, and then jobs, have to finish when the service is told to stop, in seconds.",
            ge=0,
            le=3600,
        ),
    ] = 20.0
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _setting(SERVICE, "What is logged at least.")
    ] = "info"
    log_format: Annotated[
        Literal["json", "text"], _setting(SERVICE, "`json`: an object a line; `text`: for people's eyes.")
    ] = "json"

    mongodb_url: Annotated[
        str | None,
        _setting(
            DOCUMENTS,
            "A MongoDB replica set (one member will do): `mongodb://user:password@host:27017/?replicaSet=rs0`. "
            "`assetry db init` sets it up.",
            secret=True,
        ),
    ] = None
    mongodb_database: Annotated[str, _setting(DOCUMENTS, "Name of the database.", pattern=r"^[A-Za-z0-9_-]{1,38}$")] = (
        "assetry"
    )
    mongodb_timeout: Annotated[
        float, _setting(DOCUMENTS, "How long an operation may take, in seconds.", gt=0, le=60)
    ] = 5.0
    mongodb_threads: Annotated[
        int, _setting(DOCUMENTS, "Operations under way at once in one process; each takes a thread.", ge=4, le=512)
    ] = 32

    opensearch_url: Annotated[
        str | None,
        _setting(
            SEARCH,
            "An OpenSearch, `https://user:password@host:9200`; several nodes of one cluster by commas. Unset: the "
            "embedded engine, a child of `assetry serve` with its index in memory.",
            secret=True,
        ),
    ] = None
    opensearch_user: Annotated[str | None, _setting(SEARCH, "User, where the URL names none.", min_length=1)] = None
    opensearch_password: Annotated[str | None, _setting(SEARCH, "The user's password.", secret=True)] = None
    opensearch_ca: Annotated[
        Path | None, _setting(SEARCH, "File of the certificate authority that signed the engine's certificate (PEM).")
    ] = None
    opensearch_verify: Annotated[
        bool, _setting(SEARCH, "Whether the engine's certificate is checked; only for trying should it not be.")
    ] = True
    opensearch_client_cert: Annotated[
        Path | None, _setting(SEARCH, "File of the certificate by which Assetry shows who it is (PEM).")
    ] = None
    opensearch_client_key: Annotated[
        Path | None, _setting(SEARCH, "File of that certificate's key; unset: it is in the same file.")
    ] = None
    opensearch_compress: Annotated[
        bool, _setting(SEARCH, "Whether bodies are compressed, which pays where the engine is far away.")
    ] = False
    index_prefix: Annotated[
        str,
        _setting(SEARCH, "What the names of indexes and the alias start with.", pattern=r"^[a-z][a-z0-9_-]{0,63}$"),
    ] = "assets"
    index_shards: Annotated[int, _setting(SEARCH, "Primary shards of a new index.", ge=1, le=1024)] = 1
    index_replicas: Annotated[
        int, _setting(SEARCH, "Copies of each shard; 1 or more on a cluster of several nodes.", ge=0, le=16)
    ] = 0
    index_refresh: Annotated[
        str,
        _setting(
            SEARCH,
            "How often new documents become searchable, in the engine's time units.",
            pattern=r"^[1-9][0-9]*(ms|s)$",
        ),
    ] = "500ms"
    index_batch: Annotated[int, _setting(SEARCH, "Documents in one bulk request at most.", ge=1, le=10_000)] = 500
    index_verify_hours: Annotated[
        float,
        _setting(
            SEARCH,
            "How often the indexer compares the whole index with the store, in hours; 0: never. What differs goes to "
            "the log and to `/metrics`.",
            ge=0,
            le=8760,
        ),
    ] = 24.0
    index_epoch: Annotated[
        int,
        _setting(
            SEARCH,
            "Raise it by one when the documents are restored from a backup and the index is kept: what was lost then "
            "never wins over what was restored.",
            ge=0,
            le=2**20,
        ),
    ] = 0

    s3_url: Annotated[
        str | None,
        _setting(
            FILES, "An S3 endpoint, such as `https://s3.eu-central-1.amazonaws.com` or a MinIO's URL.", secret=True
        ),
    ] = None
    s3_public_url: Annotated[
        str | None,
        _setting(
            FILES, "Address at which clients reach the same engine; unset: they cannot, and files go through the API."
        ),
    ] = None
    s3_bucket: Annotated[
        str,
        _setting(FILES, "The bucket; `assetry db init` makes it.", pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"),
    ] = "assetry"
    s3_access_key: Annotated[
        str | None,
        _setting(
            FILES,
            "Access key, where the URL holds none; unset: by the standard chain of AWS (environment, files, role).",
            min_length=1,
        ),
    ] = None
    s3_secret_key: Annotated[str | None, _setting(FILES, "The access key's secret.", secret=True, min_length=1)] = None
    s3_region: Annotated[str | None, _setting(FILES, "Region; unset: the endpoint is asked.", min_length=1)] = None
    s3_timeout: Annotated[
        float,
        _setting(
            FILES,
            "How long the engine may send nothing, or take nothing of a body, in seconds.",
            ge=1,
            le=60,
        ),
    ] = 30.0
    s3_ca: Annotated[
        Path | None, _setting(FILES, "File of the certificate authority that signed the endpoint's certificate (PEM).")
    ] = None

    redis_url: Annotated[
        str | None,
        _setting(JOBS, "A Redis, `redis://:password@host:6379/0`, `rediss://…` for TLS, `unix:///path`.", secret=True),
    ] = None
    redis_prefix: Annotated[
        str,
        _setting(
            JOBS,
            "What the names of keys start with; installations that share a Redis need one each.",
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        ),
    ] = "assetry"
    jobs_concurrency: Annotated[int, _setting(JOBS, "Jobs under way at once in one process.", ge=1, le=256)] = 2

    json_limit: Annotated[int, _setting(LIMITS, "Largest JSON request body, in bytes.", ge=1024)] = 1024 * 1024
    upload_limit: Annotated[int, _setting(LIMITS, "Largest uploaded file, in bytes.", ge=1024)] = 5 * 1024**3
    link_ttl: Annotated[
        int, _setting(LIMITS, "How long a signed file link is good at least, in seconds.", ge=60, le=7 * 86_400)
    ] = 86_400
    ingest_workers: Annotated[
        int,
        _setting(
            LIMITS, "Worker processes that read and render files; 0: one a core that the process may use.", ge=0, le=64
        ),
    ] = 0

    @field_validator("port", "ops_port", mode="before")
    @classmethod
    def _is_no_link(cls, value: object, info: ValidationInfo) -> object:
        """Pass over what Kubernetes sets for every container beside a service named ``assetry`` or ``assetry-ops``."""
        return cls.model_fields[str(info.field_name)].default if str(value).startswith(_LINK) else value

    @field_validator(*SCHEMES)
    @classmethod
    def _is_url(cls, value: str | None, info: ValidationInfo) -> str | None:
        """Check the URL of an engine."""
        if value is not None and (wrong := fault(value, SCHEMES[str(info.field_name)])):
            raise ValueError(wrong)
        return value

    @field_validator("opensearch_url")
    @classmethod
    def _are_hosts(cls, value: str | None) -> str | None:
        """Check the URLs of a cluster."""
        if value is not None:
            split_hosts(value)
        return value

    @field_validator("opensearch_ca", "opensearch_client_cert", "opensearch_client_key", "s3_ca")
    @classmethod
    def _is_file(cls, value: Path | None) -> Path | None:
        """Check that a certificate file is there."""
        if value is None:
            return None
        if _PEM in str(value):
            raise ValueError("takes the name of a file, not what is in it")
        try:
            there = value.is_file()
        except OSError as error:  # such as a folder on the way that may not be entered
            raise ValueError(f"the file cannot be looked at ({error.strerror})") from None
        if not there:
            raise ValueError("there is no such file")
        return value

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        """Refuse half of what belongs together, and credentials that are given twice."""
        for name, partner in TOGETHER:
            given, other = getattr(self, name) is not None, getattr(self, partner) is not None
            if given != other:
                missing, there = (partner, name) if given else (name, partner)
                raise SettingsError(variable(missing), f"is unset although {variable(there)} is set: set both.")
        if self.opensearch_user and self.opensearch_url and split_hosts(self.opensearch_url).user:
            raise SettingsError(variable("opensearch_user"), "the URL holds a user already: give one of them.")
        return self


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + name.upper()


_FOREIGN = re.compile(
    r"(TEST|FAULT|MODEL)_"  # the tests
    r"|(BIND|PORTS|VERSION)$"  # compose.yaml, in the same `.env` as settings
    r"|(.+_)?(SERVICE_(HOST|PORT)|PORT_\d+_)"  # Kubernetes, for each service whose name starts with `assetry`
)
"""Names that others read or make."""


def unknown(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Return the variables that look like settings and are none, each with the setting that is nearest by its name.

    A name that is mistyped would else be as good as unset: the documents in a file instead of the database.
    """
    found: dict[str, str | None] = {}
    for name, value in sorted(environment.items()):
        bare = name.upper().removeprefix(PREFIX)
        if not name.upper().startswith(PREFIX) or bare.lower() in Settings.model_fields:
            continue
        if not value or value.startswith(_LINK) or _FOREIGN.match(bare):
            continue
        near = get_close_matches(bare.lower(), Settings.model_fields, n=1)
        found[name] = variable(near[0]) if near else None
    return found


def load(**overrides: object) -> Settings:
    """Read the settings from the environment; ``overrides`` that are not None win.

    Raises:
        SettingsError: a value is wrong; the message names the variable and what it takes.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "?"
        field = Settings.model_fields.get(name)
        message = first["msg"].removeprefix("Value error, ")
        shown = _shown(first.get("input")) if field is not None and field.repr else ""
        doc = field.description if field is not None else ""
        raise SettingsError(variable(name), f"{message}{shown}. {doc}") from None


def _shown(value: object) -> str:
    """Return a wrong value as a message may show it: not whole if it is long, not at all if it may be a key."""
    text = str(value)
    if _PEM in text:
        return ""
    return f", not {text!r}" if len(text) <= _LONGEST else f", not {text[:_LONGEST]!r} …"


def render_reference() -> str:
    """Return ``docs/ref-settings.md``: a table of every setting, by group."""
    rows = [
        "# Settings",
        "",
        "Generated from `service/settings.py` by `scripts/docs`; do not edit.",
        "",
        "Each is an environment variable; options of the command line with the same name win over it. Each engine is",
        "chosen by its URL, on its own; `assetry doctor` examines those that are chosen. A variable `ASSETRY_…` that",
        "is none of these is said by `assetry doctor`, and in the log of every process that starts.",
    ]
    for group, fields in groupby(Settings.model_fields.items(), lambda item: _group(item[1])):
        rows += ["", f"## {group}", "", "| variable | default | what it does |", "|---|---|---|"]
        for name, field in fields:
            default = "unset" if field.default is None else f"`{field.default}`"
            rows.append(f"| `{variable(name)}` | {default} | {field.description} |")
    return "\n".join(rows) + "\n"


def _group(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    assert isinstance(extra, dict)
    return str(extra["group"])
