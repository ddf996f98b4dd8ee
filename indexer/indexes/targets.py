"""The targets: the physical indexes that get every write, as the engine has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from indexer.indexes.plan import PhysicalIndex, Plan
from mappings.index import mapping_hash
from service.ports.search import SearchEngine


@dataclass(frozen=True, slots=True)
class Target:
    """An index to write to. ``identity`` tells it from an earlier or later index of the same name.

    ``root`` is its mapping if the current registry did not create it: documents are reduced to what that mapping knows,
    since a strict mapping rejects other fields. None: documents are written unchanged.
    """

    physical: PhysicalIndex
    identity: str
    root: Mapping[str, Any] | None = None

    @property
    def index(self) -> str:
        """The index's name."""
        return self.physical.index


class Resolved(NamedTuple):
    """The targets of a plan, the live one first, and its indexes that do not exist."""

    targets: list[Target]
    gone: list[PhysicalIndex]


async def resolved(engine: SearchEngine, plan: Plan) -> Resolved:
    """Return the targets of a plan as the engine has them. Raises Unavailable, Rejected."""
    there: list[Target] = []
    gone: list[PhysicalIndex] = []
    for physical in plan.targets:
        target = await as_target(engine, physical)
        if target is None:
            gone.append(physical)
        else:
            there.append(target)
    return Resolved(there, gone)


async def as_target(engine: SearchEngine, physical: PhysicalIndex) -> Target | None:
    """Return an index as the engine has it, None if it does not exist. Raises Unavailable, Rejected."""
    identity = await engine.identity(physical.index)
    if identity is None:
        return None
    root = None if physical.hash == mapping_hash() else await engine.mapping(physical.index)
    return Target(physical, identity, root)
