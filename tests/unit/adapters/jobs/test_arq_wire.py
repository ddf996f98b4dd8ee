from __future__ import annotations

import pickle
from typing import Any

import orjson
import pytest
from arq.jobs import deserialize_job_raw, serialize_job, serialize_result

from service.adapters.jobs.arq_queues import FUNCTION, dumps, loads, queue, queues, wake_up
from service.adapters.jobs.limits import JobLimits
from service.ports.store import Record

CALL: dict[str, Any] = {"t": None, "f": FUNCTION, "a": ["op_1"], "k": {}, "et": 1}
LIMITS = JobLimits(concurrency=4, kinds={"slow": 1, "wide": 9})


def record(rev: int) -> Record:
    return Record("operation", "op_1", rev, {}, "2024-01-01T00:00:00.000Z")


def test_a_wake_up_is_json_and_comes_back() -> None:
    sent = serialize_job(FUNCTION, ("op_1",), {}, None, 17, serializer=dumps)
    assert orjson.loads(sent) == {**CALL, "et": 17}
    function, arguments, *rest = deserialize_job_raw(sent, deserializer=loads)
    assert (function, list(arguments), *rest) == (FUNCTION, ["op_1"], {}, None, 17)


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(CALL),
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        orjson.dumps({**CALL, "a": []}),
        orjson.dumps({**CALL, "a": ["op_1", "op_2"]}),
        orjson.dumps({**CALL, "a": [{"$ne": 1}]}),
        orjson.dumps({**CALL, "k": {"more": 1}}),
        orjson.dumps({**CALL, "f": None}),
        orjson.dumps({**CALL, "t": "1"}),
        orjson.dumps({**CALL, "et": "now"}),
    ],
)
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        loads(content)


def test_an_error_that_arq_hands_over_is_no_obstacle() -> None:
    content = serialize_result(
        FUNCTION, (), {}, 1, 1, False, RuntimeError("a password"), 1, 1, "ref", "queue", "job", serializer=dumps
    )
    assert content is not None
    assert orjson.loads(content)["r"] == "RuntimeError"


def test_each_time_that_an_operation_is_queued_has_a_wake_up_of_its_own() -> None:
    assert wake_up("one", record(1)) == wake_up("one", record(1))
    assert len({wake_up("one", record(1)), wake_up("one", record(3)), wake_up("two", record(1))}) == 3


def test_a_limited_type_has_a_queue_of_its_own() -> None:
    assert queue("one", LIMITS, "slow") == "one:jobs:slow"
    assert queue("one", LIMITS, "other") == queue("one", LIMITS, "another") == "one:jobs"
    assert queues("one", LIMITS) == ("one:jobs", "one:jobs:slow", "one:jobs:wide")


@pytest.mark.parametrize(("type_", "most"), [("slow", 1), ("wide", 4), ("other", 4)])
def test_a_type_has_its_limit_and_that_of_all(type_: str, most: int) -> None:
    assert LIMITS.most(type_) == most
