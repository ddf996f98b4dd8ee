"""Requests with an Idempotency-Key: however often one comes, it has one effect and one answer.

The reply of the first run is kept for a day and given again (draft-ietf-httpapi-idempotency-key-header-07, and Stripe's
behaviour where that is silent). A process may die between an effect and its reply, and a write may end unknown; so the
effect itself is keyed, too: a use case puts the attempt's ``guid`` into the record that it makes, whose unique index
then lets no second one in, and answers a repeated attempt with what it finds. What a run that failed leaves behind:

==================================================  ===================================================================
it succeeded                                        its reply, for a day
NotFound, AlreadyExists, Conflict                   its reply, for a day: asked again, it answers the same
the request itself was refused (InvalidInput …)     nothing: the key is free for the corrected request
Unavailable, a fault of ours, a death               the request's fingerprint: it may be tried again at once
==================================================  ===================================================================
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from query.errors import QueryError
from service.core.shared.repository import B, Repository
from service.errors import (
    AlreadyExists,
    IdempotencyKeyReused,
    InvalidInput,
    NotAllowed,
    RequestInProgress,
    Unavailable,
)
from service.ports.replies import LEASE, Claim, InProgress, KeyReused, Replies, StoredReply
from service.ports.store import Record

_NAMESPACE = uuid.UUID("6d0f3f4e-8a0c-5c1e-9d57-3b1f2c7a94e1")
_REFUSED = (InvalidInput, QueryError, NotAllowed)
"""Errors that say that the request is wrong: nothing was done for it, and it will never be."""
_log = structlog.get_logger("assetry.idempotency")


class Owner(Protocol):
    """Whose key it is: a user of an organization."""

    @property
    def org_id(self) -> str:
        """The organization."""
        ...

    @property
    def user_id(self) -> str:
        """The user."""
        ...


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a request.

    ``guid`` is the same for each attempt at it, and for no other request: the UUID of what it makes. ``repeated`` says
    that an earlier attempt may have made it.
    """

    guid: str
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, and whether it is an earlier one."""

    reply: StoredReply
    replayed: bool = False


Work = Callable[[Attempt], Awaitable[StoredReply]]
"""Does what a request asks for. It gives the replies that are to be kept, also of errors, and raises the others."""


class Idempotency:
    """Runs requests that carry a key."""

    def __init__(self, replies: Replies, *, lease: float = LEASE) -> None:
        self._replies = replies
        self._lease = lease

    async def once(self, who: Owner, key: str, fingerprint: str, work: Work) -> Answer:
        """Do the work, or give the answer of an earlier time.

        ``fingerprint`` is a hash of all that the request asks for. A key belongs to a user of an organization. Raises
        RequestInProgress, IdempotencyKeyReused, Unavailable (nothing was begun), and what the work raises.
        """
        slot = hashlib.sha256("\0".join((who.org_id, who.user_id, key)).encode()).hexdigest()
        guid = str(uuid.uuid5(_NAMESPACE, f"{slot} {fingerprint}"))
        begun = await self._replies.begin(slot, fingerprint, lease=self._lease)
        match begun:
            case InProgress():
                raise RequestInProgress("A request with this Idempotency-Key is under way.", retry_after=1)
            case KeyReused():
                raise IdempotencyKeyReused("This Idempotency-Key belongs to another request: make a new key.")
            case StoredReply(body=None):  # it was too long to keep: what it showed is looked up
                return Answer(await work(Attempt(guid, repeated=True)), replayed=True)
            case StoredReply():
                return Answer(begun, replayed=True)
            case Claim():
                return Answer(await self._run(begun, Attempt(guid, begun.repeated), work))

    async def _run(self, mark: Claim, attempt: Attempt, work: Work) -> StoredReply:
        renewing = asyncio.create_task(self._renew(mark))
        try:
            reply = await work(attempt)
        except _REFUSED:
            await self._release(mark, forget=not mark.repeated)
            raise
        except BaseException:  # also a cancel: the effect is keyed, so that the next attempt finds what this one did
            await self._release(mark, forget=False)
            raise
        finally:
            renewing.cancel()
        try:
            if not await self._replies.keep(mark, reply):
                _log.warning("another process answered a request that took too long", slot=mark.slot)
        except Unavailable as error:  # the work is done: the client must hear of it
            _log.warning("a reply could not be kept; a retry looks up what was made", engine=error.engine)
        return reply

    async def _renew(self, mark: Claim) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                if not await self._replies.renew(mark, lease=self._lease):
                    return
            except Unavailable as error:
                _log.warning("a lease could not be renewed", engine=error.engine)

    async def _release(self, mark: Claim, *, forget: bool) -> None:
        try:
            await self._replies.release(mark, forget=forget)
        except Unavailable as error:  # the lease runs out by itself
            _log.warning("a key could not be released; retries wait for its lease", engine=error.engine)


async def make_once(records: Repository[B], attempt: Attempt, make: Callable[[], Awaitable[Record[B]]]) -> Record[B]:
    """Make a record with the attempt's ``guid``, or return the one that an earlier attempt made.

    The kind has a unique index ``guid``: it decides between attempts at the same time, and about unknown writes.
    """
    made = {"guid": attempt.guid}
    if attempt.repeated and (record := await records.first(made)):
        return record
    try:
        return await make()
    except AlreadyExists as error:
        if error.index != "guid":
            raise
        if record := await records.first(made):
            return record
    # Its writer is not done yet, or it was deleted at this very moment: the next attempt will know.
    raise Unavailable("store", f"the {records.kind} is there and does not show", retry_after=1)
