"""Read your writes: a token for what was written so far, and searches that wait until the index has come that far."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence

from service.errors import HistoryLost, InvalidInput
from service.ports.store import Store

DEFAULT_SECONDS, MAX_SECONDS = 5.0, 30.0
"""How long a search waits for the index unless told otherwise, and at most."""

MAX_TOKEN = 4096
"""Characters of a token at most: a place in a feed of many streams names each."""

INDEXED_KINDS = ("asset",)
"""The kinds of records that searches see."""

_SIGNATURE = 12  # bytes of HMAC-SHA256: a forged token costs its sender a wait, no more

Wait = Callable[[str, float], Awaitable[bool]]
"""Waits until searches see everything up to a store's token, for so many seconds at most; whether they do."""


class Consistency:
    """Makes index tokens and waits for them.

    A token is a place in the store's change feed, signed, so that what a client sends back is one that it was given. It
    is good for as long as the database is. Those that were signed with one of the ``previous`` keys are taken, too.
    """

    def __init__(self, store: Store, wait: Wait, key: bytes, previous: Sequence[bytes] = ()) -> None:
        self._store = store
        self._wait = wait
        self._keys = (key, *previous)

    async def token(self) -> str:
        """Return the token of everything that was written before this call. It costs one small read."""
        place = (await self._store.position(INDEXED_KINDS)).encode()
        return base64.urlsafe_b64encode(_sign(self._keys[0], place) + place).decode().rstrip("=")

    async def caught_up(self, token: str, seconds: float = DEFAULT_SECONDS) -> bool:
        """Wait until searches see all that the token stands for; False when that takes longer than ``seconds``.

        Raises InvalidInput for a token that is not of this service and its database.
        """
        try:
            return await self._wait(self._read(token), min(seconds, MAX_SECONDS))
        except HistoryLost as error:
            raise _foreign(token) from error

    def _read(self, token: str) -> str:
        try:
            signed = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), b"-_", validate=True)
            signature, place = signed[:_SIGNATURE], signed[_SIGNATURE:]
            if not any(hmac.compare_digest(signature, _sign(key, place)) for key in self._keys):
                raise _foreign(token)
            return place.decode()
        except (UnicodeError, binascii.Error) as error:
            raise _foreign(token) from error


def _sign(key: bytes, place: bytes) -> bytes:
    return hmac.new(key, place, hashlib.sha256).digest()[:_SIGNATURE]


def _foreign(token: str) -> InvalidInput:
    return InvalidInput(
        "wait_for is not a token of this service.",
        field="wait_for",
        provided=token,
        expected="the value of X-Index-Token as a write answered it",
    )
