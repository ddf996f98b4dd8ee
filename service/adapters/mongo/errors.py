"""MongoDB's errors as Assetry's: the only table of its error codes.

The codes are those of the server's ``error_codes.yml``. The server's own messages are never passed on to clients: they
may quote documents. Operators see that of a code that is not in the table.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any

from pymongo import errors as mongo

from service.adapters.mongo.options import SETTING
from service.errors import AssetryError, HistoryLost, SettingsError, TooLarge, Unavailable
from service.printable import printable

log = logging.getLogger(__name__)

DUPLICATE = 11000
NOT_A_REPLICA_SET = 40573
NAMESPACE_EXISTS = 48
WRITE_CONFLICT = 112
SCHEMA = 121


class ErrorKind(Enum):
    """What an error code means to the caller."""

    UNAVAILABLE = "try again"
    TOO_LARGE = "the record is too large"
    SCHEMA = "a bug in Assetry"


TOO_LARGE = "The record exceeds MongoDB's maximum size."
_GONE = "the primary is gone; a new one is being elected"
_STOPPING = "the server is shutting down"

CODES: Mapping[int, tuple[ErrorKind, str]] = {
    6: (ErrorKind.UNAVAILABLE, "a member of the replica set cannot be reached"),  # HostUnreachable
    7: (ErrorKind.UNAVAILABLE, "a member of the replica set cannot be reached"),  # HostNotFound
    13: (ErrorKind.UNAVAILABLE, "the user lacks a permission (run `assetry doctor`)"),  # Unauthorized
    18: (ErrorKind.UNAVAILABLE, "the credentials were rejected"),  # AuthenticationFailed
    50: (ErrorKind.UNAVAILABLE, "the database did not answer in time"),  # MaxTimeMSExpired
    64: (ErrorKind.UNAVAILABLE, "no majority of the replica set confirmed the write in time"),  # WriteConcernFailed
    89: (ErrorKind.UNAVAILABLE, "the database did not answer in time"),  # NetworkTimeout
    91: (ErrorKind.UNAVAILABLE, _STOPPING),  # ShutdownInProgress
    100: (ErrorKind.UNAVAILABLE, "the replica set has no majority to confirm a write"),  # UnsatisfiableWriteConcern
    WRITE_CONFLICT: (ErrorKind.UNAVAILABLE, "there were too many conflicting writes"),
    SCHEMA: (ErrorKind.SCHEMA, "the record was rejected by its collection's validator"),  # DocumentValidationFailure
    134: (
        ErrorKind.UNAVAILABLE,
        "the replica set cannot serve majority reads yet",
    ),  # ReadConcernMajorityNotAvailableYet
    146: (ErrorKind.TOO_LARGE, TOO_LARGE),  # ExceededMemoryLimit
    189: (ErrorKind.UNAVAILABLE, _GONE),  # PrimarySteppedDown
    202: (ErrorKind.UNAVAILABLE, "the database did not answer in time"),  # NetworkInterfaceExceededTimeLimit
    262: (ErrorKind.UNAVAILABLE, "the database did not answer in time"),  # ExceededTimeLimit
    8000: (ErrorKind.UNAVAILABLE, "the credentials were rejected"),  # AtlasError
    9001: (ErrorKind.UNAVAILABLE, "the connection broke"),  # SocketException
    10058: (ErrorKind.UNAVAILABLE, _GONE),  # LegacyNotPrimary
    10107: (ErrorKind.UNAVAILABLE, _GONE),  # NotWritablePrimary
    10334: (ErrorKind.TOO_LARGE, TOO_LARGE),  # BSONObjectTooLarge
    11600: (ErrorKind.UNAVAILABLE, _STOPPING),  # InterruptedAtShutdown
    11602: (ErrorKind.UNAVAILABLE, _GONE),  # InterruptedDueToReplStateChange
    13435: (ErrorKind.UNAVAILABLE, _GONE),  # NotPrimaryNoSecondaryOk
    13436: (ErrorKind.UNAVAILABLE, _GONE),  # NotPrimaryOrSecondary
    14031: (ErrorKind.UNAVAILABLE, "the database's disk is full"),  # OutOfDiskSpace
    17419: (ErrorKind.TOO_LARGE, TOO_LARGE),  # after $set
    17420: (ErrorKind.TOO_LARGE, TOO_LARGE),  # after $push
}
"""What each code means, and the message for it. Any other code is Unavailable, and told by its number and name."""

_SAID = 300
"""Characters of the server's own words that operators see."""

HISTORY_CODES: Mapping[int, str] = {
    136: "the oplog entries after the token were overwritten",  # CappedPositionLost
    260: "the token does not belong to this database's change streams",  # InvalidResumeToken
    280: "the change stream cannot resume from the token",  # ChangeStreamFatalError
    286: "the oplog no longer reaches back to the token",  # ChangeStreamHistoryLost
    10334: "an event after the token is too large",  # BSONObjectTooLarge
}
"""Why a change stream cannot resume from a token; then reconcile, never continue from now."""

_AUTH_CODES = (18, 8000)
_NO_REPLICA_SET = (
    "the server is not in a replica set, so it has no change streams: start mongod with --replSet rs0 and run"
    " mongosh --eval 'rs.initiate()' once; one member is enough"
)
_CONFIGURATION_FAULTS: Mapping[str, str] = {
    r"requires at least|only supports up to": "the server's version is not supported: use 5.0 to 8.x",
    r"[Ss]essions are not supported|belongs to a set named 'None'": _NO_REPLICA_SET,
    r"No replica set members available|belongs to a set named": (
        "the server is not in a replica set of that name: correct replicaSet in the URL, or remove it; a server that"
        " is in no replica set needs --replSet and, once, mongosh --eval 'rs.initiate()'"
    ),
    r"server_type: RSGhost": "the replica set is not initiated: run mongosh --eval 'rs.initiate()' once",
    r"internal hostnames": (
        "the replica set lists its members by host names that cannot be reached from here: use reachable names"
        " (rs.reconfig) or, for a single member, add directConnection=true to the URL"
    ),
    r"\[Errno (-2|-3|-5|8|11001)\]|name resolution": "cannot resolve the host name: correct {host} in the URL",
    r"SSL handshake failed|SSL:|CERTIFICATE_VERIFY": (
        "the TLS connection to the server failed: check tls, tlsCAFile and the host name in the URL"
    ),
}
"""What the driver's text means if the URL or the server's configuration is wrong; the first match counts."""
_HOST = re.compile(r"([\w.-]+):\d+: \[Errno")
_RETRY_LABELS = ("TransientTransactionError", "UnknownTransactionCommitResult")


def code_of(error: BaseException) -> int | None:
    """Return the server's error code, also that of the first write error or of the write concern error."""
    details = getattr(error, "details", None)
    if isinstance(error, mongo.BulkWriteError):
        nested = [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())] if details else []
        return next((item.get("code") for item in nested), None)
    code = getattr(error, "code", None)
    if code is None and isinstance(details, Mapping):
        code = details.get("code")
    return code if isinstance(code, int) else None


def is_transient(error: mongo.PyMongoError) -> bool:
    """Whether the same write may well succeed if it is sent again at once: nothing of it was applied."""
    return code_of(error) == WRITE_CONFLICT or any(error.has_error_label(label) for label in _RETRY_LABELS)


def translated(error: mongo.PyMongoError) -> AssetryError:
    """Return the error to raise for a driver's error."""
    if isinstance(error, mongo.ServerSelectionTimeoutError):
        return Unavailable("store", "the replica set has no reachable primary")
    code = code_of(error)
    if code is not None and code not in CODES:
        return _unknown(code, error)
    kind, words = CODES.get(code or 0, (ErrorKind.UNAVAILABLE, "the database reported an error"))
    if kind is ErrorKind.TOO_LARGE:
        return TooLarge(words)
    if kind is ErrorKind.SCHEMA:
        log.error("%s: %s", words, ", ".join(_broken_rules(getattr(error, "details", None))) or "no details")
        return AssetryError(words)
    if code is None and isinstance(error, mongo.ConnectionFailure):
        words = "the database does not answer"
    return Unavailable("store", words)


def _unknown(code: int, error: mongo.PyMongoError) -> Unavailable:
    """Return the error for a code that the table lacks: its number and name, and for operators the server's words."""
    details = getattr(error, "details", None)
    nested = details if isinstance(details, Mapping) else {}
    name = nested.get("codeName")
    words = f"the database refused the command with code {code}" + (f" ({name})" if isinstance(name, str) else "")
    said = printable(str(nested.get("errmsg") or ""), one_line=True)[:_SAID]
    log.warning("%s: %s", words, said or "without a message")
    return Unavailable("store", words, said=said)


def stream_error(error: mongo.PyMongoError) -> AssetryError:
    """Return the error to raise for an error of a change stream."""
    words = HISTORY_CODES.get(code_of(error) or 0)
    return translated(error) if words is None else HistoryLost(f"{words[0].upper()}{words[1:]}.")


@asynccontextmanager
async def time_limit(seconds: float) -> AsyncIterator[None]:
    """Limit the time of the enclosed calls, and translate errors, except DuplicateKeyError and BulkWriteError.

    A write that is cut off here still ends in its thread: its outcome is unknown, as Unavailable says.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise Unavailable("store", "the database did not answer in time") from None
    except (mongo.DuplicateKeyError, mongo.BulkWriteError):
        raise
    except mongo.PyMongoError as error:
        raise translated(error) from error
    except mongo.DocumentTooLarge as error:  # raised by the driver itself; it is not a PyMongoError
        raise TooLarge(TOO_LARGE) from error


def settings_error(error: mongo.PyMongoError) -> AssetryError:
    """Return the error to raise at startup: SettingsError if a setting is wrong, otherwise as :func:`translated`."""
    if isinstance(error, (mongo.ConfigurationError, mongo.ConnectionFailure)) and (
        words := _configuration_fault(error)
    ):
        return SettingsError(SETTING, words)
    if isinstance(error, mongo.ConfigurationError):  # InvalidURI is one, too
        return SettingsError(SETTING, "invalid MongoDB URL: see the reference of MongoDB's connection strings")
    code = code_of(error)
    if code in _AUTH_CODES:
        return SettingsError(SETTING, "the user or password was rejected: correct them in the URL (also authSource)")
    if code == 13:
        return SettingsError(SETTING, "the user lacks permissions: grant it readWrite and dbAdmin on the database")
    if code == NOT_A_REPLICA_SET:
        return SettingsError(SETTING, _NO_REPLICA_SET)
    return translated(error)


def _configuration_fault(error: mongo.PyMongoError) -> str | None:
    """Return what is wrong, judged by the driver's text: it reports connection and topology errors as text only."""
    text = str(error)
    for pattern, words in _CONFIGURATION_FAULTS.items():
        if re.search(pattern, text):
            host = _HOST.search(text)
            return words.format(host=host[1] if host else "it")
    return None


def _broken_rules(details: Any) -> Iterator[str]:
    """Yield the names of the rules and fields that a document violated, but none of its values."""
    if isinstance(details, Mapping):
        for name in ("operatorName", "propertyName", "missingProperties", "additionalProperties"):
            if name in details:
                yield str(details[name])
        for value in details.values():
            yield from _broken_rules(value)
    elif isinstance(details, list):
        for item in details:
            yield from _broken_rules(item)
