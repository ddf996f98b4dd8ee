"""What can go wrong, as types.

::

    AssetryError
    ├── InvalidInput            the caller's text or body is wrong; says which field and how to fix it
    │   ├── TooLarge            a body, a file or a record over its limit
    │   └── IngestError         a file whose content cannot be read
    ├── NotAuthenticated        no key, or one that is not known
    ├── NotAllowed              the key lacks a scope
    ├── TooManyRequests         the key's requests of this hour are used up
    ├── NotFound                no such record (also: another organization's)
    ├── AlreadyExists           a unique key is taken
    ├── Conflict                the record is not at the rev that the caller expected
    ├── RequestInProgress       the same request is under way
    ├── IdempotencyKeyReused    the key belongs to another request
    ├── Unavailable             an engine does not answer; try again
    │   ├── Overdue             a request took too long
    │   └── StorageFull         there is no room for a file
    ├── BodyOverdue             a request's body stopped arriving
    ├── HistoryLost             the change feed cannot go back to the given token
    └── SettingsError           a setting or the environment is wrong; names the setting and the fix
        └── Unreachable         nothing answers at the address that a setting names

Adapters raise these and nothing of their engine's. How each becomes an HTTP status is one table in
``service.api.kernel.errors``, how each becomes an exit code is one table in ``service.cli.exit_codes``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class AssetryError(Exception):
    """The root of all errors that Assetry raises on purpose."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInput(AssetryError):
    """The caller's input is wrong.

    ``field`` names the input in the caller's words, ``provided`` is what came (cut), ``expected`` how to fix it;
    ``problems`` lists every further problem in the same shape.
    """

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        provided: object = None,
        expected: str | None = None,
        problems: tuple[Mapping[str, Any], ...] = (),
    ) -> None:
        super().__init__(message)
        self.field = field
        self.provided = provided
        self.expected = expected
        self.problems = problems


class TooLarge(InvalidInput):
    """A body, a file or a record is over its limit; the message names the limit and its value."""


class IngestError(InvalidInput):
    """A file's content cannot be read.

    ``reason`` is a stable word: ``malformed``, ``bomb``, ``timeout``, ``memory``, ``unsupported`` …
    """

    def __init__(self, message: str, *, reason: str, filename: str | None = None) -> None:
        super().__init__(message, field="file", provided=filename)
        self.reason = reason
        self.filename = filename

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by keyword, so that the error survives the way out of a worker process."""
        return (_ingest_error, (self.message, self.reason, self.filename))


def _ingest_error(message: str, reason: str, filename: str | None) -> IngestError:
    return IngestError(message, reason=reason, filename=filename)


class NotAuthenticated(AssetryError):
    """No API key came with the request, or one that is not known, expired or revoked."""


class NotAllowed(AssetryError):
    """The key is good but lacks ``scope``."""

    def __init__(self, message: str, *, scope: str) -> None:
        super().__init__(message)
        self.scope = scope


class TooManyRequests(AssetryError):
    """The key's requests are used up for ``retry_after`` seconds; ``headers`` tell its quota."""

    def __init__(self, message: str, *, retry_after: int, headers: Mapping[str, str]) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.headers = headers


class NotFound(AssetryError):
    """No such record in the caller's organization."""

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"No {kind.replace('_', ' ')} {key!r}.")
        self.kind = kind
        self.key = key


class AlreadyExists(AssetryError):
    """A unique key is taken. ``index`` names which (``key``, ``guid``, ``slug`` …), ``value`` is what collided."""

    def __init__(self, kind: str, index: str, value: object) -> None:
        super().__init__(f"A {kind.replace('_', ' ')} with {index} {value!r} already exists.")
        self.kind = kind
        self.index = index
        self.value = value


class Conflict(AssetryError):
    """The record is at ``rev``, the caller expected ``expected``."""

    def __init__(self, kind: str, key: str, *, expected: int, rev: int) -> None:
        super().__init__(f"The {kind} {key!r} is at rev {rev}, not {expected}: read it again and repeat the change.")
        self.kind = kind
        self.key = key
        self.expected = expected
        self.rev = rev


class RequestInProgress(AssetryError):
    """A request with the same Idempotency-Key is under way; ``retry_after`` is whole seconds."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class IdempotencyKeyReused(AssetryError):
    """The Idempotency-Key came with another request before."""


class Unavailable(AssetryError):
    """An engine does not answer (in time). ``engine`` is its port's name, ``retry_after`` whole seconds."""

    def __init__(self, engine: str, message: str, *, retry_after: int = 2) -> None:
        super().__init__(f"{engine}: {message}")
        self.engine = engine
        self.retry_after = retry_after


class DeadlineExceeded(Unavailable):
    """A request was not answered within ``seconds``; what it changed, if anything, is not known."""

    def __init__(self, seconds: float) -> None:
        super().__init__("service", f"the request was not answered within {seconds:g} s")
        self.seconds = seconds


class StorageFull(Unavailable):
    """There is no room for a file: on the engine's disk, or where files are gathered on their way to it."""

    def __init__(self, engine: str, message: str) -> None:
        super().__init__(engine, message, retry_after=60)  # a disk that is full is rarely emptied in seconds


class BodyTimeout(AssetryError):
    """The next piece of a request's body did not arrive within ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The request's body stopped arriving for {seconds:g} s: send it again, without pauses.")
        self.seconds = seconds


class HistoryLost(AssetryError):
    """The change feed cannot resume from the given token: reconcile, never continue from now."""


class SettingsError(AssetryError):
    """A setting or the environment is wrong. ``setting`` names it as the user writes it."""

    def __init__(self, setting: str, message: str) -> None:
        super().__init__(f"{setting}: {message}")
        self.setting = setting


class Unreachable(SettingsError):
    """Nothing answers at the address that a setting names: it is wrong, or the engine is away."""
