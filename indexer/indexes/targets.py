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
    """An index to write to. ``identity`` tells it from another index of its name, made before or after.

    ``root`` is its mapping where today's registry did not make it: a document is cut to what the mapping knows, since
    a strict one refuses other fields. None: documents go there as they are.
    """

    physical: PhysicalIndex
    identity: str
    root: Mapping[str, Any] | None = None

    @property
    def index(self) -> str:
        """The index's name."""
        return self.physical.index


class Resolved(NamedTuple):
    """The targets of a plan, the live one first, and the indexes of it that are not there."""

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
    """Return an index as the engine has it, None if it is gone. Raises Unavailable, Rejected."""
    identity = await engine.identity(physical.index)
    if identity is None:
        return None
    root = None if physical.hash == mapping_hash() else await engine.mapping(physical.index)
    return Target(physical, identity, root)
