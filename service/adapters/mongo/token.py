"""Positions in the change feed of a MongoDB database, as the opaque text that followers save."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import bson
from bson.errors import BSONError
from bson.timestamp import Timestamp

from service.errors import HistoryLost

ResumeToken = Mapping[str, Any]
_KEYSTRING_TIMESTAMP = 0x82  # the type of the first value in a resume token


@dataclass(frozen=True, slots=True)
class Token:
    """A position in a database's feed.

    A feed at this position has seen every change before ``time`` (the cluster time as 64 bits; 0: unknown). One write
    may cause many events with the same time, so it has seen all *at* ``time`` only if ``whole``. It has seen the
    barrier ``marker`` and all before it. ``resume`` has the resume tokens of its change streams by name, and
    ``pipeline`` is the hash of their pipelines: a resume token is only valid for the same pipeline.
    """

    database: str
    time: int = 0
    whole: bool = False
    marker: int = 0
    resume: Mapping[str, ResumeToken] = field(default_factory=dict)
    pipeline: str = ""

    def __str__(self) -> str:
        values = [self.database, self.time, self.whole, self.marker, dict(self.resume), self.pipeline]
        return base64.urlsafe_b64encode(bson.encode({"t": values})).decode().rstrip("=")

    def passed(self, mark: Token) -> bool:
        """Whether a feed at this position has passed a mark of the same database.

        A barrier is passed by its number or, if other writes made the time of its answer later than its own, by time.
        """
        if mark.marker and self.marker >= mark.marker:
            return True
        return mark.time > 0 and (self.time, self.whole) >= (mark.time, mark.whole)


def read_token(text: str, database: str) -> Token:
    """Parse a token. Raises HistoryLost if it belongs to another database, or is not a token."""
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)
        owner, time, whole, marker, resume, pipeline = bson.decode(raw)["t"]
        token = Token(str(owner), int(time), bool(whole), int(marker), dict(resume), str(pipeline))
    except (ValueError, TypeError, KeyError, binascii.Error, BSONError) as error:
        raise HistoryLost(f"The token {text[:80]!r} does not belong to this database.") from error
    if token.database != database:
        raise HistoryLost(f"The token {text[:80]!r} does not belong to this database.")
    return token


def as_int(time: Timestamp) -> int:
    """Return a cluster time as one integer with the same order."""
    return (time.time << 32) | time.inc


def as_timestamp(time: int) -> Timestamp:
    """Return the cluster time that :func:`as_int` was given."""
    return Timestamp(time >> 32, time & 0xFFFFFFFF)


def time_of(token: ResumeToken | None) -> int:
    """Return the cluster time at the start of a resume token, 0 if it has another form.

    Its ``_data`` is the hex form of a KeyString whose first value is the time; other followers (Debezium) rely on that
    too. Only the token of an empty batch needs it: events carry their time.
    """
    try:
        raw = bytes.fromhex((token or {})["_data"])
    except (KeyError, TypeError, ValueError):
        return 0
    return int.from_bytes(raw[1:9], "big") if len(raw) >= 9 and raw[0] == _KEYSTRING_TIMESTAMP else 0
