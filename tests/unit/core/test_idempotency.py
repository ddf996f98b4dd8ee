from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from query.errors import QueryError, QueryProblem
from service.core.access.keys import Principal
from service.core.shared.idempotency import Answer, Attempt, Idempotency, make_once
from service.core.shared.repository import Repository
from service.errors import (
    AlreadyExists,
    IdempotencyKeyReused,
    InvalidInput,
    NotAllowed,
    RequestInProgress,
    Unavailable,
)
from service.ports.replies import LEASE, Claim, InProgress, KeyReused, StoredReply
from service.ports.store import Body, Record
from tests.support.waiting import until
from tests.unit.core.fakes import Shelf

CREATED = StoredReply(201, {}, b"{}")


@dataclass
class Replies:
    """Answers every ``begin`` with what it was told to, and writes down what else is asked."""

    begun: Claim | StoredReply | InProgress | KeyReused = field(default_factory=lambda: Claim("slot", "token"))
    slots: list[tuple[str, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    away: bool = False
    taken_over: bool = False

    async def begin(
        self, slot: str, fingerprint: str, *, lease: float = LEASE
    ) -> Claim | StoredReply | InProgress | KeyReused:
        self.slots.append((slot, fingerprint))
        return self.begun

    async def renew(self, claim: Claim, *, lease: float = LEASE) -> bool:
        return self._note("renew")

    async def keep(self, claim: Claim, reply: StoredReply) -> bool:
        return self._note(f"keep {reply.status}")

    async def release(self, claim: Claim, *, forget: bool) -> None:
        self._note("forget" if forget else "release")

    async def close(self) -> None:
        pass

    def _note(self, what: str) -> bool:
        self.calls.append(what)
        if self.away:
            raise Unavailable("redis", "it is away")
        return not self.taken_over


def works(attempts: list[Attempt]) -> Callable[[Attempt], Awaitable[StoredReply]]:
    async def work(attempt: Attempt) -> StoredReply:
        attempts.append(attempt)
        return CREATED

    return work


def fails(error: BaseException) -> Callable[[Attempt], Awaitable[StoredReply]]:
    async def work(_attempt: Attempt) -> StoredReply:
        raise error

    return work


async def test_the_work_is_done_and_kept(who: Principal) -> None:
    replies, attempts = Replies(), list[Attempt]()
    assert await Idempotency(replies).once(who, "key", "print", works(attempts)) == Answer(CREATED)
    assert replies.calls == ["keep 201"]
    assert not attempts[0].repeated


async def test_the_guid_is_of_the_user_the_key_and_the_request(who: Principal) -> None:
    attempts: list[Attempt] = []
    replies = Replies()
    other = Principal("acme", "lee", who.scopes)
    another = Principal("others", "kim", who.scopes)
    for user, key, fingerprint in (
        (who, "key", "print"),
        (who, "key", "print"),
        (who, "key", "other"),
        (who, "other", "print"),
        (other, "key", "print"),
        (another, "key", "print"),
    ):
        await Idempotency(replies).once(user, key, fingerprint, works(attempts))
    guids = [attempt.guid for attempt in attempts]
    assert guids[0] == guids[1]
    assert len(set(guids)) == 5
    assert replies.slots[0][0] == replies.slots[2][0], "the slot is of the user and the key alone"
    assert len({slot for slot, _ in replies.slots}) == 4


async def test_what_was_kept_is_given_again(who: Principal) -> None:
    attempts: list[Attempt] = []
    assert await Idempotency(Replies(CREATED)).once(who, "key", "print", works(attempts)) == Answer(CREATED, True)
    assert not attempts


async def test_what_was_too_long_is_looked_up(who: Principal) -> None:
    replies, attempts = Replies(StoredReply(201, {}, None)), list[Attempt]()
    assert await Idempotency(replies).once(who, "key", "print", works(attempts)) == Answer(CREATED, True)
    assert attempts[0].repeated
    assert not replies.calls


@pytest.mark.parametrize(("begun", "error"), [(InProgress(), RequestInProgress), (KeyReused(), IdempotencyKeyReused)])
async def test_what_can_not_begin(who: Principal, begun: InProgress | KeyReused, error: type[Exception]) -> None:
    with pytest.raises(error):
        await Idempotency(Replies(begun)).once(who, "key", "print", works([]))


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (InvalidInput("m"), "forget"),
        (QueryError(QueryProblem("syntax", "m")), "forget"),
        (NotAllowed("m", scope="s"), "forget"),
        (Unavailable("store", "m"), "release"),
        (ZeroDivisionError(), "release"),
        (asyncio.CancelledError(), "release"),
    ],
)
@pytest.mark.parametrize("away", [False, True])
async def test_what_a_failed_run_leaves(who: Principal, error: BaseException, end: str, away: bool) -> None:
    replies = Replies(away=away)
    with pytest.raises(type(error)):
        await Idempotency(replies).once(who, "key", "print", fails(error))
    assert replies.calls == [end]


async def test_a_repeated_run_never_frees_the_key(who: Principal) -> None:
    replies = Replies(Claim("slot", "token", repeated=True))
    with pytest.raises(InvalidInput):
        await Idempotency(replies).once(who, "key", "print", fails(InvalidInput("m")))
    assert replies.calls == ["release"]


@pytest.mark.parametrize("replies", [Replies(away=True), Replies(taken_over=True)], ids=["away", "taken over"])
async def test_the_answer_is_given_even_if_it_can_not_be_kept(who: Principal, replies: Replies) -> None:
    assert await Idempotency(replies).once(who, "key", "print", works([])) == Answer(CREATED)


@pytest.mark.parametrize("away", [False, True])
async def test_long_work_renews_its_lease(who: Principal, away: bool) -> None:
    replies, gate = Replies(away=away), asyncio.Event()

    async def long(_attempt: Attempt) -> StoredReply:
        await gate.wait()
        return CREATED

    running = asyncio.create_task(Idempotency(replies, lease=0.03).once(who, "key", "print", long))
    await until(lambda: replies.calls.count("renew") >= 3, "it is renewed again and again")
    gate.set()
    await running
    assert replies.calls[-1] == "keep 201"


async def test_what_was_taken_over_is_not_renewed(who: Principal) -> None:
    replies = Replies(taken_over=True)

    async def long(_attempt: Attempt) -> StoredReply:
        await until(lambda: "renew" in replies.calls, "it was renewed")
        await asyncio.sleep(0)
        return CREATED

    await Idempotency(replies, lease=0.03).once(who, "key", "print", long)
    assert replies.calls == ["renew", "keep 201"]


async def test_a_record_is_made_once(shelf: Shelf) -> None:
    attempt = Attempt("5f0c3c1e-5b7e-5d5c-9d0e-8f6b2f3f9a11")
    made: list[int] = []

    async def make() -> Record:
        made.append(len(made))
        return await shelf.store.insert("asset", f"asset_{len(made)}", {"guid": attempt.guid})

    first = await make_once(Repository[Body](shelf.store, "asset"), attempt, make)
    assert await make_once(Repository[Body](shelf.store, "asset"), Attempt(attempt.guid, repeated=True), make) == first
    assert len(made) == 1, "a repeated attempt looks first"
    assert await make_once(Repository[Body](shelf.store, "asset"), attempt, make) == first
    assert len(made) == 2, "one that knows of no other is told by the unique index"


async def test_a_record_that_does_not_show_yet(shelf: Shelf) -> None:
    async def taken() -> Record:
        raise AlreadyExists("asset", "guid", "x")

    with pytest.raises(Unavailable):
        await make_once(Repository[Body](shelf.store, "asset"), Attempt("x"), taken)


async def test_another_key_that_is_taken_is_an_error(shelf: Shelf) -> None:
    async def taken() -> Record:
        raise AlreadyExists("asset", "sid", "x")

    with pytest.raises(AlreadyExists):
        await make_once(Repository[Body](shelf.store, "asset"), Attempt("x"), taken)
