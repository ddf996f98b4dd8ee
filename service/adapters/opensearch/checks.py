"""Checks of an OpenSearch cluster for ``assetry doctor``: each fact, and how to fix what is wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator

from service.adapters.opensearch.cluster_state import FACTS, checked
from service.adapters.opensearch.connection import CA, ENGINE, SETTING, Connection
from service.adapters.opensearch.permissions import check_permissions
from service.adapters.opensearch.raw_calls import probing
from service.adapters.opensearch.startup import identify
from service.errors import AssetryError, SettingsError, Unavailable
from service.ports.checks import Check, Health

SLOW_MILLISECONDS = 250.0
"""Slower first answers get a warning: every search pays for the round trip."""


async def checks(connection: Connection, prefix: str = "assets") -> list[Check]:
    """Check the engine behind ``connection``; ``prefix`` is the alias that the service would use.

    Facts that an engine does not reveal (managed services restrict some calls) are a warning, never a failure. Creates
    and drops one small index. A problem with the engine is a check, never an exception.
    """
    began = time.perf_counter()
    try:
        identity = await identify(connection)
    except (SettingsError, Unavailable) as error:
        return [_not_connected(error)]
    took = (time.perf_counter() - began) * 1000
    found = [
        _latency(connection, took),
        Check(ENGINE, "version", Health.OK, f"OpenSearch {identity.version}"),
        *(_unreachable_host(error) for error in identity.unreachable),
        *_transport(connection),
    ]
    async with probing(connection, identity.host) as probe:
        for name, fact in FACTS.items():
            found.append(await checked(name, fact(probe, prefix)))
        found.append(await check_permissions(probe, prefix))
    return found


def _not_connected(error: SettingsError | Unavailable) -> Check:
    """Return the one check of an engine that cannot be used."""
    if isinstance(error, Unavailable):
        return Check(ENGINE, "reachable", Health.FAILED, error.message, "check its log", SETTING)
    what, fix = _split_fix(error.message.removeprefix(f"{error.setting}: "))
    return Check(ENGINE, "reachable", Health.FAILED, what, fix, error.setting)


def _split_fix(message: str) -> tuple[str, str]:
    """Return the problem and its fix; a fix that is a request contains colons itself."""
    what, put, request = message.partition(": PUT ")
    if put:
        return what, f"PUT {request}"
    what, _, fix = message.rpartition(": ")
    return what, fix


def _latency(connection: Connection, took: float) -> Check:
    where = f"{connection.redacted} in {took:.0f} ms"
    if took < SLOW_MILLISECONDS:
        return Check(ENGINE, "reachable", Health.OK, where)
    return Check(ENGINE, "reachable", Health.WARNING, where, "run the service closer to the engine", SETTING)


def _unreachable_host(error: AssetryError) -> Check:
    found = error.message.removeprefix(f"{SETTING}: ")
    return Check(ENGINE, "host", Health.WARNING, found, "start it, or remove it from the list", SETTING)


def _transport(connection: Connection) -> Iterator[Check]:
    """Yield the problems of the transport to the engine."""
    hosts = connection.addresses()
    if connection.encrypted and not connection.verify_certs:
        fix = f"set {CA} to the CA certificate and ASSETRY_OPENSEARCH_VERIFY to true"
        yield Check(ENGINE, "encryption", Health.WARNING, "certificates are not verified", fix, CA)
    if any(host.auth is not None and not connection.encrypted and not host.local for host in hosts):
        found = "the password crosses the network in plain text"
        yield Check(ENGINE, "encryption", Health.WARNING, found, "enable TLS on the engine and use https://", SETTING)
