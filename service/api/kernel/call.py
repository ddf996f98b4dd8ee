"""One call of a native route: what the handler gets and what it gives back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from starlette.requests import Request

from service.api.kernel.context import Context
from service.api.kernel.forms import Form
from service.core.access.keys import Principal
from service.core.shared.idempotency import Attempt

P = TypeVar("P", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Call(Generic[P]):
    """An authenticated request with its checked query parameters.

    ``form`` is its body where the route takes forms and one came. ``attempt`` is there when it came with an
    Idempotency-Key: whatever the handler makes must be keyed by it, for it may run again.
    """

    request: Request
    context: Context
    who: Principal
    params: P
    base: str
    prefix: str
    form: Form | None = None
    attempt: Attempt | None = None

    @property
    def path(self) -> Mapping[str, str]:
        """The path's parameters."""
        return self.request.path_params


@dataclass(frozen=True, slots=True)
class Reply:
    """A JSON answer."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Call[Any]], Awaitable[Reply]]
