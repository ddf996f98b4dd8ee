"""The exceptions of Assetry.

::

    AssetryError
    ├── InvalidInput            the caller's text or body is invalid; names the field and how to fix it
    │   ├── TooLarge            a body, a file or a record exceeds its limit
    │   └── IngestError         the content of a file cannot be read
    ├── NotAuthenticated        the API key is missing or unknown
    ├── NotAllowed              the API key lacks a scope
    ├── TooManyRequests         the hourly request quota of the API key is used up
    ├── NotFound                the record does not exist (or belongs to another organization)
    ├── AlreadyExists           a unique value is already in use
    ├── Conflict                the record is not at the rev that the caller expected
    ├── OperationFailed         an operation whose result is asked for has failed or was cancelled
    ├── RequestInProgress       the same request is still in progress
    ├── IdempotencyKeyReused    the idempotency key was used for another request
    ├── Unavailable             an engine does not respond; try again
    │   ├── DeadlineExceeded    a request took too long
    │   ├── IndexBuilding       there is no complete index yet
    │   └── StorageFull         there is no space for a file
    ├── BodyTimeout             the body of a request stopped arriving
    ├── HistoryLost             the change feed no longer reaches back to the given token
    └── SettingsError           a setting or the environment is wrong; names the setting and the fix
        └── Unreachable         nothing responds at the URL in a setting

Adapters raise only these, never their engine's exceptions. ``service.api.kernel.errors`` maps them to HTTP statuses,
``service.cli.exit_codes`` to exit codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class AssetryError(Exception):
    """Base class of all errors that Assetry raises deliberately."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInput(AssetryError):
    """The caller's input is invalid.

    ``field`` names the input as the caller knows it, ``provided`` is the value sent (truncated), ``expected`` says how
    to fix it; ``problems`` lists further problems in the same form, or the first of ``problem_count`` ones.
    """

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        provided: object = None,
        expected: str | None = None,
        problems: tuple[Mapping[str, Any], ...] = (),
        problem_count: int | None = None,
    ) -> None:
        super().__init__(message)
        self.field = field
        self.provided = provided
        self.expected = expected
        self.problems = problems
        self.problem_count = len(problems) if problem_count is None else problem_count


class TooLarge(InvalidInput):
    """A body, a file or a record exceeds its limit; the message names the limit and its value."""


class IngestError(InvalidInput):
    """The content of a file cannot be read.

    ``reason`` is a stable code: ``malformed``, ``bomb``, ``timeout``, ``memory``, ``unsupported`` …
    """

    def __init__(self, message: str, *, reason: str, filename: str | None = None) -> None:
        super().__init__(message, field="file", provided=filename)
        self.reason = reason
        self.filename = filename

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by keyword, so that the error can be passed out of a worker process."""
        return (_ingest_error, (self.message, self.reason, self.filename))


def _ingest_error(message: str, reason: str, filename: str | None) -> IngestError:
    return IngestError(message, reason=reason, filename=filename)


class NotAuthenticated(AssetryError):
    """The API key is missing, unknown, expired or revoked."""


class NotAllowed(AssetryError):
    """The API key is valid but lacks ``scope``."""

    def __init__(self, message: str, *, scope: str) -> None:
        super().__init__(message)
        self.scope = scope


class TooManyRequests(AssetryError):
    """The API key has used up its quota; retry after ``retry_after`` seconds. ``headers`` describe the quota."""

    def __init__(self, message: str, *, retry_after: int, headers: Mapping[str, str]) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.headers = headers


class NotFound(AssetryError):
    """The record does not exist in the caller's organization."""

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"There is no {kind.replace('_', ' ')} {key!r}.")
        self.kind = kind
        self.key = key


class AlreadyExists(AssetryError):
    """A unique value is in use. ``index`` says which (``key``, ``guid``, ``slug`` …), ``value`` is the duplicate."""

    def __init__(self, kind: str, index: str, value: object) -> None:
        super().__init__(f"A {kind.replace('_', ' ')} with {index} {value!r} already exists.")
        self.kind = kind
        self.index = index
        self.value = value


class Conflict(AssetryError):
    """The record is at ``rev``, but the caller expected ``expected``."""

    def __init__(self, kind: str, key: str, *, expected: int, rev: int) -> None:
        super().__init__(f"The {kind} {key!r} is at rev {rev}, not {expected}. Read it again and repeat the change.")
        self.kind = kind
        self.key = key
        self.expected = expected
        self.rev = rev


class OperationFailed(AssetryError):
    """An operation whose result is asked for has none, and will have none."""


class RequestInProgress(AssetryError):
    """A request with the same Idempotency-Key is in progress; ``retry_after`` is in whole seconds."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class IdempotencyKeyReused(AssetryError):
    """The Idempotency-Key was already used for a different request."""


class Unavailable(AssetryError):
    """An engine does not respond (in time). ``engine`` is the name of its port, ``retry_after`` in whole seconds.

    ``said`` is what the engine itself said of a fault that is not known here: for operators, in logs and commands. It
    is no part of the message, since it never leaves the service: it may quote documents.
    """

    def __init__(self, engine: str, message: str, *, retry_after: int = 2, said: str = "") -> None:
        super().__init__(f"{engine}: {message}")
        self.engine = engine
        self.retry_after = retry_after
        self.said = said


class DeadlineExceeded(Unavailable):
    """A request was not completed within ``seconds``; whether it changed anything is unknown."""

    def __init__(self, seconds: float) -> None:
        super().__init__("service", f"the request was not completed within {seconds:g} s")
        self.seconds = seconds


class IndexBuilding(Unavailable):
    """There is no complete index yet: one appears when the first one is built."""


class StorageFull(Unavailable):
    """There is no space for a file, either on the engine's disk or where uploads are buffered."""

    def __init__(self, engine: str, message: str) -> None:
        super().__init__(engine, message, retry_after=60)  # freeing disk space takes more than a few seconds


class BodyTimeout(AssetryError):
    """The body of a request stopped arriving, or arrived too slowly; ``seconds`` is how long was waited in vain."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"The request body stopped arriving, or arrived too slowly, for {seconds:.3g} s. "
            "Send the request again without pauses."
        )
        self.seconds = seconds


class HistoryLost(AssetryError):
    """The change feed cannot resume from the given token: reconcile; never continue from the present."""


class SettingsError(AssetryError):
    """A setting or the environment is wrong. ``setting`` is its name as the user writes it."""

    def __init__(self, setting: str, message: str) -> None:
        super().__init__(f"{setting}: {message}")
        self.setting = setting


class Unreachable(SettingsError):
    """Nothing responds at the URL in a setting: the URL is wrong or the engine is down."""
