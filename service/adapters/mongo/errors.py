"""MongoDB's errors in the ports' words: the one table of its codes.

The codes are those of the server's ``error_codes.yml``. No message of the server is passed on: it may quote a document.
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

log = logging.getLogger(__name__)

DUPLICATE = 11000
NOT_A_REPLICA_SET = 40573
NAMESPACE_EXISTS = 48
WRITE_CONFLICT = 112
SCHEMA = 121


class Meaning(Enum):
    """What a code means to a caller."""

    UNAVAILABLE = "try again"
    TOO_LARGE = "the record does not fit"
    SCHEMA = "a bug of ours"


TOO_LARGE = "The record is larger than MongoDB takes."
_GONE = "the server that took writes is gone; another is being elected"
_STOPPING = "the server is shutting down"

CODES: Mapping[int, tuple[Meaning, str]] = {
    6: (Meaning.UNAVAILABLE, "a member of the database cannot be reached"),  # HostUnreachable
    7: (Meaning.UNAVAILABLE, "a member of the database cannot be reached"),  # HostNotFound
    13: (Meaning.UNAVAILABLE, "the account lacks a permission (assetry doctor says which)"),  # Unauthorized
    18: (Meaning.UNAVAILABLE, "the account is refused"),  # AuthenticationFailed
    50: (Meaning.UNAVAILABLE, "the database did not answer in time"),  # MaxTimeMSExpired
    64: (Meaning.UNAVAILABLE, "no majority of the replica set confirmed the write in time"),  # WriteConcernFailed
    89: (Meaning.UNAVAILABLE, "the database did not answer in time"),  # NetworkTimeout
    91: (Meaning.UNAVAILABLE, _STOPPING),  # ShutdownInProgress
    100: (Meaning.UNAVAILABLE, "the replica set has no majority to confirm a write"),  # UnsatisfiableWriteConcern
    WRITE_CONFLICT: (Meaning.UNAVAILABLE, "other writes were in the way"),
    SCHEMA: (Meaning.SCHEMA, "the record was refused by the schema of its collection"),  # DocumentValidationFailure
    134: (Meaning.UNAVAILABLE, "the database has no majority to read from yet"),  # ReadConcernMajorityNotAvailableYet
    146: (Meaning.TOO_LARGE, TOO_LARGE),  # ExceededMemoryLimit
    189: (Meaning.UNAVAILABLE, _GONE),  # PrimarySteppedDown
    202: (Meaning.UNAVAILABLE, "the database did not answer in time"),  # NetworkInterfaceExceededTimeLimit
    262: (Meaning.UNAVAILABLE, "the database did not answer in time"),  # ExceededTimeLimit
    8000: (Meaning.UNAVAILABLE, "the account is refused"),  # AtlasError
    9001: (Meaning.UNAVAILABLE, "the connection broke"),  # SocketException
    10058: (Meaning.UNAVAILABLE, _GONE),  # LegacyNotPrimary
    10107: (Meaning.UNAVAILABLE, _GONE),  # NotWritablePrimary
    10334: (Meaning.TOO_LARGE, TOO_LARGE),  # BSONObjectTooLarge
    11600: (Meaning.UNAVAILABLE, _STOPPING),  # InterruptedAtShutdown
    11602: (Meaning.UNAVAILABLE, _GONE),  # InterruptedDueToReplStateChange
    13435: (Meaning.UNAVAILABLE, _GONE),  # NotPrimaryNoSecondaryOk
    13436: (Meaning.UNAVAILABLE, _GONE),  # NotPrimaryOrSecondary
    14031: (Meaning.UNAVAILABLE, "the disk of the database is full"),  # OutOfDiskSpace
    17419: (Meaning.TOO_LARGE, TOO_LARGE),  # after $set
    17420: (Meaning.TOO_LARGE, TOO_LARGE),  # after $push
}
"""What each code means, and in which words. Any other is Unavailable, without more to say."""

HISTORY_CODES: Mapping[int, str] = {
    136: "the log that the feed reads was overwritten",  # CappedPositionLost
    260: "the token is not one of this database's change streams",  # InvalidResumeToken
    280: "the change stream cannot go on from the token",  # ChangeStreamFatalError
    286: "the oplog no longer reaches back to the token",  # ChangeStreamHistoryLost
    10334: "an event behind the token is too large",  # BSONObjectTooLarge
}
"""What a change stream answers when it cannot go on from a token: reconcile, never continue from now."""

_AUTH_CODES = (18, 8000)
_NO_REPLICA_SET = (
    "the server is in no replica set, so it has no change streams: start mongod with --replSet rs0 and run"
    " mongosh --eval 'rs.initiate()' once; a set of one member will do"
)
_BLAMES: Mapping[str, str] = {
    r"requires at least|only supports up to": "the server's version is none that is supported: use 5.0 to 8.x",
    r"[Ss]essions are not supported|belongs to a set named 'None'": _NO_REPLICA_SET,
    r"No replica set members available|belongs to a set named": (
        "the server is in no replica set of that name: fix replicaSet in the URL, or leave it out; a server that is in"
        " none needs --replSet and, once, mongosh --eval 'rs.initiate()'"
    ),
    r"server_type: RSGhost": "the replica set is not initiated: run mongosh --eval 'rs.initiate()' once",
    r"internal hostnames": (
        "the replica set names its members by hosts that cannot be reached from here: give them names that can"
        " (rs.reconfig), or, for a set of one, add directConnection=true to the URL"
    ),
    r"\[Errno (-2|-3|-5|8|11001)\]|name resolution": "the host's name is not known: fix {host} in the URL",
    r"SSL handshake failed|SSL:|CERTIFICATE_VERIFY": (
        "the server's TLS is refused: check tls, tlsCAFile and the host's name in the URL"
    ),
}
"""What the driver says where the URL, or how the server was set up, is to blame; the first that fits."""
_HOST = re.compile(r"([\w.-]+):\d+: \[Errno")
_RETRY_LABELS = ("TransientTransactionError", "UnknownTransactionCommitResult")


def code_of(error: BaseException) -> int | None:
    """Return the server's code of an error, also of the first write error or of the write concern's."""
    details = getattr(error, "details", None)
    if isinstance(error, mongo.BulkWriteError):
        nested = [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())] if details else []
        return next((item.get("code") for item in nested), None)
    code = getattr(error, "code", None)
    if code is None and isinstance(details, Mapping):
        code = details.get("code")
    return code if isinstance(code, int) else None


def is_passing(error: mongo.PyMongoError) -> bool:
    """Whether the same write, sent again at once, may well succeed: nothing of it was done."""
    return code_of(error) == WRITE_CONFLICT or any(error.has_error_label(label) for label in _RETRY_LABELS)


def translated(error: mongo.PyMongoError) -> AssetryError:
    """Return the error to raise from an engine's error."""
    if isinstance(error, mongo.ServerSelectionTimeoutError):
        return Unavailable("store", "no server takes writes")
    meaning, words = CODES.get(code_of(error) or 0, (Meaning.UNAVAILABLE, "the database reported an error"))
    if meaning is Meaning.TOO_LARGE:
        return TooLarge(words)
    if meaning is Meaning.SCHEMA:
        log.error("%s: %s", words, ", ".join(_broken_rules(getattr(error, "details", None))) or "no details")
        return AssetryError(words)
    if code_of(error) is None and isinstance(error, mongo.ConnectionFailure):
        words = "the database does not answer"
    return Unavailable("store", words)


def lost(error: mongo.PyMongoError) -> AssetryError:
    """Return the error to raise from one of a change stream."""
    words = HISTORY_CODES.get(code_of(error) or 0)
    return translated(error) if words is None else HistoryLost(f"{words[0].upper()}{words[1:]}.")


@asynccontextmanager
async def asked(seconds: float) -> AsyncIterator[None]:
    """Ask the engine something, for so many seconds at most; DuplicateKeyError and BulkWriteError come as they are.

    A write that was cut off here still ends in its thread: its outcome is unknown, as Unavailable says.
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
    except mongo.DocumentTooLarge as error:  # the driver's own check; it is no PyMongoError
        raise TooLarge(TOO_LARGE) from error


def settings_error(error: mongo.PyMongoError) -> AssetryError:
    """Return what is wrong at the start: a setting where it is to blame, else what :func:`translated` says."""
    if isinstance(error, (mongo.ConfigurationError, mongo.ConnectionFailure)) and (words := _blame(error)):
        return SettingsError(SETTING, words)
    if isinstance(error, mongo.ConfigurationError):  # InvalidURI is one, too
        return SettingsError(SETTING, "is not a URL that MongoDB's driver takes: see the connection string's reference")
    code = code_of(error)
    if code in _AUTH_CODES:
        return SettingsError(SETTING, "the user or its password is refused: fix them in the URL (authSource, too)")
    if code == 13:
        return SettingsError(SETTING, "the user lacks permissions: grant it readWrite and dbAdmin on the database")
    if code == NOT_A_REPLICA_SET:
        return SettingsError(SETTING, _NO_REPLICA_SET)
    return translated(error)


def _blame(error: mongo.PyMongoError) -> str | None:
    """Return what is wrong by the driver's words: it keeps what befell a connection, or a set, as text only."""
    text = str(error)
    for pattern, words in _BLAMES.items():
        if re.search(pattern, text):
            host = _HOST.search(text)
            return words.format(host=host[1] if host else "it")
    return None


def _broken_rules(details: Any) -> Iterator[str]:
    """Yield the names of the rules and fields that a document broke, none of its values."""
    if isinstance(details, Mapping):
        for name in ("operatorName", "propertyName", "missingProperties", "additionalProperties"):
            if name in details:
                yield str(details[name])
        for value in details.values():
            yield from _broken_rules(value)
    elif isinstance(details, list):
        for item in details:
            yield from _broken_rules(item)
