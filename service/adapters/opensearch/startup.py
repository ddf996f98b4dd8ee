"""What the service requires of an OpenSearch at startup: reachable, recent enough, permitted, not read-only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.adapters.opensearch.connection import SETTING, Connection
from service.adapters.opensearch.diagnosis import LONGEST, NOT_OPENSEARCH, denied, permission
from service.adapters.opensearch.raw_calls import RawClient, probing
from service.errors import AssetryError, SettingsError, Unavailable
from service.ports.search import Rejected

log = logging.getLogger(__name__)

OLDEST = (2, 19)

READ_ONLY = ("read_only", "read_only_allow_delete", "write")
"""Blocks of an index that prevent writes; a full disk sets the second."""

CLUSTER_BLOCKS = ("cluster.blocks.read_only", "cluster.blocks.read_only_allow_delete", "cluster.blocks.create_index")

MISSING = 404

UNFORMED = "_na_"
"""The cluster UUID reported by a node that has just started and has not joined a cluster yet."""

_SECURITY = "security_exception"
_BLOCKED = "cluster_block_exception"


async def verify(connection: Connection, *, prefix: str, writes: bool) -> Mapping[str, str]:
    """Return {"engine", "version"} of an engine that the service can work with.

    ``prefix`` is the alias; ``writes`` says whether this process also indexes. If some of several hosts cannot be
    reached, that is logged, and the others are used. Takes 12 seconds at most.

    Raises:
        SettingsError: nothing answers, or the server cannot be used; the message says what to do.
        Unavailable: the engine is not ready yet.
    """
    found = await identify(connection)
    async with probing(connection, found.host) as probe:
        await _may_search(probe, connection.redacted, prefix)
        if writes:
            for block, fix in await blocks(probe, prefix):
                raise SettingsError(SETTING, f"{connection.redacted} is read-only ({block}): {fix}")
            await _may_write(probe, connection.redacted, prefix)
    return {"engine": "opensearch", "version": found.version}


@dataclass(frozen=True, slots=True)
class Identity:
    """The oldest version among the nodes that answered, the number of the first one, and the errors of the others."""

    version: str
    host: int
    unreachable: tuple[AssetryError, ...] = ()


async def identify(connection: Connection) -> Identity:
    """Return what is behind the hosts. Raises SettingsError, Unavailable if none of them can be used."""
    hosts = connection.addresses()
    answers = await asyncio.gather(*(_first(connection, number) for number in range(len(hosts))))
    reached = {n: answer for n, answer in enumerate(answers) if not isinstance(answer, AssetryError)}
    faults = tuple(answer for answer in answers if isinstance(answer, AssetryError))
    if not reached:
        raise faults[0]
    for error in faults:
        log.warning("cannot use one of %d hosts: %s", len(hosts), error.message)
    if len({str(answer.get("cluster_uuid")) for answer in reached.values()} - {UNFORMED}) > 1:
        raise SettingsError(SETTING, "the hosts belong to different clusters: list the nodes of one cluster")
    versions = [_version(answer, hosts[n].redacted) for n, answer in reached.items()]
    return Identity(min(versions, key=numbers), min(reached), faults)


def numbers(version: str) -> tuple[int, ...]:
    """Return, for example, ``3.7.0-SNAPSHOT`` as (3, 7, 0)."""
    return tuple(int(part) for part in version.partition("-")[0].split(".") if part.isdigit())


async def blocks(probe: RawClient, prefix: str) -> list[tuple[str, str]]:
    """Return the blocks that prevent writes to the index, each with its fix; none if the engine does not reveal them.

    Raises Unavailable.
    """
    found: list[tuple[str, str]] = []
    behind = await _settings(probe, f"/{prefix}/_settings/index.blocks.*", flat_settings="true")
    for index, held in behind.items():
        given = held.get("settings", {}) if isinstance(held, Mapping) else {}
        for name in (f"index.blocks.{block}" for block in READ_ONLY):
            if given.get(name) == "true":
                fix = f'free disk space, then PUT /{index}/_settings {{"{name}": null}}'
                found.append((f"{name} of {index}", fix))
    settings = await _settings(probe, "/_cluster/settings", flat_settings="true")
    for name in CLUSTER_BLOCKS:
        for level in ("persistent", "transient"):
            if settings.get(level, {}).get(name) == "true":
                body = f'{{"{level}": {{"{name}": null}}}}'
                found.append((name, f"free disk space, then PUT /_cluster/settings {body}"))
    return found


async def _first(connection: Connection, number: int) -> Mapping[str, Any] | AssetryError:
    """Return one host's answer to ``/``, or what is wrong with it."""
    host = connection.addresses()[number]
    async with probing(connection, number) as probe:
        try:
            return await probe.first(host)
        except (SettingsError, Unavailable) as error:
            return error


def _version(answer: Mapping[str, Any], shown: str) -> str:
    """Return the version in the answer to ``/``. Raises SettingsError unless it is a supported OpenSearch."""
    held = answer.get("version")
    number = str(held.get("number", "")) if isinstance(held, Mapping) else ""
    if not isinstance(held, Mapping) or not numbers(number):
        raise SettingsError(SETTING, f"{shown}: {NOT_OPENSEARCH}: set it to the address of an OpenSearch")
    if held.get("distribution") != "opensearch":
        if "OpenSearch" in str(answer.get("tagline")):
            body = '{"persistent": {"compatibility.override_main_response_version": false}}'
            raise SettingsError(SETTING, f"{shown} claims to be Elasticsearch {number}: PUT /_cluster/settings {body}")
        raise SettingsError(SETTING, f"{shown} is Elasticsearch {number}: use OpenSearch 2.19 or later")
    if numbers(number) < OLDEST:
        raise SettingsError(SETTING, f"{shown} is OpenSearch {number}: upgrade it to 2.19 or later")
    return number


async def _may_search(probe: RawClient, shown: str, prefix: str) -> None:
    """Raise SettingsError if the user may not search the alias; it is no error if it does not exist yet."""
    try:
        await probe.send("POST", f"/{prefix}/_search", {"size": 0})
    except Rejected as error:
        if error.error_type == _SECURITY:
            raise denied(shown, permission(error.reason) or "indices:data/read/search") from error
    except Unavailable as error:
        log.warning("cannot search the index at the moment: %s", error.message)


async def _may_write(probe: RawClient, shown: str, prefix: str) -> None:
    """Raise SettingsError if the user may not write, tried with a bulk to an alias that does not exist."""
    body = b'{"index":{"_id":"check"}}\n{"asset_id":"check"}\n'
    try:
        answer = await probe.send("POST", f"/{prefix}-check-write/_bulk", body, require_alias="true")
    except Rejected as error:
        if error.error_type == _SECURITY:
            raise denied(shown, permission(error.reason) or "indices:data/write/bulk") from error
        if error.error_type == _BLOCKED:  # by a setting that this user cannot read
            fix = "make sure that its disk has free space, then remove the block"
            raise SettingsError(SETTING, f"{shown} is read-only ({error.reason[:LONGEST]}): {fix}") from error
        return
    result = answer["items"][0]["index"].get("error") or {}
    if result.get("type") == _SECURITY:
        raise denied(shown, permission(str(result.get("reason"))) or "indices:data/write/index")


async def _settings(probe: RawClient, path: str, **params: str) -> Mapping[str, Any]:
    """Return the answer to a path, {} if the engine does not reveal it."""
    try:
        answer = await probe.get(path, **params)
    except Rejected as error:
        if error.status != MISSING:  # an index that does not exist yet is normal
            log.info("cannot read %s: %d %s", path, error.status, error.error_type)
        return {}
    return answer if isinstance(answer, Mapping) else {}
