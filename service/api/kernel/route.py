"""A route as a value: all that the dispatcher, OpenAPI, the generated reference and the tests know of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from service.api.kernel.authentication import Scheme
from service.api.kernel.bodies import JSON, Body, JsonBody
from service.api.kernel.call import Handler
from service.api.kernel.inputs import NoParams

INDEX_TOKEN = "X-Index-Token"  # noqa: S105 - a header's name
"""The header of a write's answer that a later search may wait for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a route answers with one status: its model, media type and headers beside those of every answer.

    ``model`` is any type that pydantic makes a schema of (a TypedDict, a model, a list of either), None for an answer
    without a body.
    """

    model: Any = None
    description: str = "The answer."
    media_type: str = JSON
    headers: tuple[str, ...] = ()
    example: Any = None


@dataclass(frozen=True, slots=True)
class Route:
    """A method of a path.

    - ``scope`` is what the caller's key must allow; None asks for nothing.
    - ``answers`` are the answers by status, of which the lowest is the usual one; a bare model stands for an Answer of
      it.
    - ``body`` is a model for JSON, or the kinds of bodies that are taken.
    - ``changes`` says whether a call changes anything: its answers then carry ``X-Index-Token``, and a POST takes an
      ``Idempotency-Key``, as does whatever starts an operation (202).
    - ``versioned`` says that ``ETag`` of its answers is a record's: ``If-None-Match`` of a read and ``If-Match`` of a
      change count.
    - ``errors`` are codes that it may answer beside those that follow from all this.
    - ``authentication`` replaces the dialect's; an empty one opens the route to everybody.
    - ``name`` replaces the operation's name, which is made of the handler's.
    """

    method: str
    path: str
    handler: Handler
    scope: str | None
    answers: Mapping[int, Any]
    params: type[BaseModel] = NoParams
    body: type[BaseModel] | Sequence[Body] | None = None
    changes: bool = False
    versioned: bool = False
    errors: tuple[str, ...] = ()
    authentication: tuple[Scheme, ...] | None = None
    name: str = ""

    @property
    def bodies(self) -> tuple[Body, ...]:
        """The kinds of bodies that it takes."""
        if self.body is None:
            return ()
        return (JsonBody(self.body),) if isinstance(self.body, type) else tuple(self.body)

    @property
    def idempotent_by_key(self) -> bool:
        """Whether it takes an Idempotency-Key: what is done at once by another method may be repeated as it is."""
        return self.changes and (self.method == "POST" or 202 in self.answers)

    @property
    def status(self) -> int:
        """The usual status."""
        return min(self.answers)

    def answer(self, status: int) -> Answer:
        """Return what it answers with a status."""
        found = self.answers[status]
        return found if isinstance(found, Answer) else Answer(found)
