"""A write that is done but not confirmed (code 64), at each step of a request with a key: the retry makes no second."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence

import pytest

from service.adapters.mongo.store import MongoOptions, MongoStore
from service.adapters.shared.store_replies import StoreReplies
from service.core.access.keys import Principal
from service.core.assets.records import asset_repository, new_record
from service.core.shared.idempotency import Answer, Attempt, Idempotency, make_once
from service.core.shared.ids import IdAllocator
from service.errors import Unavailable
from service.model import AssetBody, AssetCreate
from service.ports.clock import SystemClock
from service.ports.replies import StoredReply
from service.ports.store import Record
from tests.support.mongo_memory import MongoMemory, mongo_memory

WHO = Principal("acme", "kim", frozenset({"assets:write"}))

STEPS: dict[str, tuple[Sequence[tuple[str, str]], int]] = {
    "none": ((), 0),
    "the begin": ((("insert", "reply"),), 1),
    "the insert": ((("insert", "asset"),), 1),
    "the insert and the release": ((("insert", "asset"), ("findAndModify", "reply")), 1),
    "the number": ((("findAndModify", "counter"),), 1),
    "the reply": ((("findAndModify", "reply"),), 0),
    "all of them": ((("insert", "reply"), ("insert", "asset"), ("findAndModify", "reply")), 3),
}
"""Which writes are not confirmed, and how often the client gets 503 before its answer."""


class Client:
    """Creates an asset, with one key, as often as it has to."""

    def __init__(self, store: MongoStore, replies: StoreReplies) -> None:
        self._clock = SystemClock()
        self._assets = asset_repository(store, self._clock)
        self._numbers = IdAllocator(store, "asset")
        self._once = Idempotency(replies)

    async def send(self) -> Answer:
        """Send the request."""
        return await self._once.once(WHO, "my key", "fingerprint", self._work)

    async def _work(self, attempt: Attempt) -> StoredReply:
        async def make() -> Record[AssetBody]:
            body = new_record(AssetCreate(title="One", type="image"), WHO, await self._numbers.next(), self._clock)
            body["guid"] = attempt.guid
            return await self._assets.insert(body["id"], body)

        record = await make_once(self._assets, attempt, make)
        return StoredReply(201, {}, record.key.encode())


@pytest.fixture
def server() -> Iterator[MongoMemory]:
    with mongo_memory() as server:
        yield server


@pytest.fixture
async def client(server: MongoMemory) -> AsyncIterator[Client]:
    options = MongoOptions(server.url, timeout=1.0)
    async with MongoStore(options, SystemClock()) as store, StoreReplies(store, SystemClock()) as replies:
        yield Client(store, replies)


@pytest.mark.parametrize("step", STEPS)
async def test_a_retry_with_the_same_key_makes_one_asset(server: MongoMemory, client: Client, step: str) -> None:
    unconfirmed, refusals = STEPS[step]
    for command, collection in unconfirmed:
        server.unconfirmed_write(command, collection)
    seen = 0
    while True:
        try:
            answer = await client.send()
        except Unavailable:
            seen += 1
            assert seen <= refusals
        else:
            break
    assert seen == refusals
    (asset,) = server.documents["asset"].values()
    assert answer.reply.body == asset["_id"].encode()
    again = await client.send()
    assert again.reply.body == answer.reply.body
    assert len(server.documents["asset"]) == 1
