"""How to reach an OpenSearch: addresses, credentials, TLS files, limits."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from service.errors import SettingsError

ENGINE = "search"
"""The port's name, as :class:`~service.errors.Unavailable` reports it."""

SETTING = "ASSETRY_OPENSEARCH_URL"
CA = "ASSETRY_OPENSEARCH_CA"
USER = "ASSETRY_OPENSEARCH_USER"
PASSWORD = "ASSETRY_OPENSEARCH_PASSWORD"  # noqa: S105 - the name of the setting
CLIENT_CERT = "ASSETRY_OPENSEARCH_CLIENT_CERT"

_PORTS = {"http": 9200, "https": 443}
"""Ports of URLs without one: 9200 is the engine's own, 443 is where managed services listen."""


@dataclass(frozen=True, slots=True)
class Host:
    """One node or load balancer. ``shown`` is its URL without credentials, safe for messages and logs."""

    scheme: str
    name: str
    port: int
    prefix: str = ""
    auth: tuple[str, str] | None = field(default=None, repr=False)

    @property
    def redacted(self) -> str:
        """``https://host:9200/prefix``."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return f"{self.scheme}://{name}:{self.port}{self.prefix}"

    @property
    def local(self) -> bool:
        """Whether it is this machine, so that traffic crosses no network."""
        return self.name == "localhost" or self.name == "::1" or self.name.startswith("127.")


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach an engine.

    ``hosts`` are URLs (``https://user:secret@host:9200/prefix``; all must be nodes of one cluster). ``user`` and
    ``password`` apply to hosts whose URL has none. ``timeout`` is in seconds and applies to calls that name none; it
    includes the wait for a free connection. ``connections`` limits the open connections to each host, and ``waiting``
    the concurrent reading calls in total: more are refused at once, so that an engine that hangs does not fill the
    memory. ``compress`` sends and receives gzip bodies, which pays off when the engine is far away.
    """

    hosts: tuple[str, ...] = field(repr=False)
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_certs: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    verify_certs: bool = True
    connections: int = 16
    waiting: int = 512
    timeout: float = 10.0
    connect_timeout: float = 3.0
    bulk_timeout: float = 60.0
    compress: bool = False

    def addresses(self) -> list[Host]:
        """Return the hosts, parsed. Raises SettingsError, which never repeats a password."""
        if not self.hosts:
            raise SettingsError(SETTING, "no URL is set: use, for example, https://host:9200")
        if self.user is None and self.password is not None:
            raise SettingsError(USER, f"missing, although {PASSWORD} is set: set both")
        given = None if self.user is None else (self.user, self.password or "")
        found = [_host(url, number, given) for number, url in enumerate(self.hosts, 1)]
        if len({host.scheme for host in found}) > 1:
            raise SettingsError(SETTING, "the URLs mix http:// and https://: use the same for all hosts")
        return found

    @property
    def redacted(self) -> str:
        """The hosts without credentials, for messages and logs."""
        return ", ".join(host.redacted for host in self.addresses())

    @property
    def encrypted(self) -> bool:
        """Whether the hosts are reached over TLS."""
        return any(host.scheme == "https" for host in self.addresses())

    def tls(self) -> ssl.SSLContext | None:
        """Return the TLS context, None without TLS. Raises SettingsError for files that are missing or unreadable.

        ``ca_certs`` (a PEM file) replaces the system's CAs; without it SSL_CERT_FILE and SSL_CERT_DIR are honoured, as
        everywhere in OpenSSL.
        """
        if not self.encrypted:
            return None
        context = _trusting(self.ca_certs)
        if not self.verify_certs:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.client_cert is not None:
            try:
                context.load_cert_chain(self.client_cert, self.client_key)
            except (OSError, ssl.SSLError) as error:
                why = f"cannot load {self.client_cert} and its key ({_why(error)})"
                raise SettingsError(CLIENT_CERT, f"{why}: name PEM files that this user can read") from error
        return context


def _host(url: str, number: int, given: tuple[str, str] | None) -> Host:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise SettingsError(SETTING, f"URL number {number} is invalid: use, for example, https://host:9200") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.query or parts.fragment:
        raise SettingsError(SETTING, f"URL number {number} is invalid: use https://host:9200 or https://host/prefix")
    auth = _auth(parts) or given
    return Host(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], parts.path.rstrip("/"), auth)


def _auth(parts: SplitResult) -> tuple[str, str] | None:
    if parts.username is None:
        return None
    return unquote(parts.username), unquote(parts.password or "")


def _trusting(authorities: str | None) -> ssl.SSLContext:
    """Return a context that trusts the CAs in a file (None: the system's). Raises SettingsError."""
    if authorities is None:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=authorities)
    except (OSError, ssl.SSLError) as error:
        why = f"cannot load {authorities} ({_why(error)})"
        raise SettingsError(CA, f"{why}: name a PEM file with the CA certificate") from error
    return context


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__
