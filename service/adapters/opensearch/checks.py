"""The examination of an OpenSearch for ``assetry doctor``: each fact, and how to fix what is not well."""

from __future__ import annotations

import time
from collections.abc import Iterator

from service.adapters.opensearch.cluster_state import FACTS, answered
from service.adapters.opensearch.connection import CA, ENGINE, SETTING, Connection
from service.adapters.opensearch.permissions import rights
from service.adapters.opensearch.raw_calls import probing
from service.adapters.opensearch.startup import identify
from service.errors import AssetryError, SettingsError, Unavailable
from service.ports.checks import Check, Health

SLOW_MILLISECONDS = 250.0
"""A first answer that takes longer is worth a word: each search pays the way there and back."""


async def checks(connection: Connection, prefix: str = "assets") -> list[Check]:
    """Examine the engine behind ``connection``; ``prefix`` is the alias that the service would use.

    What an engine does not tell (a managed service keeps some things to itself) is a warning, never a failure. It makes
    and drops one small index. What is wrong with the engine is a check, never an exception.
    """
    began = time.perf_counter()
    try:
        identity = await identify(connection)
    except (SettingsError, Unavailable) as error:
        return [_unusable(error)]
    took = (time.perf_counter() - began) * 1000
    found = [
        _reached(connection, took),
        Check(ENGINE, "version", Health.OK, f"OpenSearch {identity.version}"),
        *(_silent(error) for error in identity.silent),
        *_transport(connection),
    ]
    async with probing(connection, identity.host) as probe:
        for name, look in FACTS.items():
            found.append(await answered(name, look(probe, prefix)))
        found.append(await rights(probe, prefix))
    return found


def _unusable(error: SettingsError | Unavailable) -> Check:
    """Return the one check of an engine that cannot be examined."""
    if isinstance(error, Unavailable):
        return Check(ENGINE, "reachable", Health.FAILED, error.message, "see in its log why it answers so", SETTING)
    what, fix = _parted(error.message.removeprefix(f"{error.setting}: "))
    return Check(ENGINE, "reachable", Health.FAILED, what, fix, error.setting)


def _parted(message: str) -> tuple[str, str]:
    """Return what was seen and the fix behind it; a fix that is a request has colons of its own."""
    what, put, request = message.partition(": PUT ")
    if put:
        return what, f"PUT {request}"
    what, _, fix = message.rpartition(": ")
    return what, fix


def _reached(connection: Connection, took: float) -> Check:
    where = f"{connection.shown} in {took:.0f} ms"
    if took < SLOW_MILLISECONDS:
        return Check(ENGINE, "reachable", Health.OK, where)
    return Check(ENGINE, "reachable", Health.WARNING, where, "put the service nearer to the engine", SETTING)


def _silent(error: AssetryError) -> Check:
    words = error.message.removeprefix(f"{SETTING}: ")
    return Check(ENGINE, "host", Health.WARNING, words, "start it, or take it out of the list", SETTING)


def _transport(connection: Connection) -> Iterator[Check]:
    """Yield what is wrong with how the engine is spoken to."""
    hosts = connection.addresses()
    if connection.encrypted and not connection.verify_certs:
        fix = f"set {CA} to the authority's certificate and ASSETRY_OPENSEARCH_VERIFY to true"
        yield Check(ENGINE, "encryption", Health.WARNING, "certificates are not verified", fix, CA)
    if any(host.auth is not None and not connection.encrypted and not host.local for host in hosts):
        words = "the password crosses the network in plain text"
        yield Check(ENGINE, "encryption", Health.WARNING, words, "let it speak TLS, and write https://", SETTING)
