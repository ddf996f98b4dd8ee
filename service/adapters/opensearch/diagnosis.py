"""What is wrong with the connection to an OpenSearch, in words for an operator: the problem, and how to fix it."""

from __future__ import annotations

import errno
import ssl
from typing import Any

import aiohttp
from opensearchpy.exceptions import ConnectionError as ConnectionFailed
from opensearchpy.exceptions import ConnectionTimeout, SerializationError, TransportError

from service.adapters.opensearch.connection import CA, CLIENT_CERT, ENGINE, PASSWORD, SETTING, USER, Host
from service.adapters.opensearch.wire import describe
from service.errors import AssetryError, SettingsError, Unavailable, Unreachable

MISMATCHES = frozenset({62, 64})
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""

LONGEST = 200
"""The maximum number of characters that a message quotes from an engine."""

_UNREACHABLE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EACCES, errno.EPERM})

NOT_OPENSEARCH = "the server is not OpenSearch"


def fault(error: TransportError | SerializationError, host: Host) -> AssetryError:
    """Return what the failure of the first call to a host means.

    SettingsError if somebody has to change a setting or start the engine, Unavailable if the engine is not ready yet.
    """
    if isinstance(error, SerializationError):
        return SettingsError(SETTING, f"{host.redacted}: {NOT_OPENSEARCH}: set it to the address of an OpenSearch")
    if isinstance(error, ConnectionTimeout):
        return Unreachable(SETTING, f"{host.redacted} does not answer in time: check its log, or correct the address")
    if isinstance(error, ConnectionFailed):
        return _connection_error(error.info, host)
    return _status_error(error, host)


def _status_error(error: TransportError, host: Host) -> AssetryError:
    """Return what an error status means."""
    match error.status_code:
        case 401 if host.auth is None:
            return SettingsError(
                SETTING, f"{host.redacted} requires credentials: set {USER} and {PASSWORD}, or put both in the URL"
            )
        case 401:
            why = f"{host.redacted} rejected the user or the password"
            return SettingsError(SETTING, f"{why}: correct {USER} and {PASSWORD}")
        case 403:
            return denied(host.redacted, permission(describe(error.info)[1]) or "cluster:monitor/main")
        case 408 | 429:
            return Unavailable(ENGINE, f"{host.redacted} is too busy to answer")
        case int(status) if status >= 500:
            return Unavailable(ENGINE, f"{host.redacted} answered {status}")
        case int(status) if 300 <= status < 400:
            return SettingsError(SETTING, f"{host.redacted} redirects elsewhere ({status}): set that address")
        case status:
            return SettingsError(
                SETTING, f"{host.redacted} answered {status}, {NOT_OPENSEARCH}: correct the address or its path"
            )


def denied(shown: str, needed: str) -> SettingsError:
    """Return the error of a user that lacks a permission."""
    return SettingsError(
        SETTING, f"the user lacks {needed} on {shown}: give its role the permissions listed in docs/how-to-deploy.md"
    )


def permission(reason: str) -> str | None:
    """Return the permission named in a security_exception's reason, None if it is of another kind.

    OpenSearch says ``no permissions for [indices:data/write/bulk] and User [name=…``: the user is left out.
    """
    found = reason.partition("no permissions for [")[2].partition("]")[0]
    return found if found and len(found) < LONGEST else None


def _connection_error(cause: Any, host: Host) -> SettingsError:
    """Return what a connection error means."""
    tls = _tls(cause, host)
    if tls is not None:
        return tls
    if isinstance(cause, aiohttp.ClientConnectorDNSError):
        return Unreachable(SETTING, f"cannot resolve the host name {host.name}: correct the name")
    if isinstance(cause, aiohttp.ConnectionTimeoutError):
        return Unreachable(SETTING, f"connecting to {host.redacted} timed out: check the address and the firewall")
    if isinstance(cause, aiohttp.ClientConnectorError) and cause.errno == errno.ECONNREFUSED:
        return Unreachable(SETTING, f"nothing listens at {host.redacted}: start the engine, or correct the address")
    if isinstance(cause, aiohttp.ClientConnectorError) and cause.errno in _UNREACHABLE:
        return Unreachable(SETTING, f"{host.redacted} is unreachable: check the address, the route and the firewall")
    if isinstance(cause, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        closed = f"{host.redacted} closed the connection without an answer"
        if host.scheme == "http":
            return SettingsError(SETTING, f"{closed}: if it requires TLS, use https://")
        return SettingsError(
            SETTING, f"{closed}: if it does not support TLS, use http://; it may require {CLIENT_CERT}"
        )
    return SettingsError(SETTING, f"{host.redacted}: {NOT_OPENSEARCH}: set it to the address of an OpenSearch")


def _tls(cause: Any, host: Host) -> SettingsError | None:
    """Return what a TLS error means, None if it is not one."""
    inner = getattr(cause, "certificate_error", None) or getattr(cause, "os_error", None) or cause.__cause__ or cause
    if isinstance(inner, ssl.SSLCertVerificationError):
        if inner.verify_code in MISMATCHES:
            why = f"the certificate of {host.redacted} is for another name"
            return SettingsError(SETTING, f"{why}: use the name in the certificate")
        why = f"the certificate of {host.redacted} is not trusted ({inner.verify_message})"
        return SettingsError(CA, f"{why}: set it to the file of the CA that signed it")
    if not isinstance(inner, ssl.SSLError):
        return None
    if "CERTIFICATE_REQUIRED" in (inner.reason or "") or "HANDSHAKE_FAILURE" in (inner.reason or ""):
        return SettingsError(SETTING, f"{host.redacted} requires a client certificate: set {CLIENT_CERT} and its key")
    return SettingsError(
        SETTING, f"the TLS handshake with {host.redacted} failed ({inner.reason}): did you mean http://?"
    )
