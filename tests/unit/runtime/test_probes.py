from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from indexer.status.model import NOBODY, UNKNOWN, FollowerStatus, Rebuilding, Reconciling, State
from indexer.verify.last_result import VerifyResult
from service.api.app import create_ops_app
from service.api.kernel.context import Probe
from service.errors import Unavailable
from service.runtime import probes

GOOD = replace(UNKNOWN, state=State.FOLLOWING, caught_up=True, last_error=None)


def verified(index: str, left: int) -> VerifyResult:
    return VerifyResult(index, "2024-05-01T10:00:00.000Z", 100, {"missing": left}, left, 0, 1.0)


async def well() -> Mapping[str, Any]:
    return {"engine": "sqlite", "version": "3.40"}


async def away() -> Mapping[str, Any]:
    raise Unavailable("redis", "no connection")


async def hanging() -> Mapping[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError


async def asked(path: str, **engines: Probe) -> httpx.Response:
    transport = httpx.ASGITransport(app=create_ops_app(engines, tuple))
    async with httpx.AsyncClient(transport=transport, base_url="http://assetry.test") as http:
        return await http.get(path)


@pytest.mark.parametrize(
    ("status", "ready", "degraded"),
    [
        (GOOD, True, False),
        (replace(GOOD, state=State.WAITING), True, False),
        (replace(GOOD, state=State.HALTED), False, False),
        (replace(GOOD, caught_up=False, state=State.REINDEXING), False, False),
        (replace(GOOD, state=State.STOPPED, last_error=NOBODY), True, True),
        (UNKNOWN, False, True),
        (replace(GOOD, index="a-1", verified=verified("a-1", left=0)), True, False),
        (replace(GOOD, index="a-1", verified=verified("a-1", left=3)), True, True),
        (replace(GOOD, index="a-2", verified=verified("a-1", left=3)), True, False),
    ],
)
async def test_when_an_index_is_ready(status: FollowerStatus, ready: bool, degraded: bool) -> None:
    answer = await probes.index_probe(lambda: status)()
    assert (answer["ready"], answer.get("degraded", False)) == (ready, degraded)


@pytest.mark.parametrize(
    ("redis", "code", "status"),
    [
        (well, 200, "ready"),
        (probes.optional(well), 200, "ready"),
        (away, 503, "not_ready"),
        (probes.optional(away), 200, "degraded"),
    ],
)
async def test_what_an_engine_that_is_away_does(redis: Probe, code: int, status: str) -> None:
    answer = await asked("/readyz", store=well, jobs=redis)
    assert (answer.status_code, answer.json()["status"]) == (code, status)
    assert ("Retry-After" in answer.headers) == (code == 503)


async def test_an_engine_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_OPTIONAL_TIMEOUT", 0.01)
    answer = await asked("/readyz", jobs=probes.optional(hanging))
    assert answer.json()["engines"]["jobs"]["degraded"] is True


async def test_metrics_name_the_engines() -> None:
    text = (await asked("/metrics", store=well, jobs=probes.optional(away))).text
    assert 'assetry_engine_up{port="store"} 1.0' in text
    assert 'assetry_engine_up{port="jobs"} 0.0' in text
    assert 'assetry_engine_info{engine="sqlite",port="store",version="3.40"} 1.0' in text


async def test_a_halt_says_what_to_do() -> None:
    answer = await probes.index_probe(lambda: replace(GOOD, state=State.HALTED))()
    assert (answer["ready"], answer["reason"]) == (False, probes.HALTED)
    assert "assetry index resume" in answer["fix"]


async def test_work_under_way_is_shown() -> None:
    status = replace(GOOD, rebuild=Rebuilding("assets-2", "filling", 3, 9), reconciling=Reconciling("lost", "assets-1"))
    answer = await probes.index_probe(lambda: status)()
    assert answer["reindex"] == {"index": "assets-2", "stage": "filling", "done": 3, "total": 9}
    assert answer["reconciling"] == {"index": "assets-1", "checked": 0}
