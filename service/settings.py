"""All settings in one documented table. ``docs/ref-settings.md`` is generated from it.

Values come from the environment (``ASSETRY_…``); command-line options take precedence. Nothing is read at import.
Values that may contain a password are left out of ``repr`` and of every message.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from mappings.stemming import LANGUAGES
from service.errors import SettingsError
from service.urls import UNIX, fault, split_hosts

PREFIX = "ASSETRY_"

SCHEMES: dict[str, tuple[str, ...]] = {
    "mongodb_url": ("mongodb://", "mongodb+srv://"),
    "s3_url": ("https://", "http://"),
    "s3_public_url": ("https://", "http://"),
    "redis_url": ("redis://", "rediss://", UNIX),
}
"""The schemes allowed for each engine's URL; OpenSearch can have several URLs and is checked separately."""

TOGETHER: tuple[tuple[str, str], ...] = (
    ("s3_access_key", "s3_secret_key"),
    ("opensearch_user", "opensearch_password"),
)
"""Settings that must be set together."""

ROLES = ("api", "indexer", "worker")
"""What a process can run."""

OPTIONS = {"data": "--data", "host": "--host", "port": "--port", "ops_port": "--port", "roles": "--roles"}
"""Settings that are also options of commands, by the name that the option has there."""

_PEM = "-----BEGIN"
"""The start of a certificate or private key in PEM format."""

_KUBERNETES_LINK = "tcp://"
"""The start of the ``<SERVICE>_PORT`` variables that Kubernetes sets."""

FROM_FILE = "_FILE"
"""The end of the name of a variable that names a file with a secret, instead of holding it."""

_MAX_SHOWN = 100
"""The number of characters of an invalid value shown in a message."""

SERVICE = "Service"
DOCUMENTS = "Documents: MongoDB, or SQLite in the data folder"
SEARCH = "Search: OpenSearch, or the embedded engine"
FILES = "Files: S3, or the data folder"
JOBS = "Jobs, rate limits and stored replies: Redis, or the store and process memory"
LIMITS = "Limits"
EVENTS = "Events and usage"


def _setting(group: str, description: str, *, secret: bool = False, **limits: Any) -> Any:
    """Describe a setting: its group, its effect and unit, and the values it accepts."""
    return Field(description=description, repr=not secret, json_schema_extra={"group": group}, **limits)


class Settings(BaseSettings):
    """The settings of a process. The description of each field says what it does and in which unit."""

    # Compose files turn an unset variable into an empty one.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    _options: frozenset[str] = PrivateAttr(default=frozenset())

    data: Annotated[
        Path,
        _setting(
            SERVICE,
            "Folder of the embedded store, the files and the signing secret; unused if all of these are elsewhere.",
        ),
    ] = Path("assetry-data")
    host: Annotated[str, _setting(SERVICE, "Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, _setting(SERVICE, "Port to listen on; 0 picks a free one.", ge=0, le=65535)] = 8080
    ops_port: Annotated[
        int | None,
        _setting(
            SERVICE,
            "Port on which `assetry index follow` and `assetry work` serve `/healthz`, `/readyz` and `/metrics`; "
            "0 picks a free one. Unset: no port.",
            ge=0,
            le=65535,
        ),
    ] = None
    roles: Annotated[
        str | None,
        _setting(
            SERVICE,
            "What `assetry serve` runs, comma-separated: `api`, and `indexer` and `worker` if they have no processes "
            "of their own. Unset: all three on SQLite; otherwise the indexer only with the embedded search engine, and "
            "the worker only without Redis.",
        ),
    ] = None
    public_url: Annotated[
        str | None,
        _setting(
            SERVICE,
            "Base of the URLs in responses, such as `https://assets.example.org`. Unset: the host of the request.",
            pattern=r"^https?://[^/\s]+(/[^\s]*[^/\s])?$",
        ),
    ] = None
    secret: Annotated[
        str | None,
        _setting(
            SERVICE,
            "Secret that signs links, cursors and tokens; at least 32 characters. Unset: a generated secret, stored in "
            "MongoDB and shared by all processes, or in the data folder.",
            secret=True,
            min_length=32,
        ),
    ] = None
    connections: Annotated[
        int,
        _setting(
            SERVICE,
            "Client connections open at once in one process. One more closes the one that has waited longest for a "
            "request, or gets 503 when all are busy.",
            ge=16,
            le=100_000,
        ),
    ] = 1000
    trusted_proxies: Annotated[
        str,
        _setting(
            SERVICE,
            "Addresses or networks of reverse proxies, comma-separated, whose `X-Forwarded-For` and "
            "`X-Forwarded-Proto` count: without them every client of a proxy has the proxy's address.",
        ),
    ] = "127.0.0.1"
    secret_previous: Annotated[
        str | None,
        _setting(
            SERVICE,
            "The secret before this one. Links, cursors and tokens signed with it stay good: set it for as long as "
            "links live when you change the secret.",
            secret=True,
            min_length=32,
        ),
    ] = None
    allowed_hosts: Annotated[
        str,
        _setting(
            SERVICE,
            "Host names, comma-separated, that links in responses may start with when the public URL is unset: "
            "`assets.example.org,*.example.net`, or `*` for any. For a request to another host than these, "
            "`localhost` or the address it arrived at, links are paths without a host.",
        ),
    ] = ""
    cors_origins: Annotated[
        str,
        _setting(
            SERVICE,
            "Origins, comma-separated, whose pages may call the API in a browser: `https://app.example.org`, or `*` "
            "for any. Empty: none.",
            pattern=r"^(\*|(https?://[^\s,/*]+)(\s*,\s*https?://[^\s,/*]+)*)?$",
        ),
    ] = ""
    request_seconds: Annotated[
        float,
        _setting(
            SERVICE,
            "Time limit for handling a request, in seconds; uploads and downloads are exempt.",
            ge=31,
            le=3600,
        ),
    ] = 60.0
    shutdown_seconds: Annotated[
        float,
        _setting(
            SERVICE,
            "Grace period for requests, and then for jobs, when the service is stopped, in seconds.",
            ge=0,
            le=3600,
        ),
    ] = 20.0
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _setting(SERVICE, "Minimum level of log messages.")
    ] = "info"
    log_format: Annotated[
        Literal["json", "text"], _setting(SERVICE, "`json`: one object per line; `text`: human-readable.")
    ] = "json"

    mongodb_url: Annotated[
        str | None,
        _setting(
            DOCUMENTS,
            "URL of a MongoDB replica set (a single member is enough): "
            "`mongodb://user:password@host:27017/?replicaSet=rs0`. `assetry db init` sets it up.",
            secret=True,
        ),
    ] = None
    mongodb_database: Annotated[str, _setting(DOCUMENTS, "Database name.", pattern=r"^[A-Za-z0-9_-]{1,38}$")] = (
        "assetry"
    )
    mongodb_timeout: Annotated[float, _setting(DOCUMENTS, "Time limit of an operation, in seconds.", gt=0, le=60)] = 5.0
    mongodb_threads: Annotated[
        int, _setting(DOCUMENTS, "Concurrent operations per process; each uses a thread.", ge=4, le=512)
    ] = 32

    opensearch_url: Annotated[
        str | None,
        _setting(
            SEARCH,
            "URL of OpenSearch: `https://user:password@host:9200`, or several nodes of one cluster, comma-separated. "
            "Unset: the embedded engine, a child process of `assetry serve` with its index in memory.",
            secret=True,
        ),
    ] = None
    opensearch_user: Annotated[str | None, _setting(SEARCH, "User, if not in the URL.", min_length=1)] = None
    opensearch_password: Annotated[str | None, _setting(SEARCH, "Password of the user.", secret=True)] = None
    opensearch_ca: Annotated[
        Path | None,
        _setting(SEARCH, "File with the certificate authority (CA) of the engine's certificate, in PEM format."),
    ] = None
    opensearch_verify: Annotated[
        bool, _setting(SEARCH, "Whether to verify the engine's certificate; disable it only for testing.")
    ] = True
    opensearch_client_cert: Annotated[
        Path | None, _setting(SEARCH, "File with Assetry's client certificate, in PEM format.")
    ] = None
    opensearch_client_key: Annotated[
        Path | None, _setting(SEARCH, "File with the key of the client certificate. Unset: it is in the same file.")
    ] = None
    opensearch_compress: Annotated[
        bool, _setting(SEARCH, "Whether to compress request bodies, which helps on slow networks.")
    ] = False
    search_languages: Annotated[
        str,
        _setting(
            SEARCH,
            "Languages whose inflected forms are found (`mountains` finds mountain), comma-separated: english, german, "
            "french and the others of Snowball; `none`: words are found as they are written. Another choice needs "
            "`assetry index reindex`.",
        ),
    ] = "english"
    index_prefix: Annotated[
        str,
        _setting(SEARCH, "Name of the alias and prefix of the index names.", pattern=r"^[a-z][a-z0-9_-]{0,63}$"),
    ] = "assets"
    index_shards: Annotated[int, _setting(SEARCH, "Primary shards of new indexes.", ge=1, le=1024)] = 1
    index_replicas: Annotated[
        int, _setting(SEARCH, "Replicas of each shard; use 1 or more on a cluster of several nodes.", ge=0, le=16)
    ] = 0
    index_refresh: Annotated[
        str,
        _setting(
            SEARCH,
            "Refresh interval: how often new documents become searchable, such as `500ms` or `2s`.",
            pattern=r"^[1-9][0-9]*(ms|s)$",
        ),
    ] = "500ms"
    index_batch: Annotated[int, _setting(SEARCH, "Maximum number of documents in a bulk request.", ge=1, le=10_000)] = (
        500
    )
    index_verify_hours: Annotated[
        float,
        _setting(
            SEARCH,
            "Interval at which the indexer compares the whole index with the store, in hours; 0 disables it. "
            "Differences are reported in the log and in `/metrics`.",
            ge=0,
            le=8760,
        ),
    ] = 24.0
    index_epoch: Annotated[
        int,
        _setting(
            SEARCH,
            "Increase it by one after restoring documents from a backup while keeping the index, so that restored "
            "records replace newer versions in the index.",
            ge=0,
            le=2**20,
        ),
    ] = 0

    s3_url: Annotated[
        str | None,
        _setting(
            FILES, "URL of an S3 endpoint, such as `https://s3.eu-central-1.amazonaws.com`, or of MinIO.", secret=True
        ),
    ] = None
    s3_public_url: Annotated[
        str | None,
        _setting(FILES, "URL at which clients can reach the same endpoint. Unset: files are served through the API."),
    ] = None
    s3_bucket: Annotated[
        str,
        _setting(FILES, "Bucket; `assetry db init` creates it.", pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"),
    ] = "assetry"
    s3_access_key: Annotated[
        str | None,
        _setting(
            FILES,
            "Access key, if not in the URL. Unset: the standard AWS credential chain (environment, files, role).",
            min_length=1,
        ),
    ] = None
    s3_secret_key: Annotated[
        str | None, _setting(FILES, "Secret key of the access key.", secret=True, min_length=1)
    ] = None
    s3_region: Annotated[str | None, _setting(FILES, "Region. Unset: the endpoint is asked.", min_length=1)] = None
    s3_timeout: Annotated[
        float,
        _setting(
            FILES,
            "Idle timeout while sending to or receiving from the endpoint, in seconds.",
            ge=1,
            le=60,
        ),
    ] = 30.0
    s3_ca: Annotated[
        Path | None,
        _setting(FILES, "File with the certificate authority (CA) of the endpoint's certificate, in PEM format."),
    ] = None

    redis_url: Annotated[
        str | None,
        _setting(
            JOBS, "URL of Redis: `redis://:password@host:6379/0`, `rediss://…` for TLS, or `unix:///path`.", secret=True
        ),
    ] = None
    redis_prefix: Annotated[
        str,
        _setting(
            JOBS,
            "Prefix of key names; installations that share a Redis need different ones.",
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        ),
    ] = "assetry"
    jobs_concurrency: Annotated[int, _setting(JOBS, "Concurrent jobs per process.", ge=1, le=256)] = 2

    json_limit: Annotated[int, _setting(LIMITS, "Maximum size of a JSON request body, in bytes.", ge=1024)] = (
        1024 * 1024
    )
    upload_limit: Annotated[int, _setting(LIMITS, "Maximum size of an uploaded file, in bytes.", ge=1024)] = 5 * 1024**3
    link_ttl: Annotated[
        int, _setting(LIMITS, "Minimum lifetime of signed file links, in seconds.", ge=60, le=7 * 86_400)
    ] = 86_400
    ingest_workers: Annotated[
        int,
        _setting(LIMITS, "Worker processes that read and render files; 0: one per available CPU core.", ge=0, le=64),
    ] = 0
    ingest_memory: Annotated[
        int,
        _setting(
            LIMITS,
            "Memory of these processes together, in MiB; 0: half of what the container or the machine has. A worker "
            "has 256 MiB to 1 GiB of it: with little memory there are fewer workers.",
            ge=0,
        ),
    ] = 0

    events_hours: Annotated[
        float,
        _setting(
            EVENTS,
            "How long events of records are kept, in hours: whoever follows them and was away for longer has to read "
            "everything again.",
            ge=1,
            le=8760,
        ),
    ] = 72.0
    streams: Annotated[int, _setting(EVENTS, "Event streams open at once in one process.", ge=1, le=100_000)] = 500
    streams_per_key: Annotated[
        int, _setting(EVENTS, "Event streams open at once of one API key, in one process.", ge=1, le=10_000)
    ] = 10
    usage_days: Annotated[
        float, _setting(EVENTS, "How long views, downloads and searches are kept, in days.", ge=1, le=3650)
    ] = 90.0
    usage_fold_seconds: Annotated[
        float,
        _setting(
            EVENTS,
            "How often they are added to `usage_stats` of assets, in seconds: an asset is written once in that time "
            "at most.",
            ge=1,
            le=86_400,
        ),
    ] = 300.0

    @field_validator("port", "ops_port", mode="before")
    @classmethod
    def _drop_kubernetes_link(cls, value: object, info: ValidationInfo) -> object:
        """Ignore the variable that Kubernetes sets for a service named ``assetry`` or ``assetry-ops``."""
        return cls.model_fields[str(info.field_name)].default if str(value).startswith(_KUBERNETES_LINK) else value

    @field_validator(*SCHEMES)
    @classmethod
    def _check_url(cls, value: str | None, info: ValidationInfo) -> str | None:
        """Check the URL of an engine."""
        if value is not None and (wrong := fault(value, SCHEMES[str(info.field_name)])):
            raise ValueError(wrong)
        return value

    @field_validator("opensearch_url")
    @classmethod
    def _check_hosts(cls, value: str | None) -> str | None:
        """Check the URLs of a cluster."""
        if value is not None:
            split_hosts(value)
        return value

    @field_validator("search_languages")
    @classmethod
    def _check_languages(cls, value: str) -> str:
        """Check that each language has a stemmer."""
        unknown = [name for name in _languages(value) if name not in LANGUAGES]
        if unknown:
            raise ValueError(
                f"there is no stemmer for {', '.join(unknown)}; choose from {', '.join(sorted(LANGUAGES))}"
            )
        return value

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages whose inflected forms are found."""
        return _languages(self.search_languages)

    @field_validator("opensearch_ca", "opensearch_client_cert", "opensearch_client_key", "s3_ca")
    @classmethod
    def _check_file(cls, value: Path | None) -> Path | None:
        """Check that a certificate file exists."""
        if value is None:
            return None
        if _PEM in str(value):
            raise ValueError("must be the name of a file, not its content")
        try:
            there = value.is_file()
        except OSError as error:  # such as a parent folder without permission
            raise ValueError(f"the file cannot be accessed ({error.strerror})") from None
        if not there:
            raise ValueError("the file does not exist")
        return value

    def given_as(self, name: str) -> str:
        """Return how the user gave a setting: by its command-line option, or else by its variable."""
        return OPTIONS[name] if name in self._options else variable(name)

    @field_validator("roles")
    @classmethod
    def _check_roles(cls, value: str | None) -> str | None:
        if value is None:
            return None
        wanted = [role.strip() for role in value.split(",") if role.strip()]
        if unknown := [role for role in wanted if role not in ROLES]:
            raise ValueError(f"there is no role {unknown[0]!r}: use {', '.join(ROLES)}")
        if "api" not in wanted:
            raise ValueError(
                "`assetry serve` always runs the api; the others alone are `assetry index follow` and `assetry work`"
            )
        return ",".join(dict.fromkeys(wanted))

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        """Reject incomplete pairs of settings, and credentials that are given twice."""
        for name, partner in TOGETHER:
            given, other = getattr(self, name) is not None, getattr(self, partner) is not None
            if given != other:
                missing, there = (partner, name) if given else (name, partner)
                raise SettingsError(variable(missing), f"is not set, but {variable(there)} is. Set both.")
        if self.opensearch_user and self.opensearch_url and split_hosts(self.opensearch_url).user:
            raise SettingsError(variable("opensearch_user"), "the URL already contains a user. Use only one of them.")
        return self


def _languages(text: str) -> tuple[str, ...]:
    names = tuple(name for part in text.split(",") if (name := part.strip().lower()))
    return () if names == ("none",) else names


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + name.upper()


_FOREIGN = re.compile(
    r"(TEST|FAULT|MODEL)_"  # the tests
    r"|(BIND|PORTS|VERSION)$"  # compose.yaml, in the same `.env` as settings
    r"|(.+_)?(SERVICE_(HOST|PORT)|PORT_\d+_)"  # Kubernetes, for each service whose name starts with `assetry`
)
"""Names that are used by other programs."""


def unknown(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Return variables that look like settings but are not, each with the setting of the most similar name.

    Otherwise a mistyped name would have no effect: the documents might go into a file instead of the database.
    """
    found: dict[str, str | None] = {}
    for name, value in sorted(environment.items()):
        bare = name.upper().removeprefix(PREFIX)
        if not name.upper().startswith(PREFIX) or bare.lower() in Settings.model_fields:
            continue
        of_file = Settings.model_fields.get(bare.removesuffix(FROM_FILE).lower())
        if bare.endswith(FROM_FILE) and of_file is not None and not of_file.repr:
            continue
        if not value or value.startswith(_KUBERNETES_LINK) or _FOREIGN.match(bare):
            continue
        near = get_close_matches(bare.lower(), Settings.model_fields, n=1)
        found[name] = variable(near[0]) if near else None
    return found


def load(**overrides: object) -> Settings:
    """Load the settings from the environment; ``overrides`` that are not None take precedence.

    Raises:
        SettingsError: a value is invalid; the message names the variable and what it accepts.
    """
    given = _from_files(os.environ) | {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "?"
        field = Settings.model_fields.get(name)
        message = first["msg"].removeprefix("Value error, ")
        shown = _shown(first.get("input")) if field is not None and field.repr else ""
        doc = field.description if field is not None else ""
        named = OPTIONS.get(name, variable(name)) if name in given else variable(name)
        raise SettingsError(named, f"{message}{shown}. {doc}") from None
    settings._options = frozenset(given)
    return settings


def _from_files(environment: Mapping[str, str]) -> dict[str, object]:
    """Return the secrets that are in files: ``ASSETRY_SECRET_FILE`` names one that holds the secret.

    Raises SettingsError for a file that cannot be read, and for a secret that is given in both ways.
    """
    found: dict[str, object] = {}
    for name, field in Settings.model_fields.items():
        file = environment.get(variable(name) + FROM_FILE)
        if not file or field.repr:
            continue
        if environment.get(variable(name)):
            raise SettingsError(variable(name) + FROM_FILE, f"{variable(name)} is set, too. Use only one of them.")
        try:
            found[name] = Path(file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise SettingsError(variable(name) + FROM_FILE, f"the file {file} cannot be read: {why}.") from None
    return found


def _shown(value: object) -> str:
    """Return an invalid value for a message: truncated if it is long, empty if it may be a private key."""
    text = str(value)
    if _PEM in text:
        return ""
    return f", not {text!r}" if len(text) <= _MAX_SHOWN else f", not {text[:_MAX_SHOWN]!r} …"


def render_reference() -> str:
    """Return ``docs/ref-settings.md``: a table of every setting, by group."""
    rows = [
        "# Settings",
        "",
        "Generated from `service/settings.py` by `scripts/docs`; do not edit.",
        "",
        "Settings are environment variables; command-line options of the same name take precedence. Each engine is",
        "selected independently by its URL. `assetry doctor` checks the selected engines. Unknown `ASSETRY_…`",
        "variables are reported by `assetry doctor`, and in the log of every process at its start.",
        "",
        "A setting that may hold a secret (marked 🔒) can be in a file instead, which another variable names:",
        "`ASSETRY_SECRET_FILE=/run/secrets/assetry`.",
    ]
    for group, fields in groupby(Settings.model_fields.items(), lambda item: _group(item[1])):
        rows += ["", f"## {group}", "", "| variable | default | description |", "|---|---|---|"]
        for name, field in fields:
            default = "unset" if field.default is None else f"`{field.default}`"
            secret = "" if field.repr else " 🔒"
            rows.append(f"| `{variable(name)}`{secret} | {default} | {field.description} |")
    return "\n".join(rows) + "\n"


def _group(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    assert isinstance(extra, dict)
    return str(extra["group"])
