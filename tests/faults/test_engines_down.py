"""Each real engine killed and hung under load: what was acknowledged stays, the rest says "not now", all comes back.

Each test starts an engine of its own (``scripts/enginelib``), since it ends it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.enginelib.faults import Missing
from scripts.enginelib.instances import Instance, fresh
from tests.faults.load import CREATE, SEARCH, UPLOAD, Load, check, memory
from tests.support.processes import printed, served

pytestmark = [pytest.mark.engines, pytest.mark.timeout(900)]

GROWTH = 200 * 2**20
"""Bytes that the service may grow while an engine is away."""


@dataclass(frozen=True)
class Case:
    """An engine, the setting that chooses it, which requests must go on without it, and which are refused.

    ``patience``: the seconds that a request may take with the engine away. A search has 10; a request to S3 may be idle
    for 30; a call to MongoDB has 7. The rest is for a machine that is busy.
    """

    engine: str
    setting: str
    goes_on: tuple[str, ...]
    refused: tuple[str, ...]
    patience: float


CASES = {
    "opensearch": Case("opensearch", "ASSETRY_OPENSEARCH_URL", (CREATE, UPLOAD), (SEARCH,), 15.0),
    "minio": Case("minio", "ASSETRY_S3_URL", (CREATE, SEARCH), (UPLOAD,), 35.0),
    "mongodb": Case("mongodb", "ASSETRY_MONGODB_URL", (), (CREATE, UPLOAD), 20.0),
    "redis": Case("redis", "ASSETRY_REDIS_URL", (CREATE, UPLOAD, SEARCH), (), 10.0),
}
FAULTS: Mapping[str, tuple[Callable[[Instance], None], Callable[[Instance], None]]] = {
    "killed": (Instance.kill, Instance.restart),
    "hung": (Instance.pause, Instance.resume),
}


@contextmanager
def started(case: Case) -> Iterator[Instance]:
    try:
        manager = fresh(case.engine)
        engine = manager.__enter__()
    except Missing as error:
        pytest.skip(str(error))
    try:
        yield engine
    finally:
        manager.__exit__(None, None, None)


@pytest.fixture(autouse=True)
def no_engines_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ASSETRY_") and "_TEST_" not in name]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_engine_goes_and_comes_back(
    case: Case, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail, heal = FAULTS[fault]
    with started(case) as engine:
        monkeypatch.setenv(case.setting, engine.url)
        data = tmp_path / "data"
        printed("db", "init", "--data", data)
        with served(data) as service:
            service.until_ready()
            load = Load(service, service.key(), f"{case.engine}x{fault}")
            with load.running():
                for kind in (CREATE, UPLOAD, SEARCH):
                    load.until(kind, True, 20, 0.0)
                before = memory(service.process.pid)
                fail(engine)
                failed = time.monotonic()
                for kind in case.goes_on:
                    load.until(kind, True, 50, failed)
                for kind in case.refused:
                    load.until(kind, False, 2, failed)
                away = time.monotonic() - failed
                grown = memory(service.process.pid) - before
                heal(engine)
                healed = time.monotonic()
                for kind in (CREATE, UPLOAD, SEARCH):
                    load.until(kind, True, 20, healed)
                back = time.monotonic() - healed
            _judge(load, case)
            service.until_ready()
            check(load)
        slowest = max(load.slowest().values())
        with capsys.disabled():  # figures for people, beside the dots
            sys.stdout.write(
                f"\n{case.engine} {fault} for {away:.1f} s, all well {back:.1f} s after; {len(load.sent)} requests, "
                f"the slowest {slowest:.1f} s; {len(load.ledger)} writes acknowledged; {grown >> 20} MB grown\n"
            )
        assert slowest < case.patience, load.slowest()
        assert grown < GROWTH


def _judge(load: Load, case: Case) -> None:
    """Requests that do not need the engine all went on; the others were answered, or told when to come again."""
    for kind in case.goes_on:
        assert {sent.status for sent in load.since(0.0, kind)} <= {200, 201}, load.statuses()
    assert {sent.status for sent in load.sent} <= {200, 201, 503}, load.statuses()
    assert all(sent.retry_after for sent in load.sent if sent.status == 503)
