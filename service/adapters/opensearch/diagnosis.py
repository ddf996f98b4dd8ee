"""What is wrong with the way to an OpenSearch, in words for an operator: what was seen, and how to fix it."""

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
"""Characters of what an engine may say in a message of ours."""

_NO_WAY = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EACCES, errno.EPERM})

OTHER = "what answers is not OpenSearch"


def fault(error: TransportError | SerializationError, host: Host) -> AssetryError:
    """Return what the failure of a first call to a host means.

    SettingsError where somebody has to change a setting or start the engine, Unavailable where it says "not now".
    """
    if isinstance(error, SerializationError):
        return SettingsError(SETTING, f"{host.shown}: {OTHER}: set it to the address of an OpenSearch")
    if isinstance(error, ConnectionTimeout):
        return Unreachable(SETTING, f"{host.shown} does not answer in time: look at its log, or correct the address")
    if isinstance(error, ConnectionFailed):
        return _unreached(error.info, host)
    return _refused(error, host)


def _refused(error: TransportError, host: Host) -> AssetryError:
    """Return what a status means that is none of success."""
    match error.status_code:
        case 401 if host.auth is None:
            return SettingsError(
                SETTING, f"{host.shown} wants a user: set {USER} and {PASSWORD}, or put both in the URL"
            )
        case 401:
            why = f"{host.shown} refuses the user or the password"
            return SettingsError(SETTING, f"{why}: correct {USER} and {PASSWORD}")
        case 403:
            return denied(host.shown, permission(describe(error.info)[1]) or "cluster:monitor/main")
        case 408 | 429:
            return Unavailable(ENGINE, f"{host.shown} is too busy to answer")
        case int(status) if status >= 500:
            return Unavailable(ENGINE, f"{host.shown} answers {status}")
        case int(status) if 300 <= status < 400:
            return SettingsError(SETTING, f"{host.shown} sends callers elsewhere ({status}): set the address it names")
        case status:
            return SettingsError(SETTING, f"{host.shown} answers {status}, {OTHER}: correct the address, or its path")


def denied(shown: str, needed: str) -> SettingsError:
    """Return the error of a user that lacks a permission."""
    return SettingsError(
        SETTING, f"the user may not do {needed} on {shown}: give its role the permissions that the how-to lists"
    )


def permission(reason: str) -> str | None:
    """Return the permission that a security_exception's reason names, None where it is of another kind.

    OpenSearch's words are ``no permissions for [indices:data/write/bulk] and User [name=…``: the user stays out of it.
    """
    found = reason.partition("no permissions for [")[2].partition("]")[0]
    return found if found and len(found) < LONGEST else None


def _unreached(cause: Any, host: Host) -> SettingsError:
    """Return what an error on the way to a host means."""
    tls = _tls(cause, host)
    if tls is not None:
        return tls
    if isinstance(cause, aiohttp.ClientConnectorDNSError):
        return Unreachable(SETTING, f"no host is called {host.name}: correct the name")
    if isinstance(cause, aiohttp.ConnectionTimeoutError):
        return Unreachable(SETTING, f"{host.shown} cannot be reached in time: look at the address and the firewall")
    if isinstance(cause, aiohttp.ClientConnectorError) and cause.errno == errno.ECONNREFUSED:
        return Unreachable(SETTING, f"{host.shown}: nothing listens there: start the engine, or correct the address")
    if isinstance(cause, aiohttp.ClientConnectorError) and cause.errno in _NO_WAY:
        return Unreachable(SETTING, f"{host.shown} cannot be reached: look at the address, the route and the firewall")
    if isinstance(cause, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        hangs = f"{host.shown} hangs up without an answer"
        if host.scheme == "http":
            return SettingsError(SETTING, f"{hangs}: if it speaks TLS, write https://")
        return SettingsError(SETTING, f"{hangs}: if it speaks no TLS, write http://; it may want {CLIENT_CERT}")
    return SettingsError(SETTING, f"{host.shown}: {OTHER}: set it to the address of an OpenSearch")


def _tls(cause: Any, host: Host) -> SettingsError | None:
    """Return what a fault of TLS means, None if it is none."""
    inner = getattr(cause, "certificate_error", None) or getattr(cause, "os_error", None) or cause.__cause__ or cause
    if isinstance(inner, ssl.SSLCertVerificationError):
        if inner.verify_code in MISMATCHES:
            why = f"the certificate of {host.shown} is for another name"
            return SettingsError(SETTING, f"{why}: use the name that is in it")
        why = f"the certificate of {host.shown} is not trusted ({inner.verify_message})"
        return SettingsError(CA, f"{why}: set it to the file of the authority that signed it")
    if not isinstance(inner, ssl.SSLError):
        return None
    if "CERTIFICATE_REQUIRED" in (inner.reason or "") or "HANDSHAKE_FAILURE" in (inner.reason or ""):
        return SettingsError(SETTING, f"{host.shown} wants a certificate of its client: set {CLIENT_CERT} and its key")
    return SettingsError(SETTING, f"{host.shown} does not speak TLS as it should ({inner.reason}): is it http://?")
