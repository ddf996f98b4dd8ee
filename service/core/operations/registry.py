"""The types of operations: one table of what each takes and gives, and who runs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from service.core.shared.authorship import Actor, acting
from service.errors import InvalidInput
from service.ports.jobs import Jobs, Progress
from service.ports.store import Record, Store

if TYPE_CHECKING:
    from service.core.operations.context import OperationContext

P = TypeVar("P", bound=BaseModel)
R = TypeVar("R", bound=BaseModel)

WEEK = 7 * 86_400
"""Seconds that a finished operation is kept, with its result and its items, unless its type says otherwise."""


class Parameters(BaseModel):
    """What an operation is asked to do: plain JSON, exact types, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Result(BaseModel):
    """What an operation gives when it is completed: plain JSON."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Outcome(Result):
    """How many items there were; how many were changed, skipped, and could not be worked on."""

    total: int
    succeeded: int
    skipped: int
    failed: int


def outcome(context: OperationContext[Any]) -> Outcome:
    """Return what became of an operation's items."""
    return Outcome(total=context.total, **context.counts)


@dataclass(frozen=True, slots=True)
class OperationType(Generic[P, R]):
    """A type of operations.

    ``name`` never changes: it is in the records, and with it the meaning of the parameters. What is to be asked for
    differently is a new type, so that old workers leave it to new ones. ``concurrency`` is how many of them run at once
    in one process (None: no limit of its own). ``changes_records`` says that its items keep what was there before, so
    that it can be undone. The scope ``permission`` is needed to start and cancel it, ``seen_with`` to look at it; a
    type without a permission is the service's own, and nobody sees it. A finished one is kept for ``keep_seconds``.
    """

    name: str
    parameters: type[P]
    result: type[R]
    concurrency: int | None = None
    changes_records: bool = False
    permission: str | None = None
    seen_with: str = "assets:read"
    keep_seconds: int = WEEK


Handler = Callable[["OperationContext[P]"], Awaitable[R]]
"""Runs an operation of a type: in a context that knows its parameters and where an earlier run came to."""


class OperationRegistry:
    """The types that this version knows, by name, and the handlers that this process has for them."""

    def __init__(self, types: Iterable[OperationType[Any, Any]]) -> None:
        self._types: dict[str, OperationType[Any, Any]] = {}
        for each in types:
            if each.name in self._types:
                raise ValueError(f"There are two operation types named {each.name!r}.")
            self._types[each.name] = each

    @property
    def types(self) -> tuple[OperationType[Any, Any], ...]:
        """All types."""
        return tuple(self._types.values())

    def get(self, name: object) -> OperationType[Any, Any] | None:
        """Return a type by its name; None for one that this version does not know."""
        return self._types.get(str(name))

    @property
    def concurrency(self) -> Mapping[str, int]:
        """By type: how many one process runs at once, for those that are limited."""
        return {each.name: each.concurrency for each in self._types.values() if each.concurrency is not None}

    def handle(self, jobs: Jobs, store: Store, type_: OperationType[P, R], handler: Handler[P, R]) -> None:
        """Let these jobs run a type by a handler. Raises ValueError for a type that is not in the table."""
        if self._types.get(type_.name) is not type_:
            raise ValueError(f"The operation type {type_.name!r} is not in the table.")
        jobs.register(type_.name, _run_by(store, type_, handler))


def _run_by(
    store: Store, type_: OperationType[P, R], handler: Handler[P, R]
) -> Callable[[Record, Progress], Awaitable[Mapping[str, Any]]]:
    from service.core.operations.context import OperationContext

    async def run(operation: Record, progress: Progress) -> Mapping[str, Any]:
        try:
            parameters = type_.parameters.model_validate(operation.body["params"])
        except ValidationError as error:
            raise InvalidInput(f"The parameters of the operation are not those of {type_.name}.") from error
        by = operation.body.get("started_by") or {}
        with acting(Actor(by.get("user_id"), by.get("key_id") or None, operation.key)):
            result = await handler(OperationContext(store, operation, progress, parameters))
        return result.model_dump(mode="json")

    return run
