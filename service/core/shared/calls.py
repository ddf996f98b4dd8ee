"""The call that is under way: a request or an operation, which every record that it writes names in ``updated_by``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str | None] = ContextVar("assetry_call", default=None)


def current_call() -> str | None:
    """Return the id of the call that is under way in this task, None outside of any."""
    return _current.get()


@contextmanager
def calling(call_id: str) -> Iterator[None]:
    """Be within a call until the block ends; tasks that are begun in it are, too."""
    token = _current.set(call_id)
    try:
        yield
    finally:
        _current.reset(token)
