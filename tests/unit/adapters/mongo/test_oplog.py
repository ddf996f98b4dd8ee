from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from bson import Timestamp
from pymongo.errors import OperationFailure

from service.adapters.mongo.client import Database
from service.adapters.mongo.feed import oplog_hours
from service.errors import AssetryError

HIDDEN = {"no right to read it": 13, "a sharded cluster": 20, "a shared tier of Atlas": 8000}
AWAY = 91


class Oplog:
    """The oplog of a server: its first and its last entry, or what it answers instead."""

    def __init__(self, *times: int, code: int | None = None) -> None:
        self._times = times
        self._code = code

    async def find_one(self, *_: Any, sort: list[tuple[str, int]], **__: Any) -> Any:
        if self._code is not None:
            raise OperationFailure("not authorized on local", self._code)
        if not self._times:
            return None
        return {"ts": Timestamp(self._times[0 if sort[0][1] > 0 else -1], 1)}

    def as_database(self) -> Database:
        client = SimpleNamespace(get_database=lambda name: {"oplog.rs": self})
        return cast("Database", SimpleNamespace(client=client, options=SimpleNamespace(milliseconds=1000)))


async def test_the_window_is_from_the_first_entry_to_the_last() -> None:
    assert await oplog_hours(Oplog(1000, 1000 + 9000).as_database()) == 2.5


async def test_an_empty_one_has_no_window() -> None:
    assert await oplog_hours(Oplog().as_database()) is None


@pytest.mark.parametrize("code", HIDDEN.values(), ids=HIDDEN)
async def test_what_can_not_be_seen_is_not_known(code: int) -> None:
    assert await oplog_hours(Oplog(code=code).as_database()) is None


async def test_an_outage_is_told() -> None:
    with pytest.raises(AssetryError):
        await oplog_hours(Oplog(code=AWAY).as_database())
