"""What ``/metrics`` of a whole service shows of its index."""

from __future__ import annotations

import pytest

from service.api.ops.metrics import METRICS
from tests.api.client import Api, until_ready

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def samples(api: Api) -> dict[str, float]:
    text = (await api.http.get("/metrics")).text
    lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


async def test_a_write_is_counted_by_how_long_it_took_to_be_searchable(api: Api) -> None:
    await until_ready(api)
    before = await samples(api)
    await api.create()
    await api.settled()
    after = await samples(api)
    for name in ("commit_to_searchable_seconds_count", "batch_changes_count", 'items_total{outcome="done"}'):
        found = f"assetry_index_{name}"
        assert after[found] > before.get(found, 0), found
    assert after['assetry_index_commit_to_searchable_seconds_bucket{le="+Inf"}'] >= 1
    assert after["assetry_index_records_per_second"] > 0


async def test_who_leads_and_what_it_does(api: Api) -> None:
    await until_ready(api)
    found = await samples(api)
    assert found["assetry_index_leader"] == found["assetry_index_fed"] == found["assetry_index_targets"] == 1
    assert found["assetry_index_fence"] >= 1
    assert found['assetry_index_state{state="following"}'] == 1
    assert found['assetry_index_state{state="halted"}'] == found["assetry_index_outdated"] == 0


async def test_every_metric_is_in_the_table(api: Api) -> None:
    text = (await api.http.get("/metrics")).text
    shown = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
    known = {f"assetry_{name}" for name in METRICS}
    assert {name for name in shown if not name.endswith("_created")} <= known
