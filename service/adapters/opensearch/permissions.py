"""Whether the user has all permissions that the service needs: tried out on an index created for it and dropped."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from mappings.index import index_body
from service.adapters.opensearch.connection import ENGINE, SETTING
from service.adapters.opensearch.diagnosis import permission
from service.adapters.opensearch.raw_calls import RawClient
from service.errors import Unavailable
from service.ports.checks import Check, Health
from service.ports.search import Rejected

NAME = "permissions"
FIX_ROLE = "give the user's role the permissions listed in docs/how-to-deploy.md, for indexes with this prefix"
CHECK_LOG = "the permissions are not the cause: check the engine's log"
_SECURITY = "security_exception"


@dataclass(slots=True)
class PermissionTrial:
    """An index of its own, and the actions to try out on it."""

    probe: RawClient
    index: str

    @property
    def alias(self) -> str:
        """The alias that documents are written to."""
        return f"{self.index}-write"

    async def create(self) -> None:
        """Create the index like a real one, so that the mapping is tried out too."""
        body = {**index_body(), "aliases": {self.alias: {}}}
        await self.probe.send("PUT", f"/{self.index}", body)

    async def configure(self) -> None:
        """Change a setting, as a reindex does."""
        await self.probe.send("PUT", f"/{self.index}/_settings", {"index": {"refresh_interval": "1s"}})

    async def describe(self) -> None:
        """Read settings, mapping and aliases."""
        for what in ("_settings", "_mapping", "_alias"):
            await self.probe.get(f"/{self.index}/{what}")

    async def swap(self) -> None:
        """Change an alias."""
        action = {"index": self.index, "alias": f"{self.index}-read", "filter": {"term": {"deleted": False}}}
        await self.probe.send("POST", "/_aliases", {"actions": [{"add": action}]})

    async def write(self) -> None:
        """Write a document, as the indexer does."""
        body = b'{"index":{"_id":"a","version":1,"version_type":"external_gte"}}\n{"asset_id":"a","deleted":false}\n'
        answer = await self.probe.send("POST", f"/{self.alias}/_bulk", body, require_alias="true")
        error = answer["items"][0]["index"].get("error")
        if error:
            raise Rejected(answer["items"][0]["index"]["status"], error.get("type", ""), error.get("reason", ""))

    async def read(self) -> None:
        """Read a document by its id."""
        await self.probe.send("POST", f"/{self.index}/_mget", {"ids": ["a"]})

    async def refresh(self) -> None:
        """Make the document searchable."""
        await self.probe.send("POST", f"/{self.index}/_refresh")

    async def search(self) -> None:
        """Search and count."""
        for what in ("_search", "_count"):
            await self.probe.send("POST", f"/{self.index}/{what}", {"query": {"match_all": {}}})

    async def page(self) -> None:
        """Open and close a PIT."""
        answer = await self.probe.send("POST", f"/{self.index}/_search/point_in_time", keep_alive="10s")
        await self.probe.send("DELETE", "/_search/point_in_time", {"pit_id": [answer["pit_id"]]})

    async def drop(self) -> None:
        """Drop the index."""
        await self.probe.send("DELETE", f"/{self.index}")


_STEPS: dict[str, Callable[[PermissionTrial], Awaitable[None]]] = {
    "change settings": PermissionTrial.configure,
    "read settings": PermissionTrial.describe,
    "change aliases": PermissionTrial.swap,
    "write": PermissionTrial.write,
    "read": PermissionTrial.read,
    "refresh": PermissionTrial.refresh,
    "search": PermissionTrial.search,
    "page by PIT": PermissionTrial.page,
}


async def check_permissions(probe: RawClient, prefix: str) -> Check:
    """Try every action on the index ``<prefix>-check-<8 hexadecimal digits>``, which is dropped in any case."""
    trial = PermissionTrial(probe, f"{prefix}-check-{secrets.token_hex(4)}")
    refused = await _try("create an index", trial.create())
    if refused:
        return _failed([refused])
    try:
        tried = [await _try(words, step(trial)) for words, step in _STEPS.items()]
    finally:
        not_dropped = await _try(f"drop the index {trial.index}", trial.drop())
    failures = [words for words in (*tried, not_dropped) if words]
    if failures:
        return _failed(failures)
    return Check(ENGINE, NAME, Health.OK, f"create, {', '.join(_STEPS)}, drop")


async def _try(words: str, step: Awaitable[Any]) -> str:
    """Return what could not be done and why, in short; empty if it succeeded."""
    try:
        await step
    except Rejected as error:
        needed = permission(error.reason)
        return f"{words} ({error.error_type}: {needed})" if needed else f"{words} ({error.error_type})"
    except Unavailable as error:
        return f"{words} ({error.message})"
    except (KeyError, TypeError, IndexError):
        return f"{words} (cannot read the answer)"
    return ""


def _failed(failures: list[str]) -> Check:
    words = ", ".join(failures)
    if _SECURITY in words:
        return Check(ENGINE, NAME, Health.FAILED, f"cannot {words}", FIX_ROLE, SETTING)
    return Check(ENGINE, NAME, Health.FAILED, f"cannot {words}", CHECK_LOG)
